// `noforce service install, uninstall` where systemd is: the agent's own unit, written and taken away.
// Linux. Nothing is started or stopped here; what the unit says stands in systemd_unit.hpp.
#pragma once

#include <string>

namespace noforce::agent {

struct UnitOrder {
  std::string name;       // without ".service"
  std::string config;     // empty: the default one
  bool for_user = false;  // of this user's manager and not of the system's
};

// The settings are checked first. Refused: a program or settings that others could replace; a unit of
// that name that is not as this wrote it. An older one of ours is written anew. The exit status.
int install_unit(const UnitOrder& order);
// Refused while it runs or is enabled. The exit status.
int uninstall_unit(const UnitOrder& order);

}  // namespace noforce::agent
