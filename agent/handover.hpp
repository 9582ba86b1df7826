// The two directories of an agent whose face runs as a user of its own.
#pragma once

#include <string>

#include "config/machine.hpp"
#include "core/error.hpp"

namespace noforce::agent {

// Called by root. Makes both where they are missing:
//   keeper_dir  root's; the face may pass through it to the keeper's socket, and nothing else.
//               Nobody but root decides what lies at that path.
//   state_dir   the user's own. One that is still root's (as `noforce init` or an agent without a
//               user left it) is handed over with all that noforce made in it; its keeper's part
//               moves to keeper_dir. Refused when there is anything else in it, or when a keeper
//               still runs on it.
[[nodiscard]] Result<void> prepare_for_face(const std::string& state_dir,
                                            const std::string& keeper_dir,
                                            const config::User& user);

}  // namespace noforce::agent
