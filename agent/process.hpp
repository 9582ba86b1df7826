// What the process does to itself before it does anything else.
#pragma once

#include <string>

namespace noforce::agent {

// New files are the agent's alone; a closed socket or pipe is an error and not the end.
void set_up_process();
// No core dump, and no look into this memory by other processes of the same user: it holds keys.
void keep_memory_private();
// The login name of a user, or "uid-1234".
[[nodiscard]] std::string user_name(unsigned uid);
[[nodiscard]] std::string this_user();
[[nodiscard]] bool is_root();
// The path of this executable, for starting the keeper; empty where the system does not say.
[[nodiscard]] std::string this_executable();

}  // namespace noforce::agent
