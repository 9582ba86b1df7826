#include "core/scm/windows/warnings.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace noforce::windows {
namespace {

// SERVICE_TRIGGER.dwTriggerType.
std::string kind_text(std::uint32_t kind) {
  switch (kind) {
    case 1:
      return "a device arrives";
    case 2:
      return "an IP address becomes available";
    case 3:
      return "the machine joins or leaves a domain";
    case 4:
      return "a firewall port opens or closes";
    case 5:
      return "the group policy changes";
    case 6:
      return "somebody calls its network endpoint";
    case 7:
      return "the system's state changes";
    case 20:
      return "an event of its provider occurs";
    case 30:
      return "several conditions of its own are met";
    default:
      return "a trigger of type " + std::to_string(kind) + " fires";
  }
}

std::string action_text(const RecoveryRecord::Step& step) {
  const std::string after = " after " + std::to_string(step.delay_ms / 1000) + " s";
  switch (step.action) {
    case RecoveryAction::none:
      return "nothing";
    case RecoveryAction::restart:
      return "start it again" + after;
    case RecoveryAction::reboot:
      return "REBOOT THE MACHINE" + after;
    case RecoveryAction::run_command:
      return "run a command" + after;
  }
  return "an action that is not known here (" +
         std::to_string(static_cast<std::uint32_t>(step.action)) + ")";
}

}  // namespace

std::vector<std::string> trigger_warnings(const std::string& service,
                                          const std::vector<TriggerRecord>& triggers) {
  std::vector<std::string> kinds;
  for (const auto& trigger : triggers) {
    std::string text = kind_text(trigger.kind);
    if (trigger.starts && std::find(kinds.begin(), kinds.end(), text) == kinds.end()) {
      kinds.push_back(std::move(text));
    }
  }
  if (kinds.empty()) return {};
  return {service + " has a trigger, so Windows starts it again by itself when " +
          list_names(kinds) + "; that can be at once after a stop"};
}

std::vector<std::string> recovery_warnings(const std::string& service,
                                           const RecoveryRecord& recovery) {
  const bool any = std::any_of(recovery.steps.begin(), recovery.steps.end(),
                               [](const auto& it) { return it.action != RecoveryAction::none; });
  if (!any) return {};
  std::vector<std::string> actions;
  for (const auto& step : recovery.steps)
    actions.push_back(action_text(step));
  return {service + " has recovery actions: when it ends without reporting that it stopped" +
          (recovery.on_error_exit ? ", or stops with an error," : "") +
          " Windows will, failure by failure: " + list_names(actions)};
}

std::vector<std::string> sharing_warnings(const std::string& service, std::int64_t pid,
                                          const std::vector<std::string>& others) {
  if (others.empty()) return {};
  return {service + " shares its process (" + std::to_string(pid) + ") with " + list_names(others) +
          "; what it takes down there goes down with it"};
}

}  // namespace noforce::windows
