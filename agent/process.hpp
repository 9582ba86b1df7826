// What the process does to itself before it does anything else.
#pragma once

#include <string>
#include <vector>

namespace noforce::agent {

// New files are the agent's alone; a closed socket or pipe is an error and not the end.
void set_up_process();
// No core dump, and no look into this memory by other processes of the same user: it holds keys.
void keep_memory_private();
// The command line in UTF-8, the program first: what main() was given, where that is UTF-8.
[[nodiscard]] std::vector<std::string> program_arguments(int argc, char** argv);
// The login name of a user, or "uid-1234". Linux.
[[nodiscard]] std::string user_name(unsigned uid);
[[nodiscard]] std::string this_user();
[[nodiscard]] bool is_root();  // Linux
// systemd began it as a unit with NoNewPrivileges=, which `service install` writes together with all the
// other hardening, and only around an agent that starts nobody else's programs. Known from
// set_up_process() on, also to what is forked from there; false on Windows.
[[nodiscard]] bool is_hardened_unit();
// What this machine calls itself; empty where it does not say.
[[nodiscard]] std::string machine_name();
// The path of this executable, for starting the keeper; empty where the system does not say.
[[nodiscard]] std::string this_executable();

}  // namespace noforce::agent
