#include "core/principal.hpp"

#include <algorithm>

#include "core/names.hpp"
#include "core/text.hpp"

namespace noforce {
namespace {

constexpr auto role_names = names_of<Role>(Role::admin, {
                                                            {Role::viewer, "viewer"},
                                                            {Role::operator_, "operator"},
                                                            {Role::admin, "admin"},
                                                        });

}  // namespace

std::string_view to_string(Role role) {
  return role_names.text(role);
}
std::optional<Role> role_from(std::string_view text) {
  return role_names.value(text);
}

bool Principal::may_see(std::string_view service) const {
  return services.empty() || std::ranges::any_of(services, [&](const std::string& glob) {
           return glob_match(glob, service, /*fold_case=*/true);
         });
}

bool Principal::may_see_all(const std::vector<std::string>& all) const {
  return std::ranges::all_of(all, [&](const std::string& service) { return may_see(service); });
}

bool Principal::may_do(std::string_view action) const {
  return actions.empty() || std::ranges::find(actions, action) != actions.end();
}

}  // namespace noforce
