#include "core/scm/systemd/controls.hpp"

#include "core/text.hpp"

namespace noforce::systemd {
namespace {

using Answer = Result<std::optional<Order>>;

// Whether the control means the run that there is.
bool is_meant(const Control& control, const Unit& unit) {
  const auto instance = unit.instance();
  return control.instance ? instance && *instance == *control.instance : !instance;
}

std::unexpected<Error> not_active(const Unit& unit) {
  const std::string& name = unit.is().id;
  return fail(ErrorKind::not_active,
              is_up(unit.state()) ? "that run of " + name + " is over" : name + " is stopped",
              name);
}

// "fail" rather than "replace": a stop that somebody else has queued is not to be called off.
Answer start(const Unit& unit) {
  const std::string& name = unit.is().id;
  if (unit.is_masked()) {
    return fail(ErrorKind::service_disabled, name + " is masked. Unmask it first.", name);
  }
  if (unit.is().refuses_start) {
    return fail(ErrorKind::control_not_accepted,
                name + " is started only as a dependency (RefuseManualStart=yes)", name);
  }
  switch (unit.state()) {
    case ServiceState::stopped:
      return Order{"StartUnit", "fail"};
    case ServiceState::stop_pending:
      return fail(ErrorKind::busy, name + " is still stopping", name);
    default:
      return fail(ErrorKind::already_running, name + " already runs", name);
  }
}

Answer stop(const Control& control, const Unit& unit,
            const std::vector<std::string>& dependents_up) {
  const std::string& name = unit.is().id;
  const bool calls_off = unit.awaits_restart() && !control.instance;
  if (!calls_off && (!is_up(unit.state()) || !is_meant(control, unit))) return not_active(unit);
  if (unit.state() == ServiceState::stop_pending) return std::nullopt;  // joined
  if (unit.is().refuses_stop) {
    return fail(ErrorKind::control_not_accepted,
                name + " is stopped only as a dependency (RefuseManualStop=yes)", name);
  }
  if (!dependents_up.empty()) {
    Error error{.kind = ErrorKind::dependents_running,
                .detail = "systemd would stop " + list_names(dependents_up) + " with " + name,
                .service = name};
    error.dependents = dependents_up;
    return std::unexpected(std::move(error));
  }
  return Order{"StopUnit", "replace"};
}

Answer reload(const Control& control, const Unit& unit) {
  const std::string& name = unit.is().id;
  if (!is_up(unit.state()) || !is_meant(control, unit)) return not_active(unit);
  if (!unit.service().accepts.reload) {
    return fail(ErrorKind::control_not_accepted,
                unit.is().can_reload ? name + " can be reloaded only while it runs"
                                     : name + " has no ExecReload",
                name);
  }
  return Order{"ReloadUnit", "fail"};
}

}  // namespace

Result<std::optional<Order>> order_for(const Control& control, const Unit* unit,
                                       const std::vector<std::string>& dependents_up) {
  if (unit == nullptr) {
    return fail(ErrorKind::unknown_service,
                "systemd knows no unit " + clean_text(control.service, 128) +
                    ". Look for its name with `systemctl list-unit-files`.",
                control.service);
  }
  switch (control.op) {
    case ControlOp::start:
      return start(*unit);
    case ControlOp::stop:
      return stop(control, *unit, dependents_up);
    case ControlOp::reload:
      return reload(control, *unit);
    case ControlOp::pause:
    case ControlOp::resume:
      break;
  }
  if (!is_up(unit->state())) return not_active(*unit);
  return fail(ErrorKind::control_not_accepted, "systemd pauses no units", unit->is().id);
}

std::string attempt_at(const Control& control) {
  return "cannot " + std::string(to_string(control.op)) + " " + control.service;
}

}  // namespace noforce::systemd
