// The command line: what may be said, and which subcommand it means.
#pragma once

#include <string>

namespace noforce::agent {

// Runs what the arguments say; the exit status of the program.
int run_command_line(int argc, char** argv, const std::string& version);

}  // namespace noforce::agent
