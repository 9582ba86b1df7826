// A sink that collects what a backend says; waits are woken by it, with a limit for broken code only.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "core/scm/port.hpp"

namespace noforce::test {

class Listener final : public ScmSink {
 public:
  void observed(std::string_view service) override;
  void completed(Completion completion) override;
  void inventory_changed() override;
  void connection_changed(bool lost) override;

  // Before the backend starts: where to look in the instant in which an answer comes.
  void look_at(std::function<PicturePtr()> picture) { picture_ = std::move(picture); }

  // Waits until `true_now`, looked at after each call of the backend.
  bool wait(const std::function<bool()>& true_now);
  // The first answer to this token.
  [[nodiscard]] std::optional<Result<void>> answer(const ControlToken& token);
  [[nodiscard]] std::optional<Result<void>> last_answer(const ControlToken& token);
  // The picture as it was when the first answer came; null without look_at() or an answer.
  [[nodiscard]] PicturePtr picture_at_answer(const ControlToken& token);
  [[nodiscard]] int answers(const ControlToken& token);
  [[nodiscard]] int losses();
  [[nodiscard]] bool lost();
  [[nodiscard]] int inventories();
  // How many calls there were, of any kind.
  [[nodiscard]] std::uint64_t calls();

 private:
  struct Answer {
    Completion completion;
    PicturePtr picture;
  };
  [[nodiscard]] const Answer* find(const ControlToken& token) const;

  std::function<PicturePtr()> picture_;
  std::mutex mutex_;
  std::condition_variable moved_;
  std::uint64_t moves_ = 0;
  std::vector<Answer> answers_;
  int losses_ = 0;
  int inventories_ = 0;
  bool lost_ = false;
};

}  // namespace noforce::test
