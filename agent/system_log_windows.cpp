#include "agent/system_log.hpp"
#include "agent/windows_service.hpp"

namespace noforce::agent {

// The event log, where this process is a service: nobody sees its standard error.
void tell_system_log(LogLevel level, std::string_view line) {
  if (level == LogLevel::error) return report_event(EventKind::error, line);
  report_event(level == LogLevel::warning ? EventKind::warning : EventKind::information, line);
}

// The event log keeps texts only.
bool keep_in_system_log(const LogEntry&) {
  return false;
}

}  // namespace noforce::agent
