#include <cstdio>
#include <sstream>

#include <nlohmann/json.hpp>

#include "agent/administration.hpp"
#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "agent/files.hpp"
#include "config/load.hpp"

namespace noforce::agent {
namespace {

// Of settings that cannot be read as a whole: a line `state_dir = "..."` is enough to find the
// agent, which says itself what is wrong with them, and puts it down.
std::string state_dir_in(const std::string& settings) {
  std::istringstream lines(settings);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t key = line.find_first_not_of(" \t");
    if (key == std::string::npos || line.compare(key, 9, "state_dir") != 0) continue;
    const std::size_t begin = line.find_first_of("\"'", key);
    if (begin == std::string::npos) continue;
    const std::size_t end = line.find(line[begin], begin + 1);
    if (end != std::string::npos) return line.substr(begin + 1, end - begin - 1);
  }
  return config::ServerSettings{}.state_dir;
}

Result<StateDir> find_agent(const Where& where) {
  auto state = find_state_dir(where);
  if (state || state.error().kind != ErrorKind::malformed) return state;
  const std::string file = where.config.empty() ? default_settings() : where.config;
  const auto text = read_small_file(file, config::largest_file);
  if (!text) return state;
  StateDir broken(state_dir_in(*text));
  if (!exists(broken.socket())) return state;
  return broken;
}

}  // namespace

int reload(const Where& where) {
  const auto state = find_agent(where);
  if (!state) return report(state.error());
  const auto said = ask(*state, {{"do", "reload"}});
  if (!said) return report(said.error());
  (void)std::printf("%s\n", said->value("sentence", "").c_str());
  return exit_ok;
}

}  // namespace noforce::agent
