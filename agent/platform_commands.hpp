// What only one platform's command line has. One file a platform: command_line_linux.cpp,
// command_line_windows.cpp.
#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace noforce::agent {

// Lives as long as the parsing and the command.
struct PlatformWords {
  std::string service;  // the name of the service or unit; with `serve`: that this process is
  std::string config;
  bool for_user = false;  // Linux: a unit of the user's manager
};

// Adds to the program and to its `serve`; what was meant goes to `chosen`.
void add_platform_commands(CLI::App& app, CLI::App& serve, PlatformWords& words,
                           std::function<int()>& chosen);

}  // namespace noforce::agent
