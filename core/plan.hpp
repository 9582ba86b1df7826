// The plan: what a request would do to this picture, decided before anything is done. Pure.
//
// Steps come in the order in which they are executed:
//   1. before_stop hooks of everything that will stop (a failing one costs nothing yet),
//   2. stops, dependents before what they depend on,
//   3. starts, dependencies first; each followed by its verification, its after_start hooks (to
//      undrain what has proved to work) and, where it was paused, the pause.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/policy.hpp"
#include "core/service.hpp"

namespace noforce {

enum class Action : std::uint8_t { stop, start, restart, reload, pause, resume };
// "stop", "start", "restart", "reload", "pause", "continue".
[[nodiscard]] std::string_view to_string(Action action);
[[nodiscard]] std::optional<Action> action_from(std::string_view text);

enum class Operation : std::uint8_t { stop, start, pause, resume, reload, verify, hook };
// "stop", "start", "pause", "continue", "reload", "verify", "hook".
[[nodiscard]] std::string_view to_string(Operation operation);
[[nodiscard]] std::optional<Operation> operation_from(std::string_view text);

struct PlannedStep {
  std::string service;
  Operation operation = Operation::stop;
  // hook: which of the policy's commands; before_stop when `before`, else after_start.
  std::uint32_t hook = 0;
  bool before = false;

  bool operator==(const PlannedStep&) const = default;
};

struct PlanRequest {
  Action action = Action::restart;
  std::vector<std::string> services;  // canonical, as named; a group's members when `group` is set
  std::optional<std::string> group;
};

struct Plan {
  Action action = Action::restart;
  std::vector<std::string> services;  // what was named, canonical, in start order, each once
  std::optional<std::string> group;
  std::vector<PlannedStep> steps;       // empty: there is nothing to do
  std::vector<std::string> goes_down;   // all that the job would stop and that is up, stop order
  std::vector<std::string> dependents;  // goes_down without the named ones: needs consent
  // All that this plan, or the same request on another state of things, could touch: jobs whose
  // sets overlap run one after the other. Sorted.
  std::vector<std::string> touches;
  std::string digest;  // "sha256:..." over action, names, order and what goes down
  std::vector<std::string> warnings;

  [[nodiscard]] bool needs_consent() const { return !dependents.empty(); }
  bool operator==(const Plan&) const = default;
};

// Where a state leads when nobody interferes, which is also the state that a dependent or a member
// of a group is brought back to: a pending state counts as the one it goes to.
[[nodiscard]] ServiceState destination(ServiceState state);
// Up, and not on its way down.
[[nodiscard]] bool counts_as_up(ServiceState state);
// The same, or stopped and about to be started again by its SCM (a restart policy): it takes a stop,
// which calls that off.
[[nodiscard]] bool comes_up(const Service& service);

// Fails with unknown_service, dependency_cycle, dependency_missing, service_disabled or
// control_not_accepted; whether somebody may do it, consented, or has to wait is not asked here.
[[nodiscard]] Result<Plan> make_plan(const PlanRequest& request, const Picture& picture,
                                     const Policies& policies);

}  // namespace noforce
