// What one service's configuration says, and what of it could not be read.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/scm/windows/calls.hpp"
#include "core/scm/windows/dependencies.hpp"

namespace noforce::windows {

struct KnownConfiguration {
  ConfiguredService configured;
  std::vector<std::string> facts;   // its warnings for plans, which do not change with its state
  std::vector<std::string> unread;  // warnings: what of it is not known
  bool was_read = false;            // QueryServiceConfig has answered, once at least
};

// Reads a service's configuration, with its dependents, triggers and recovery actions. What cannot
// be read stays as `before` has it (triggers and recovery actions: none), and `unread` says so.
// Nothing where the service is gone or the manager is lost. Any thread.
[[nodiscard]] std::optional<KnownConfiguration> query_configuration(
    Calls& calls, const ManagerHandle& manager, const std::string& service,
    const KnownConfiguration& before);

}  // namespace noforce::windows
