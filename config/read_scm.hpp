// [scm] and [supervisor]: which service manager there is, and what belongs to one of them only.
#pragma once

#include <string>

#include "config/report.hpp"
#include "config/settings.hpp"
#include "config/toml.hpp"

namespace noforce::config {

// Looks at [server] as read_agent has left it, and at whether there is a [[service]].
void read_scm(const toml::table& root, Settings& settings, Report& report);

// As the backend writes it: "nginx" is "nginx.service" to systemd.
[[nodiscard]] std::string canonical_name(const ScmSettings& scm, std::string service);

}  // namespace noforce::config
