// [policy], [[group]] and [jobs]: what jobs must respect, on any backend.
#pragma once

#include "config/load.hpp"
#include "config/report.hpp"
#include "config/settings.hpp"
#include "config/toml.hpp"
#include "core/policy.hpp"

namespace noforce::config {

// `settings` say how services are called (scm), and with the supervisor which there are (services).
[[nodiscard]] Policies read_policies(const toml::table& root, MachineChecks checks,
                                     const Settings& settings, Report& report);

}  // namespace noforce::config
