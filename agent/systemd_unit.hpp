// The agent's own unit, as text. Linux; pure.
//
// What a unit forbids, everything that the agent starts is forbidden as well: namespaces, capabilities
// and system call filters pass from parent to child. So there are two kinds of unit. One for an agent
// that starts nobody else's programs, with all the hardening that its work allows; and a bare one for an
// agent whose keeper runs services (backend "supervisor") or whose jobs run hooks: these do what no unit
// can know. Why each line is there: docs/decisions/0014-the-agent-as-a-unit.md.
#pragma once

#include <string>
#include <string_view>

#include "config/settings.hpp"

namespace noforce::agent {

struct UnitParts {
  std::string program;
  bool for_user = false;  // for a user's manager, which may forbid less than the system's
  const config::Settings& settings;
};

[[nodiscard]] std::string systemd_unit(const UnitParts& parts);

// Whether this text is as `systemd_unit` wrote it, then or now: not a line was changed.
[[nodiscard]] bool is_written_by_us(std::string_view unit);

// Letters, digits and "_.-", beginning with none of the last two; at most 80.
[[nodiscard]] bool is_service_name(std::string_view name);

}  // namespace noforce::agent
