// What a plan has to say of a service beforehand: triggers, recovery actions, who shares its
// process, and what could not be read. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/scm/windows/records.hpp"

namespace noforce::windows {

// "A service trigger may start a stopped service again at once" (Service Trigger Events): one
// sentence where a trigger starts it, none else.
[[nodiscard]] std::vector<std::string> trigger_warnings(const std::string& service,
                                                        const std::vector<TriggerRecord>& triggers);

// "The SCM considers a service failed when it ends without reporting SERVICE_STOPPED" and, where
// SERVICE_FAILURE_ACTIONS_FLAG is set, when it reports it with an error: one sentence that names
// the actions in order, none where there are none.
[[nodiscard]] std::vector<std::string> recovery_warnings(const std::string& service,
                                                         const RecoveryRecord& recovery);

// One sentence that names who shares the service's process; none where nobody does.
[[nodiscard]] std::vector<std::string> sharing_warnings(const std::string& service,
                                                        std::int64_t pid,
                                                        const std::vector<std::string>& others);

// What of a service's configuration could not be read: a plan that looks complete may not be.
enum class Unread : std::uint8_t { config, config_again, dependents, triggers, recovery };

// One sentence of the service; none where `code` says that this Windows has no such thing at all.
[[nodiscard]] std::optional<std::string> unread_warning(Unread what, Code code);

}  // namespace noforce::windows
