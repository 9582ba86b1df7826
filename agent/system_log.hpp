// What the machine's own log gets besides the agent's. One file a platform.
#pragma once

#include <initializer_list>
#include <string_view>

#include "agent/log.hpp"

namespace noforce::agent {

// Warnings, errors, and when the agent begins and ends. Any thread.
void tell_system_log(LogLevel level, std::string_view line);

// A line of the log in its parts.
struct LogEntry {
  LogLevel level = LogLevel::info;
  std::string_view from;
  std::string_view text;
  std::initializer_list<LogField> fields;
};

// Gives the parts to the machine's log where standard error is that log and it can keep them apart.
// False: it is none, and the line belongs on standard error. Waits for nobody. Any thread.
[[nodiscard]] bool keep_in_system_log(const LogEntry& entry);

}  // namespace noforce::agent
