#include <stdlib.h>
#include <unistd.h>

#include "agent/journald.hpp"
#include "agent/system_log.hpp"

namespace noforce::agent {

// Standard error is the system's log already, wherever a service manager runs the agent.
void tell_system_log(LogLevel, std::string_view) {}

bool keep_in_system_log(const LogEntry& entry) {
  static Journald journald;
  static const bool is_ours = leads_to_journald(::getenv("JOURNAL_STREAM"), STDERR_FILENO);
  return is_ours && journald.keep(entry);
}

}  // namespace noforce::agent
