#include "agent/going_down.hpp"
#include "agent/log.hpp"
#include "agent/systemd_manager.hpp"

namespace noforce::agent {

bool machine_goes_down() {
  for (const Manager manager : {Manager::system, Manager::user}) {
    if (const auto runs = manager_runs(manager); !runs || !*runs) continue;
    const auto state = manager_state(manager);
    if (!state) {
      log(LogLevel::warning, "systemd does not say whether the machine goes down",
          {{"why", state.error().detail}});
    } else if (*state == "stopping") {
      return true;
    }
  }
  return false;
}

}  // namespace noforce::agent
