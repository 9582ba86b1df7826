// Whether what we run on goes down, and with it whatever we leave running.
#pragma once

namespace noforce::agent {

// Linux: systemd, the system's or this user's, is about to end all that it runs (SystemState "stopping":
// shutdown, reboot, the last logout). False where there is none; also, with a line in the log, where it
// cannot be asked. Blocks for some seconds at most.
[[nodiscard]] bool machine_goes_down();

}  // namespace noforce::agent
