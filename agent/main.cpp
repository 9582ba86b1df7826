#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <string_view>

#include "agent/command_line.hpp"
#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "agent/process.hpp"
#include "agent/signals.hpp"

int main(int argc, char** argv) {
  using namespace noforce::agent;
  try {
    set_up_process();
    // From the very start a SIGHUP waits for an agent that can heed it, instead of ending it.
    std::optional<Signals> signals;
    if (argc >= 2 && std::string_view(argv[1]) == "serve") signals.emplace();
    // The keeper stays small: it passes by everything that only the agent needs.
    if (argc >= 4 && std::string_view(argv[1]) == "keeper" &&
        std::string_view(argv[2]) == "--state-dir") {
      if (argc == 4) return keeper(argv[3], {});
      if (argc == 6 && std::string_view(argv[4]) == "--face") return keeper(argv[3], argv[5]);
    }
    return run_command_line(argc, argv, NOFORCE_VERSION);
  } catch (const std::exception& problem) {
    (void)std::fprintf(stderr, "noforce: %s\n", problem.what());
    return exit_failed;
  }
}
