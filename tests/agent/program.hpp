// Runs the finished program as a person would: subcommands to their end, and an agent beside them.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "core/clock.hpp"

namespace noforce::agent::test {

struct Outcome {
  int status = -1;  // the exit status; 128 + n for signal n
  std::string out;
  std::string err;
};

// With standard input from /dev/null; fails the test when it does not end within a minute.
[[nodiscard]] Outcome run(const std::vector<std::string>& words);

// `noforce serve`, until it is told to end.
class ServedAgent {
 public:
  // Returns once it serves; `is_serving()` is false when it ended at once. `below` is a command
  // that runs the program; its own pid is then pid().
  ServedAgent(const std::string& settings, const std::string& state_dir,
              const std::vector<std::string>& below = {});
  ~ServedAgent();
  ServedAgent(const ServedAgent&) = delete;
  ServedAgent& operator=(const ServedAgent&) = delete;

  [[nodiscard]] bool is_serving() const { return serving_; }
  [[nodiscard]] pid_t pid() const { return pid_; }
  [[nodiscard]] const std::string& address() const { return address_; }
  void signal(int number) const;
  // Its exit status, once it ended; -1 when it does not within `patience`.
  int wait(Milliseconds patience = Milliseconds(30'000));
  // SIGTERM, and its exit status.
  int end();
  [[nodiscard]] std::string log() const;
  [[nodiscard]] bool logs_now(const std::string& text) const;
  // Waits for a line with this in its log.
  [[nodiscard]] bool logs(const std::string& text) const;

 private:
  std::string log_;
  pid_t pid_ = -1;
  int status_ = -1;
  bool ended_ = false;
  bool serving_ = false;
  std::string address_;
};

// The pids of the processes whose command line holds this text.
[[nodiscard]] std::vector<pid_t> processes_with(const std::string& text);
void sleep_a_little();
// Waits until `done`; false when it does not come true in time.
[[nodiscard]] bool eventually(const auto& done, Milliseconds patience = Milliseconds(20'000)) {
  const MonoTime until = system_clock().mono() + patience;
  while (!done()) {
    if (system_clock().mono() > until) return false;
    sleep_a_little();
  }
  return true;
}

}  // namespace noforce::agent::test
