// A keeper that is killed with -9 exactly before one of its system calls. Between two of them
// nothing happens that outlives it, so "before each" is every instant that there is. It is traced
// (ptrace) by the test; the keeper knows nothing of it.
#pragma once

#include <sys/types.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <future>
#include <thread>

namespace noforce::supervisor::testing {

struct SystemCall {
  std::uint64_t number = 0;  // SYS_...
  std::array<std::uint64_t, 6> arguments{};
};

class Traced {
 public:
  // Kills `keeper` at the first call that `at` is true of; asked before each one from now on, on a
  // thread of its own.
  Traced(std::int64_t keeper, std::function<bool(const SystemCall&)> at);
  ~Traced();  // lets it go on, if it lives
  Traced(const Traced&) = delete;
  Traced& operator=(const Traced&) = delete;

  // False where the machine does not let us trace.
  [[nodiscard]] bool works() const { return works_; }
  // No later call kills it. Whether one did.
  bool let_go();

 private:
  void trace(std::promise<bool> began);
  // The first stop after the attach.
  [[nodiscard]] bool attach() const;
  [[nodiscard]] bool stopped_before_fatal_call() const;

  pid_t keeper_;
  std::function<bool(const SystemCall&)> at_;
  std::atomic<bool> enough_ = false;
  std::atomic<bool> killed_ = false;
  bool works_ = false;
  std::thread thread_;
};

// Calls to look for. The keeper's record is the only file that it writes with pwrite once it runs;
// a child's word to go is the only single byte.
[[nodiscard]] bool saves_record(const SystemCall& call);
[[nodiscard]] bool lets_child_go(const SystemCall& call);

}  // namespace noforce::supervisor::testing
