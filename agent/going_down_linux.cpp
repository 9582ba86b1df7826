#include <unistd.h>

#include <charconv>
#include <cstdlib>
#include <string_view>

#include "agent/going_down.hpp"
#include "agent/systemd_manager.hpp"

namespace noforce::agent {
namespace {

// systemd.exec(5): of what a user's manager starts; whatever that starts inherits it.
bool runs_below_a_users_manager() {
  const char* const said = ::getenv("MANAGERPID");
  const std::string_view text = said == nullptr ? "" : said;
  pid_t manager = 0;
  (void)std::from_chars(text.data(), text.data() + text.size(), manager);
  return manager > 0 && manager == ::getppid();
}

}  // namespace

Result<bool> machine_goes_down() {
  // A user's manager goes down with the machine, and says so.
  const Manager manager = runs_below_a_users_manager() ? Manager::user : Manager::system;
  const auto runs = manager_runs(manager);
  if (!runs || !*runs) return runs;
  const auto state = manager_state(manager);
  if (!state) return std::unexpected(state.error());
  return *state == "stopping";
}

}  // namespace noforce::agent
