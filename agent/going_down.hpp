// Whether what we run on goes down, and with it whatever we leave running.
#pragma once

#include "core/error.hpp"

namespace noforce::agent {

// Linux: the systemd that runs us, the system's or the user's, is about to end all that it runs (SystemState
// "stopping": shutdown, reboot, the last logout). False where none runs. Blocks for five seconds at most; then
// timeout, and another try is worth it. Other errors: it cannot be asked.
[[nodiscard]] Result<bool> machine_goes_down();

}  // namespace noforce::agent
