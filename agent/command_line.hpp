// The command line: what may be said, and which subcommand it means.
#pragma once

#include <string>
#include <vector>

namespace noforce::agent {

// Runs what the words say, the program's name first; the exit status of the program.
int run_command_line(const std::vector<std::string>& words, const std::string& version);

}  // namespace noforce::agent
