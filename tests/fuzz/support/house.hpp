// The face as the agent has it, over real jobs and a real journal; only the SCM is a fake. Made once
// a process: what one input leaves behind must not change what the next one gets.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/face.hpp"
#include "tests/fuzz/support/temporary_directory.hpp"
#include "tests/support/fake_scm.hpp"

namespace noforce::fuzz {

class House {
 public:
  House();
  ~House();
  House(const House&) = delete;
  House& operator=(const House&) = delete;

  [[nodiscard]] Journal& journal() { return *journal_; }
  [[nodiscard]] Credentials& credentials() { return *credentials_; }
  [[nodiscard]] Jobs& jobs() { return *jobs_; }
  [[nodiscard]] api::Face& face() { return *face_; }

  // What differs from one run to the next, as an input can name it: $ADMIN, $OPERATOR, $VIEWER and
  // $NARROW are tokens, $JOB the id of a job that has ended, $EVENT that of an event.
  [[nodiscard]] std::string fill_in(std::string_view text) const;

 private:
  void add_token(const std::string& placeholder, Role role, std::vector<std::string> services);
  std::string run_job(Action action, std::vector<std::string> services);

  const TemporaryDirectory directory_;
  test::FakeScm scm_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Credentials> credentials_;
  EventFeed events_{"01KBN8G5ZJ4T1S8Q0V7XH2M3RD"};
  std::unique_ptr<Jobs> jobs_;
  std::unique_ptr<api::Face> face_;
  std::vector<std::pair<std::string, std::string>> placeholders_;
};

}  // namespace noforce::fuzz
