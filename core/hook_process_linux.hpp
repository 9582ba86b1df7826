// One run of a hook: the process, and what it prints. Linux; see attendant.hpp for the rules.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "core/error.hpp"
#include "core/fd.hpp"
#include "core/hook_report.hpp"
#include "core/policy.hpp"

namespace noforce {

// One thread.
class HookProcess {
 public:
  // hook_failed when the program may not, or cannot, be run.
  [[nodiscard]] static Result<HookProcess> start(const HookCommand& command, const std::string& job,
                                                 const std::string& service);

  // To poll for reading: the end of the process, and its output. -1 once that is over.
  [[nodiscard]] int process_fd() const { return process_.get(); }
  [[nodiscard]] int output_fd() const { return output_.get(); }

  // Reads what is there; keeps the last 4 KiB, so that the process never waits for a reader.
  void drain();
  // Takes the exit status of a process that has ended.
  void reap();
  // Asks the process to end, once; that is all that is ever done about it.
  void ask_to_end() const;

  [[nodiscard]] bool ended() const { return !process_; }
  // Ended, and nobody holds its output any more: there is nothing left to look at.
  [[nodiscard]] bool over() const { return !process_ && !output_; }
  // Success, or hook_failed with the exit status and the last line; once it has ended.
  [[nodiscard]] Result<void> result(const std::string& service) const;
  [[nodiscard]] const HookReport& report() const { return report_; }

 private:
  HookProcess() = default;

  HookReport report_;
  Fd process_;  // a pidfd
  Fd output_;
  std::optional<int> status_;  // exit status, or 128 + n for signal n; unset: somebody else took it
};

}  // namespace noforce
