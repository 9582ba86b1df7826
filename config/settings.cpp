#include "config/settings.hpp"

#include <algorithm>

namespace noforce::config {

bool runs_hooks(const Settings& settings) {
  return std::ranges::any_of(settings.policies.services, [](const auto& one) {
    return !one.second.before_stop.empty() || !one.second.after_start.empty();
  });
}

bool starts_programs(const Settings& settings) {
  return settings.scm.backend == Backend::supervisor || runs_hooks(settings);
}

}  // namespace noforce::config
