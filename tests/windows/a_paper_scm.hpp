// The backend over a service manager on paper, and what its tests do with it.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "core/scm/windows/backend.hpp"
#include "tests/support/listener.hpp"
#include "tests/windows/paper_scm.hpp"

namespace noforce::windows::testing {

// Holds the thread that sends a control, until the test lets it go.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  [[nodiscard]] bool wait_for(int waiting) {
    constexpr std::chrono::seconds broken{40};  // only broken code waits for so long
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, broken, [&] { return waiting_ >= waiting; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

class APaperScm : public ::testing::Test {
 protected:
  APaperScm() : paper_(std::make_shared<PaperScm>()) {
    folder_ = std::filesystem::temp_directory_path() /
              ("noforce-windows-" +
               std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()));
    std::filesystem::create_directory(folder_);
  }
  ~APaperScm() override {
    scm_.reset();
    std::filesystem::remove_all(folder_);
  }

  // Starts the agent's backend, or the next one's after it died.
  Result<void> begin(const std::string& own_service = {}) {
    scm_.reset();
    scm_ = std::make_unique<WindowsScm>(
        WindowsOptions{.state_dir = folder_, .own_service = own_service}, system_clock(), paper_);
    return scm_->start(listener_, Milliseconds(20'000));
  }
  noforce::Service service(const std::string& name) {
    const PicturePtr picture = scm_->snapshot();
    const noforce::Service* found = picture->find(name);
    return found == nullptr ? noforce::Service{} : *found;
  }
  ControlToken send(ControlOp op, const std::string& name, std::optional<ControlToken> token = {}) {
    if (!token) token = ControlToken{.job = "01KB", .step = next_++, .attempt = 1};
    Control control{
        .op = op, .service = name, .token = *token, .comment = "noforce job 01KB by me"};
    if (op != ControlOp::start) control.instance = service(name).instance;
    scm_->submit(std::move(control));
    return *token;
  }
  Result<void> answer(const ControlToken& token) {
    if (!listener_.wait([&] { return listener_.answer(token).has_value(); })) {
      return fail(ErrorKind::internal, "no answer came");
    }
    return *listener_.answer(token);
  }
  Result<void> control(ControlOp op, const std::string& name) { return answer(send(op, name)); }
  bool wait_for(const std::string& name, ServiceState state) {
    return listener_.wait([&] { return service(name).state == state; });
  }

  std::filesystem::path folder_;
  std::shared_ptr<PaperScm> paper_;
  test::Listener listener_;
  std::unique_ptr<WindowsScm> scm_;
  std::uint32_t next_ = 1;
};

}  // namespace noforce::windows::testing
