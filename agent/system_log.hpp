// What the machine's own log gets besides the agent's. One file a platform.
#pragma once

#include <string_view>

#include "core/log.hpp"

namespace noforce::agent {

// Warnings, errors, and when the agent begins and ends. Any thread.
void tell_system_log(LogLevel level, std::string_view line);

}  // namespace noforce::agent
