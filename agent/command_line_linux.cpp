#include "agent/platform_commands.hpp"

namespace noforce::agent {

// A service manager runs `noforce serve` from a unit; there is nothing to register.
void add_platform_commands(CLI::App&, CLI::App&, PlatformWords&, std::function<int()>&) {}

}  // namespace noforce::agent
