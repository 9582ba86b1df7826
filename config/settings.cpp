#include "config/settings.hpp"

#include <algorithm>

namespace noforce::config {

bool starts_programs(const Settings& settings) {
  if (settings.scm.backend == Backend::supervisor) return true;
  return std::ranges::any_of(settings.policies.services, [](const auto& one) {
    return !one.second.before_stop.empty() || !one.second.after_start.empty();
  });
}

}  // namespace noforce::config
