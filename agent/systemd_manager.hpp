// systemd, as far as the agent asks it about itself: its own unit, and whether the machine goes down. Linux;
// in a build without the backend systemd every question is answered with scm_unavailable.
#pragma once

#include <string>

#include "core/error.hpp"

namespace noforce::agent {

// The system's, or that of the user whose XDG_RUNTIME_DIR is set.
enum class Manager : bool { system, user };

// Whether there is one at all. Of a user's, only this one's environment says so.
[[nodiscard]] Result<bool> manager_runs(Manager manager);
// A property of a unit, whether it is loaded or not; empty where it is no text.
[[nodiscard]] Result<std::string> unit_property(Manager manager, const std::string& unit,
                                                const std::string& name);
// "running", "stopping", ... (SystemState in org.freedesktop.systemd1(5)). timeout after five seconds.
[[nodiscard]] Result<std::string> manager_state(Manager manager);
// Has it read its files anew; that may take two minutes.
[[nodiscard]] Result<void> daemon_reload(Manager manager);

}  // namespace noforce::agent
