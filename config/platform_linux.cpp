#include "config/platform.hpp"

namespace noforce::config {

std::string default_state_dir() {
  return "/var/lib/noforce";
}

Backend default_backend() {
  return Backend::supervisor;
}

std::string default_settings_file() {
  return "/etc/noforce/noforce.toml";
}

bool is_absolute_path(const std::string& path) {
  return path.starts_with('/');
}

std::string why_not_absolute() {
  return "does not begin with '/'";
}

}  // namespace noforce::config
