// Supervised: what each control does, and when it is refused.
#include "core/scm/supervisor/supervised.hpp"

namespace noforce::supervisor {

void Supervised::control(const Command& command) {
  if (const TokenRecord* seen = find(command.token)) {
    if (seen->answered) world_.answer(command.token, seen->result);
    return;  // else its answer is on its way
  }
  switch (command.op) {
    case ControlOp::start:
      return start(command);
    case ControlOp::stop:
      return stop(command);
    case ControlOp::pause:
      return pause(command);
    case ControlOp::resume:
      return resume(command);
    case ControlOp::reload:
      return reload(command);
  }
}

void Supervised::start(const Command& command) {
  if (!defined_ && !kept_) {
    return settle(command, error(ErrorKind::unknown_service,
                                 spec_.name + " was taken out of the settings: put it back first"));
  }
  if (spec_.start == StartType::disabled) {
    return settle(command,
                  error(ErrorKind::service_disabled, spec_.name + " is disabled in the settings"));
  }
  if (record_.state == ServiceState::stop_pending) {
    return settle(command, error(ErrorKind::busy, spec_.name + " is still stopping"));
  }
  if (up()) {
    return settle(command, error(ErrorKind::already_running, spec_.name + " already runs"));
  }
  record_.failures = 0;
  if (auto launched = launch(&command); !launched) settle(command, std::move(launched));
}

bool Supervised::other_instance(const Command& command) const {
  return !command.key.empty() && command.key != record_.key;
}

void Supervised::stop(const Command& command) {
  if (!up() || other_instance(command)) {
    if (!up() && record_.restart_due && !other_instance(command)) {
      record_.restart_due = false;
      record_.stop_asked = true;
      restart_at_.reset();
    }
    return settle(command,
                  error(ErrorKind::not_active, up() ? "that instance of " + spec_.name + " is gone"
                                                    : spec_.name + " is stopped"));
  }
  if (record_.state == ServiceState::stop_pending && !stop_companion_failed_) {
    record_.stop_asked = true;
    return settle(command, {});  // joined: a second signal is what some take as "at once"
  }
  if (outstanding(ControlOp::stop)) return remember(command);  // answered with the first
  if (spec_.stop_command.empty()) {
    stop_by_signal(command);
  } else {
    stop_by_companion(command);
  }
}

void Supervised::stop_by_signal(const Command& command) {
  const bool asked_before = record_.stop_asked;
  record_.stop_asked = true;
  remember(command);
  if (const int failed = world_.save(record_); failed != 0) {
    record_.stop_asked = asked_before;
    return settle(command, errno_error("cannot write the record of " + spec_.name, failed));
  }
  if (const int failed = world_.signal_main(spec_.stop_signal); failed != 0) {
    record_.stop_asked = asked_before;
    return settle(command, errno_error("cannot signal " + spec_.name, failed));
  }
  if (world_.main_halted()) (void)world_.resume_tree();
  enter(ServiceState::stop_pending);
  settle(command, {});
}

void Supervised::stop_by_companion(const Command& command) {
  if (auto forked = world_.fork_companion(Companion::stop); !forked) {
    return settle(command, std::move(forked));
  }
  const bool asked_before = record_.stop_asked;
  record_.stop_asked = true;
  remember(command);
  if (const int failed = world_.save(record_); failed != 0) {
    world_.drop_companion(Companion::stop);
    record_.stop_asked = asked_before;
    return settle(command, errno_error("cannot write the record of " + spec_.name, failed));
  }
  stop_companion_failed_ = false;
  if (world_.main_halted()) (void)world_.resume_tree();
  world_.let_companion_go(Companion::stop);  // companion_executed() answers
}

void Supervised::pause(const Command& command) {
  if (!up() || other_instance(command)) {
    return settle(command, error(ErrorKind::not_active, spec_.name + " does not run"));
  }
  if (record_.state == ServiceState::paused || record_.state == ServiceState::pause_pending) {
    return settle(command, {});
  }
  if (record_.state != ServiceState::running) {
    return settle(command, error(ErrorKind::control_not_accepted,
                                 spec_.name + " can be paused only while it runs"));
  }
  if (const int failed = world_.halt_tree(); failed != 0) {
    return settle(command, errno_error("cannot pause " + spec_.name, failed));
  }
  enter(ServiceState::pause_pending);
  look();
  settle(command, {});
}

void Supervised::resume(const Command& command) {
  if (!up() || other_instance(command)) {
    return settle(command, error(ErrorKind::not_active, spec_.name + " does not run"));
  }
  if (record_.state == ServiceState::running || record_.state == ServiceState::continue_pending) {
    return settle(command, {});
  }
  if (record_.state != ServiceState::paused && record_.state != ServiceState::pause_pending) {
    return settle(command, error(ErrorKind::control_not_accepted, spec_.name + " is not paused"));
  }
  if (const int failed = world_.resume_tree(); failed != 0) {
    return settle(command, errno_error("cannot continue " + spec_.name, failed));
  }
  enter(ServiceState::continue_pending);
  look();
  settle(command, {});
}

void Supervised::reload(const Command& command) {
  if (!up() || other_instance(command)) {
    return settle(command, error(ErrorKind::not_active, spec_.name + " does not run"));
  }
  if (!accepts().reload) {
    return settle(command, error(ErrorKind::control_not_accepted,
                                 record_.state == ServiceState::running
                                     ? spec_.name + " has neither reload_signal nor reload_command"
                                     : spec_.name + " can be reloaded only while it runs"));
  }
  note("reload", "");
  if (spec_.reload_command.empty()) {
    const int failed = world_.signal_main(spec_.reload_signal);
    if (failed != 0) return settle(command, errno_error("cannot signal " + spec_.name, failed));
    return settle(command, {});
  }
  if (outstanding(ControlOp::reload)) return remember(command);
  if (auto forked = world_.fork_companion(Companion::reload); !forked) {
    return settle(command, std::move(forked));
  }
  remember(command);
  world_.let_companion_go(Companion::reload);
}

}  // namespace noforce::supervisor
