// What is said of a hook's run, the same on every platform: the end of what it printed, and how it
// went wrong.
#pragma once

#include <string>
#include <string_view>

#include "core/error.hpp"

namespace noforce {

// One thread.
class HookReport {
 public:
  HookReport() = default;
  explicit HookReport(std::string program) : program_(std::move(program)) {}

  [[nodiscard]] const std::string& program() const { return program_; }
  // Keeps the last 4 KiB.
  void add_output(std::string_view printed);
  // hook_failed: "the hook 'PROGRAM' of SERVICE HOW: LAST LINE", that line cleaned; without it where
  // nothing was printed.
  [[nodiscard]] Error failed(const std::string& service, const std::string& how) const;

 private:
  std::string program_;
  std::string tail_;
};

}  // namespace noforce
