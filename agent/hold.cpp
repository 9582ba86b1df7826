#include <cstdio>
#include <string>

#include <nlohmann/json.hpp>

#include "agent/administration.hpp"
#include "agent/commands.hpp"
#include "agent/exit_status.hpp"

namespace noforce::agent {
namespace {

int ask_and_show(const Where& where, const nlohmann::json& request) {
  const auto state = find_state_dir(where);
  if (!state) return report(state.error());
  const auto hold = ask(*state, request);
  if (!hold) return report(hold.error());
  if ((*hold)["on"] != true) {
    (void)std::printf("hold: off\n");
    return exit_ok;
  }
  const std::string reason = hold->value("reason", "");
  (void)std::printf(
      "hold: on since %s by %s%s%s; no job begins until `noforce hold off`\n",
      (*hold)["since"].is_string() ? (*hold)["since"].get<std::string>().c_str() : "?",
      hold->value("by", "?").c_str(), reason.empty() ? "" : ": ", reason.c_str());
  return exit_ok;
}

}  // namespace

int hold_on(const Where& where, const std::string& reason) {
  return ask_and_show(where, {{"do", "hold.on"}, {"reason", reason}});
}

int hold_off(const Where& where) {
  return ask_and_show(where, {{"do", "hold.off"}});
}

int hold_status(const Where& where) {
  return ask_and_show(where, {{"do", "hold.status"}});
}

}  // namespace noforce::agent
