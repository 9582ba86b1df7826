// The resource limits that a service may be given, by their names in the settings.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace noforce::config {

// "nofile" -> "RLIMIT_NOFILE"; empty for a limit that is not offered.
[[nodiscard]] std::string_view limit_resource(std::string_view name);
[[nodiscard]] std::vector<std::string> limit_names();
// Beyond such a limit the kernel ends the process by a signal, or the process cannot go on.
[[nodiscard]] bool is_deadly_limit(std::string_view name);

}  // namespace noforce::config
