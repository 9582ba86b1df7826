// The signals that a service may be sent: by their names, because only those that a process can
// handle itself are on the list.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace noforce::config {

// "SIGTERM" -> 15, "SIGRTMIN+3" -> its number here; nullopt for every name that is not listed.
[[nodiscard]] std::optional<int> signal_number(std::string_view name);
// The listed names, for sentences and hints; real-time signals are left out.
[[nodiscard]] const std::vector<std::string>& signal_names();

}  // namespace noforce::config
