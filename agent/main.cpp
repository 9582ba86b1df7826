#include <cstdio>
#include <exception>
#include <optional>
#include <string>
#include <vector>

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
    const std::vector<std::string> words = program_arguments(argc, argv);
    std::optional<Signals> signals;
    if (words.size() >= 2 && words[1] == "serve") signals.emplace();
    // The keeper stays small: it passes by everything that only the agent needs.
    if (words.size() >= 4 && words[1] == "keeper" && words[2] == "--state-dir") {
      if (words.size() == 4) return keeper(words[3], {});
      if (words.size() == 6 && words[4] == "--face") return keeper(words[3], words[5]);
    }
    return run_command_line(words, NOFORCE_VERSION);
  } catch (const std::exception& problem) {
    (void)std::fprintf(stderr, "noforce: %s\n", problem.what());
    return exit_failed;
  }
}
