// What the settings are by default on this platform, and what counts as a path. One file a platform.
#pragma once

#include <string>

#include "config/settings.hpp"

namespace noforce::config {

// "/etc/noforce/noforce.toml", or its counterpart below ProgramData.
[[nodiscard]] std::string default_settings_file();

[[nodiscard]] bool is_absolute_path(const std::string& path);
// "does not begin with '/'", as the end of a sentence.
[[nodiscard]] std::string why_not_absolute();

}  // namespace noforce::config
