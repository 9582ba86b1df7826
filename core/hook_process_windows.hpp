// One run of a hook: the process, and what it prints. Windows; see attendant.hpp for the rules.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/hook_report.hpp"
#include "core/policy.hpp"
#include "core/windows_handle.hpp"

namespace noforce {

// The command line by which a program of Microsoft's C library finds exactly these arguments.
[[nodiscard]] std::wstring command_line_of(const HookCommand& command);

// One thread.
class HookProcess {
 public:
  // hook_failed when the program may not, or cannot, be run.
  [[nodiscard]] static Result<HookProcess> start(const HookCommand& command, const std::string& job,
                                                 const std::string& service);

  // Reads what is there (the last 4 KiB are kept, so that the process hardly waits for a reader) and
  // waits for `patience` at most. True: it has ended, and its exit status is known.
  [[nodiscard]] bool wait(Milliseconds patience, const WindowsHandle& or_for);
  // Asks the process to end (Ctrl-Break, on its console), once; that is all that is ever done about it.
  // False: the system has no way to ask it.
  [[nodiscard]] bool ask_to_end() const;

  // Success, or hook_failed with the exit status and the last line; once it has ended.
  [[nodiscard]] Result<void> result(const std::string& service) const;
  [[nodiscard]] const HookReport& report() const { return report_; }

 private:
  HookProcess() = default;
  void drain();

  HookReport report_;
  WindowsHandle process_;
  std::uint32_t pid_ = 0;
  bool own_console_ = false;  // it has a console of its own, because the agent has none
  WindowsHandle output_;
  std::optional<std::uint32_t> status_;
};

}  // namespace noforce
