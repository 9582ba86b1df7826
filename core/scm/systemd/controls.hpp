// What a control asks of systemd, or why not. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/scm/port.hpp"
#include "core/scm/systemd/unit.hpp"

namespace noforce::systemd {

// One call of the manager: StartUnit, StopUnit, ReloadUnit, with its mode.
struct Order {
  std::string member;
  std::string mode;
};

// No order: it is under way already. `unit` is null for one that is not listed. `dependents_up`: whom
// systemd itself would stop with it; these come first, by steps of their own.
[[nodiscard]] Result<std::optional<Order>> order_for(const Control& control, const Unit* unit,
                                                     const std::vector<std::string>& dependents_up);

// "cannot stop web.service"
[[nodiscard]] std::string attempt_at(const Control& control);

}  // namespace noforce::systemd
