#include "agent/system_log.hpp"

namespace noforce::agent {

// Standard error is the system's log already, wherever a service manager runs the agent.
void tell_system_log(LogLevel, std::string_view) {}

}  // namespace noforce::agent
