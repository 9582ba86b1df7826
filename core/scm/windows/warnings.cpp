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

std::optional<std::string> unread_warning(Unread what, Code code) {
  const bool has_none = code == code::not_supported || code == code::call_not_implemented ||
                        code == code::invalid_level;
  if (has_none) return std::nullopt;
  const std::string why = " cannot be read (" + number_and_name(code) + "), so ";
  switch (what) {
    case Unread::config:
      return "its configuration" + why +
             "what it depends on, its triggers and its recovery actions are not known";
    case Unread::config_again:
      return "its configuration" + why +
             "what it depends on is shown as it was when it last could be";
    case Unread::dependents:
      return "the list of what depends on it" + why +
             "only those are known whose own configuration says so";
    case Unread::triggers:
      return "its triggers" + why + "whether Windows starts it again by itself is not known";
    case Unread::recovery:
      return "its recovery actions" + why + "what Windows does when it fails is not known";
  }
  return std::nullopt;
}

}  // namespace noforce::windows
