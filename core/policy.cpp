#include "core/policy.hpp"

#include <algorithm>

namespace noforce {

const Policy& Policies::of(std::string_view service) const {
  static const Policy none;
  const auto found = services.find(service);
  return found == services.end() ? none : found->second;
}

const Group* Policies::group(std::string_view name) const {
  const auto found = std::ranges::lower_bound(
      groups, name, {}, [](const Group& group) { return std::string_view(group.name); });
  return found != groups.end() && found->name == name ? &*found : nullptr;
}

std::vector<std::string> Policies::groups_of(std::string_view service) const {
  std::vector<std::string> names;
  for (const Group& group : groups) {
    if (std::ranges::find(group.services, service) != group.services.end()) {
      names.push_back(group.name);
    }
  }
  return names;
}

}  // namespace noforce
