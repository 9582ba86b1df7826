// [[service]]: the services of the supervisor.
#pragma once

#include <string>
#include <vector>

#include "config/load.hpp"
#include "config/report.hpp"
#include "config/toml.hpp"
#include "core/scm/supervisor/spec.hpp"

namespace noforce::config {

// In the file's order.
[[nodiscard]] std::vector<supervisor::ServiceSpec> read_services(const toml::table& root,
                                                                 MachineChecks checks,
                                                                 Report& report);

// In the same order, for hints.
[[nodiscard]] std::vector<std::string> service_names(
    const std::vector<supervisor::ServiceSpec>& services);

}  // namespace noforce::config
