#include <cstdio>

#include <nlohmann/json.hpp>

#include "agent/administration.hpp"
#include "agent/commands.hpp"
#include "agent/exit_status.hpp"

namespace noforce::agent {

int reload(const Where& where) {
  const auto state = find_state_dir(where);
  if (!state) return report(state.error());
  const auto said = ask(*state, {{"do", "reload"}});
  if (!said) return report(said.error());
  (void)std::printf("%s\n", said->value("sentence", "").c_str());
  return exit_ok;
}

}  // namespace noforce::agent
