// [server], [tls], [limits] and [log]: the agent itself.
#pragma once

#include "config/load.hpp"
#include "config/report.hpp"
#include "config/settings.hpp"
#include "config/toml.hpp"

namespace noforce::config {

// Paths that may be relative start from the directory of settings.file.
void read_agent(const toml::table& root, MachineChecks checks, Settings& settings, Report& report);

}  // namespace noforce::config
