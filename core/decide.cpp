#include "core/decide.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "core/graph.hpp"

namespace noforce {

namespace {

std::string seconds_text(Milliseconds time) {
  const auto tenths = time.count() / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

Milliseconds between(MonoTime from, MonoTime to) {
  return to > from ? std::chrono::duration_cast<Milliseconds>(to - from) : Milliseconds{0};
}

// The last moment at which there was a reason to go on waiting: the step's beginning, the control
// that was sent, or the service's own sign of progress.
MonoTime last_sign(const StepDrive& drive, const Service& service) {
  MonoTime sign = drive.begun;
  if (drive.sent) sign = std::max(sign, drive.sent_at);
  if (is_pending(service.state)) sign = std::max(sign, service.last_progress);
  return std::max(sign, drive.progress);
}

StepEnd end_timed_out(const Step& step, const StepDrive& drive, const Service& service,
                      ErrorKind kind, MonoTime now) {
  const auto quiet = between(last_sign(drive, service), now);
  std::string detail = service.name + " is still " + std::string(to_string(service.state));
  detail += ", last progress " + seconds_text(quiet) + " ago";
  detail += kind == ErrorKind::deadline_passed ? "; the job's deadline is over."
                                               : "; that is longer than its wait hint and the "
                                                 "patience of this job (no_progress_s).";
  detail += " Nothing was killed; it goes on as it is.";
  Error error{.kind = kind, .detail = std::move(detail), .service = step.service};
  error.effect = Effect::unknown;
  return {StepResult::timed_out, std::move(error)};
}

// Waits for a pending service, or for the effect of a control, within patience and deadline.
Move wait_for_progress(const Step& step, const StepDrive& drive, const Service& service,
                       const StepRules& rules, MonoTime now) {
  if (now >= rules.deadline) {
    return end_timed_out(step, drive, service, ErrorKind::deadline_passed, now);
  }
  Milliseconds patience = rules.no_progress;
  if (is_pending(service.state)) patience += service.wait_hint;
  const MonoTime until = last_sign(drive, service) + patience;
  if (now >= until) return end_timed_out(step, drive, service, ErrorKind::no_progress, now);
  return WaitFor{std::min(until, rules.deadline)};
}

StepEnd end_failed(Error error, const Step& step) {
  if (error.service.empty()) error.service = step.service;
  return {StepResult::failed, std::move(error)};
}

StepEnd end_failed(ErrorKind kind, std::string detail, const Step& step) {
  return end_failed(Error{.kind = kind, .detail = std::move(detail), .service = step.service},
                    step);
}

// `attempts` covers what an agent before this one sent for the step.
StepEnd end_good(const Step& step, const StepDrive& drive) {
  const bool did = drive.sent || drive.joined || step.attempts > 0;
  return {did ? StepResult::succeeded : StepResult::unchanged, std::nullopt};
}

// What an answer that is not "taken" means: nullopt to go on looking, or the move to make.
// `idle` are the kinds that say "it is already where you want it": look again.
std::optional<Move> judge_refusal(const Step& step, StepDrive& drive, ErrorKind idle,
                                  MonoTime now) {
  if (!drive.answer || drive.answer->has_value()) return std::nullopt;
  const Error& error = drive.answer->error();
  if (error.effect == Effect::unknown || error.kind == idle) return std::nullopt;
  if (error.kind == ErrorKind::scm_unavailable) {  // never sent, and not the service's fault
    const MonoTime again = drive.sent_at + kBusyPause;
    if (now < again) return WaitFor{again};
    drive.sent = false;
    drive.answer.reset();
    return std::nullopt;
  }
  // 1051: a dependent came up; the executor looks again before it sends the stop once more.
  const bool again_later =
      error.kind == ErrorKind::busy || error.kind == ErrorKind::dependents_running;
  if (again_later && drive.busy < kMostBusyAnswers) {
    const MonoTime again = drive.sent_at + kBusyPause * (drive.busy + 1);
    if (now < again) return WaitFor{again};
    ++drive.busy;
    drive.sent = false;
    drive.answer.reset();
    return std::nullopt;
  }
  return end_failed(error, step);
}

std::string exit_text(const Service& service) {
  if (!service.exit || !service.exit->code) return "its exit code is not known";
  std::string text = "it ended with exit code " + std::to_string(*service.exit->code);
  if (service.exit->service_code) {
    text += " (its own code " + std::to_string(*service.exit->service_code) + ")";
  }
  return text;
}

// Stop ---------------------------------------------------------------------------------------

Move send_stop(const Step& step, const StepDrive& drive, const Service& service,
               const StepRules& rules, MonoTime now) {
  if (now >= rules.deadline) {  // an expired deadline forbids new stops
    return end_timed_out(step, drive, service, ErrorKind::deadline_passed, now);
  }
  // Also where it says that it accepts none: what the SCM answers (1052) is the SCM's own word.
  return Send{ControlOp::stop, service.instance};
}

// The instance that was to be stopped is gone and another one runs. Nullopt: stop that one too.
std::optional<Move> meet_other_instance(const Step& step, StepDrive& drive, const Service& service,
                                        const StepRules& rules) {
  if (rules.leave_other_instance) return StepEnd{StepResult::succeeded, std::nullopt};
  if (++drive.again > kMostInstancesMet) {
    return end_failed(ErrorKind::started_again,
                      service.name + " was stopped " + std::to_string(kMostInstancesMet) +
                          " times and something starts it again each time (a trigger, a restart "
                          "policy, a person). Find that first.",
                      step);
  }
  drive.target = service.instance;
  drive.sent = false;
  drive.outstanding = false;
  drive.answer.reset();
  return std::nullopt;
}

Move decide_stop(const Step& step, StepDrive& drive, const Service* service, const StepRules& rules,
                 MonoTime now) {
  if (service == nullptr) return end_good(step, drive);
  if (!is_up(service->state) && !service->instance) {
    // Stopped, but its SCM is about to start it again (a restart policy): a stop calls that off.
    if (!service->accepts.stop) return end_good(step, drive);
    if (!drive.sent) return Send{ControlOp::stop, std::nullopt};
    if (drive.outstanding) return wait_for_progress(step, drive, *service, rules, now);
    if (auto move = judge_refusal(step, drive, ErrorKind::not_active, now)) return *move;
    if (!drive.sent) return Send{ControlOp::stop, std::nullopt};
    return end_good(step, drive);
  }
  if (!drive.target) drive.target = service->instance;
  if (service->instance && drive.target && !(*service->instance == *drive.target)) {
    if (auto move = meet_other_instance(step, drive, *service, rules)) return *move;
  }
  switch (service->state) {
    case ServiceState::stopped:  // reported, but its process is still there
      drive.joined = true;
      return wait_for_progress(step, drive, *service, rules, now);
    case ServiceState::stop_pending:
      if (!drive.sent) drive.joined = true;
      return wait_for_progress(step, drive, *service, rules, now);
    case ServiceState::running:
    case ServiceState::paused:
      if (drive.sent) {
        if (drive.outstanding) return wait_for_progress(step, drive, *service, rules, now);
        if (auto move = judge_refusal(step, drive, ErrorKind::not_active, now)) return *move;
        if (drive.sent) return wait_for_progress(step, drive, *service, rules, now);
      }
      return send_stop(step, drive, *service, rules, now);
    case ServiceState::start_pending:
    case ServiceState::continue_pending:
    case ServiceState::pause_pending:
      break;
  }
  // Waited for first (1061), unless the service itself says that it takes a stop on its way: one
  // that never gets ready can so be stopped.
  if (!drive.sent && service->accepts.stop) return send_stop(step, drive, *service, rules, now);
  return wait_for_progress(step, drive, *service, rules, now);
}

// Start --------------------------------------------------------------------------------------

Move decide_stopped_start(const Step& step, StepDrive& drive, const Service& service,
                          const StepRules& rules, MonoTime now) {
  if (service.instance) return wait_for_progress(step, drive, service, rules, now);
  if (drive.sent) {
    if (drive.outstanding) return wait_for_progress(step, drive, service, rules, now);
    if (auto move = judge_refusal(step, drive, ErrorKind::already_running, now)) {
      return *move;
    }
    if (drive.sent && drive.answer && drive.answer->has_value()) {
      Error error{.kind = ErrorKind::start_failed,
                  .detail = service.name + " was started and is stopped again: " +
                            exit_text(service) + ". Its own log tells more.",
                  .service = service.name};
      if (service.exit) error.native_code = service.exit->code;
      return end_failed(std::move(error), step);
    }
    // An answer with unknown effect, and it is still stopped: a start is asked for again without
    // harm (1056 if it was on its way after all).
    if (drive.sent && drive.answer && drive.busy < kMostBusyAnswers) {
      const MonoTime again = drive.sent_at + kBusyPause * (drive.busy + 1);
      if (now < again) return WaitFor{again};
      ++drive.busy;
      drive.sent = false;
      drive.answer.reset();
    }
    if (drive.sent) return wait_for_progress(step, drive, service, rules, now);
  }
  if (now >= rules.deadline && !step.restoring) {  // it never forbids what brings a service back
    return end_failed(ErrorKind::deadline_passed,
                      "The job's deadline is over; " + service.name + " was not started.", step);
  }
  if (service.start_type == StartType::disabled && service.taken_out) {
    return end_failed(ErrorKind::service_disabled,
                      service.name +
                          " was taken out of the settings meanwhile, so it cannot be started. Put "
                          "it back and reload the agent.",
                      step);
  }
  if (service.start_type == StartType::disabled) {
    return end_failed(ErrorKind::service_disabled,
                      service.name +
                          " was disabled meanwhile, so it cannot be started. Enable it "
                          "and start it.",
                      step);
  }
  return Send{ControlOp::start, std::nullopt};
}

Move decide_start(const Step& step, StepDrive& drive, const Service* service,
                  const StepRules& rules, MonoTime now) {
  if (service == nullptr) {
    return end_failed(ErrorKind::unknown_service,
                      step.service + " is no longer known to the service manager.", step);
  }
  switch (service->state) {
    case ServiceState::running:
    case ServiceState::paused:
    case ServiceState::pause_pending:
      return end_good(step, drive);
    case ServiceState::start_pending:
    case ServiceState::continue_pending:
      if (!drive.sent) drive.joined = true;
      return wait_for_progress(step, drive, *service, rules, now);
    case ServiceState::stop_pending:
      return wait_for_progress(step, drive, *service, rules, now);
    case ServiceState::stopped:
      break;
  }
  return decide_stopped_start(step, drive, *service, rules, now);
}

// Pause, continue, reload ----------------------------------------------------------------------

struct ControlGoal {
  ControlOp op;
  ServiceState reached;  // the state that ends the step
  ServiceState on_the_way;
};

Move decide_pause_or_resume(const Step& step, StepDrive& drive, const Service* service,
                            const ControlGoal& goal, const StepRules& rules, MonoTime now) {
  if (service == nullptr || !counts_as_up(service->state)) {
    return end_failed(ErrorKind::not_active,
                      step.service + " does not run, so there is nothing to " +
                          std::string(to_string(goal.op)) + ".",
                      step);
  }
  if (service->state == goal.reached) return end_good(step, drive);
  if (is_pending(service->state)) {
    if (!drive.sent && service->state == goal.on_the_way) drive.joined = true;
    return wait_for_progress(step, drive, *service, rules, now);
  }
  if (drive.sent) {
    if (drive.outstanding) return wait_for_progress(step, drive, *service, rules, now);
    if (auto move = judge_refusal(step, drive, ErrorKind::internal, now)) return *move;
    if (drive.sent) return wait_for_progress(step, drive, *service, rules, now);
  }
  if (!service->accepts.pause_continue) {
    return end_failed(
        ErrorKind::control_not_accepted,
        service->name + " does not accept `" + std::string(to_string(goal.op)) + "` now.", step);
  }
  return Send{goal.op, service->instance};
}

Move decide_reload(const Step& step, StepDrive& drive, const Service* service,
                   const StepRules& rules, MonoTime now) {
  if (service == nullptr || !counts_as_up(service->state)) {
    return end_failed(ErrorKind::not_active, step.service + " does not run.", step);
  }
  if (drive.sent) {
    if (drive.outstanding) return wait_for_progress(step, drive, *service, rules, now);
    if (auto move = judge_refusal(step, drive, ErrorKind::internal, now)) return *move;
    if (drive.answer && drive.answer->has_value()) {
      if (is_pending(service->state)) return wait_for_progress(step, drive, *service, rules, now);
      return StepEnd{StepResult::succeeded, std::nullopt};
    }
    if (drive.sent) return wait_for_progress(step, drive, *service, rules, now);
  }
  if (is_pending(service->state)) return wait_for_progress(step, drive, *service, rules, now);
  return Send{ControlOp::reload, service->instance};
}

// Hooks and verification -----------------------------------------------------------------------

Move decide_hook(const Step& step, const StepDrive& drive, const StepRules& rules, MonoTime now) {
  const auto& hooks = step.before ? rules.policy->before_stop : rules.policy->after_start;
  if (step.hook >= hooks.size()) {  // taken out of the settings while the agent was away
    return StepEnd{StepResult::skipped, std::nullopt};
  }
  if (!drive.sent) {
    if (now >= rules.deadline) {
      return end_failed(ErrorKind::deadline_passed,
                        "The job's deadline is over; the hook of " + step.service + " was not run.",
                        step);
    }
    return RunHook{};
  }
  if (!drive.answer) {  // the attendant answers within the hook's own limit
    const MonoTime limit = drive.sent_at + rules.policy->hook_timeout + kAnswerGrace;
    if (now < limit) return WaitFor{limit};
    return end_failed(
        ErrorKind::hook_failed,
        "Nothing is known of the hook of " + step.service + " that was begun; look at what it did.",
        step);
  }
  if (drive.answer->has_value()) return StepEnd{StepResult::succeeded, std::nullopt};
  return end_failed(drive.answer->error(), step);
}

Move hold_verified(const Step& step, const StepDrive& drive, const Service& service,
                   const StepRules& rules, MonoTime now) {
  if (!service.instance || !drive.verified || !(*service.instance == *drive.verified)) {
    return end_failed(ErrorKind::verify_failed,
                      service.name + " answered and was then replaced by another instance within " +
                          seconds_text(rules.policy->verify->hold) +
                          " (hold_s): it does not stay "
                          "up. Its own log tells more.",
                      step);
  }
  const MonoTime held = *drive.good_since + rules.policy->verify->hold;
  if (now >= held) return StepEnd{StepResult::succeeded, std::nullopt};
  return WaitFor{held};
}

Move decide_verify(const Step& step, StepDrive& drive, const Service* service,
                   const StepRules& rules, MonoTime now) {
  if (!rules.policy->verify) {  // taken out of the settings while the agent was away
    return StepEnd{StepResult::skipped, std::nullopt};
  }
  if (service == nullptr || !counts_as_up(service->state)) {
    std::string detail = step.service + " came up and is down again";
    if (service != nullptr) detail += ": " + exit_text(*service);
    detail += drive.good_since ? " (it had answered; hold_s was not over)." : ".";
    return end_failed(ErrorKind::verify_failed, std::move(detail) + " Its own log tells more.",
                      step);
  }
  if (drive.good_since) return hold_verified(step, drive, *service, rules, now);
  if (!drive.sent) return AskProbe{};
  const MonoTime last_chance = std::min(drive.begun + rules.policy->verify->within, rules.deadline);
  if (!drive.answer) {
    const MonoTime limit = drive.sent_at + kProbeTimeout + kAnswerGrace;
    if (now < limit) return WaitFor{limit};
    if (now < last_chance) return AskProbe{};
    return end_failed(ErrorKind::verify_failed,
                      step.service +
                          " runs and nothing answers the question whether it works (a "
                          "name that does not resolve?).",
                      step);
  }
  if (drive.answer->has_value()) {
    drive.good_since = now;
    drive.verified = service->instance;
    return hold_verified(step, drive, *service, rules, now);
  }
  const MonoTime again = drive.sent_at + kProbePause;
  if (now >= last_chance || again >= last_chance) {
    Error error = drive.answer->error();
    error.detail = step.service + " runs and does not answer as it should within " +
                   seconds_text(rules.policy->verify->within) + ": " + error.detail;
    return end_failed(std::move(error), step);
  }
  if (now >= again) return AskProbe{};
  return WaitFor{again};
}

// Restoring ------------------------------------------------------------------------------------

const Found* find_in(const std::vector<Found>& found, std::string_view service) {
  for (const auto& one : found) {
    if (one.service == service) return &one;
  }
  return nullptr;
}

// Stopped by this job, or about to be: what went down by somebody else's doing is not ours to start.
// After a reboot everything that was to be stopped counts: the records of single steps survive the
// agent's end, not a power cut.
bool was_touched(const Job& job, std::string_view service) {
  const bool interrupted = job.result == JobResult::interrupted;
  return std::any_of(job.steps.begin(), job.steps.end(), [&](const Step& step) {
    if (step.service != service || step.operation != Operation::stop) return false;
    return interrupted || (step.state != StepState::pending && step.result != StepResult::skipped &&
                           step.result != StepResult::unchanged);
  });
}

bool is_named(const Job& job, std::string_view service) {
  return std::find(job.services.begin(), job.services.end(), service) != job.services.end();
}

bool needs_one_of(const Graph& graph, const std::string& service,
                  const std::set<std::string>& others) {
  for (const auto& dependency : graph.all_dependencies({service})) {
    if (others.contains(dependency)) return true;
  }
  return false;
}

// What it needs is down and not this job's to bring back.
bool needs_what_stays_down(const Picture& picture, const std::string& service,
                           const std::set<std::string>& coming) {
  const auto needs = picture.graph->all_dependencies({service});
  return std::any_of(needs.begin(), needs.end(), [&](const std::string& name) {
    const Service* needed = picture.find(name);
    return (needed == nullptr || !counts_as_up(needed->state)) && !coming.contains(name);
  });
}

// It was started in this job and did not come up, or not for long: starting it once more would
// only hide that.
bool failed_to_start(const Job& job, std::string_view service) {
  return std::any_of(job.steps.begin(), job.steps.end(), [service](const Step& step) {
    const bool bad = step.result == StepResult::failed || step.result == StepResult::timed_out;
    if (!bad || step.service != service) return false;
    // A start that was never sent (an expired deadline) says nothing of the service.
    return step.operation == Operation::verify ||
           (step.operation == Operation::start && step.attempts > 0);
  });
}

// A stop that only takes longer than its job: when it ends, that is what was asked for, and nothing
// to be undone.
bool stops_as_asked(const Job& job, const Service& service) {
  return job.action == Action::stop && service.state == ServiceState::stop_pending &&
         is_named(job, service.name);
}

// A stop that was sent, and nobody knows what became of it.
bool has_unknown_end(const Step& step) {
  return step.operation == Operation::stop && step.attempts > 0 && step.error &&
         step.error->effect == Effect::unknown;
}

// Does its work, as far as the SCM can tell: neither down nor still on its way.
bool serves(ServiceState state) {
  return counts_as_up(state) && state != ServiceState::start_pending;
}

Step restoring_step(const std::string& service, Operation operation, std::uint32_t hook = 0) {
  Step step;
  step.service = service;
  step.operation = operation;
  step.hook = hook;
  step.restoring = true;
  return step;
}

std::vector<std::string> in_start_order(const Picture& picture, std::vector<std::string> services) {
  auto order = picture.graph->start_order(services);
  return order ? std::move(*order) : std::move(services);
}

}  // namespace

Move decide_step(const Step& step, StepDrive& drive, const Service* service, const StepRules& rules,
                 MonoTime now) {
  switch (step.operation) {
    case Operation::stop:
      return decide_stop(step, drive, service, rules, now);
    case Operation::start:
      return decide_start(step, drive, service, rules, now);
    case Operation::pause:
      return decide_pause_or_resume(
          step, drive, service,
          {ControlOp::pause, ServiceState::paused, ServiceState::pause_pending}, rules, now);
    case Operation::resume:
      return decide_pause_or_resume(
          step, drive, service,
          {ControlOp::resume, ServiceState::running, ServiceState::continue_pending}, rules, now);
    case Operation::reload:
      return decide_reload(step, drive, service, rules, now);
    case Operation::hook:
      return decide_hook(step, drive, rules, now);
    case Operation::verify:
      return decide_verify(step, drive, service, rules, now);
  }
  return end_failed(ErrorKind::internal, "An operation that this agent does not know.", step);
}

std::vector<std::string> now_down(const Job& job, const Picture& picture) {
  std::vector<std::string> down;
  for (const auto& found : job.found) {
    if (!counts_as_up(found.state)) continue;
    const Service* service = picture.find(found.service);
    if (service == nullptr || !serves(service->state)) down.push_back(found.service);
  }
  return in_start_order(picture, std::move(down));
}

Restoration plan_restoration(const Job& job, const Picture& picture, const Policies& policies) {
  Restoration restoration;
  std::set<std::string> waiting;  // services that are still stopping, and what hangs on them
  std::set<std::string> gone;
  std::set<std::string> coming;
  for (const auto& service : picture.services) {
    const bool starts_again = !counts_as_up(service->state) && comes_up(*service);
    if (service->state == ServiceState::stop_pending || starts_again) waiting.insert(service->name);
  }
  for (const auto& name : now_down(job, picture)) {
    if (!was_touched(job, name)) continue;
    const Service* service = picture.find(name);
    if (service != nullptr && counts_as_up(service->state)) continue;  // on its way up
    if (service == nullptr || service->start_type == StartType::disabled ||
        failed_to_start(job, name) || needs_one_of(*picture.graph, name, gone)) {
      gone.insert(name);
      restoration.lost.push_back(name);
      continue;
    }
    if (stops_as_asked(job, *service)) {
      gone.insert(name);
      restoration.lost.push_back(name);
      continue;
    }
    if (waiting.contains(name) || needs_one_of(*picture.graph, name, waiting)) {
      restoration.blocked.push_back(name);
      continue;
    }
    if (needs_what_stays_down(picture, name, coming)) {
      restoration.stranded.push_back(name);
      continue;
    }
    coming.insert(name);
    restoration.steps.push_back(restoring_step(name, Operation::start));
    const auto hooks = policies.of(name).after_start.size();
    for (std::uint32_t n = 0; n < hooks; ++n) {
      restoration.steps.push_back(restoring_step(name, Operation::hook, n));
    }
    const Found* found = find_in(job.found, name);
    const bool pause_again = found != nullptr &&
                             destination(found->state) == ServiceState::paused &&
                             !(job.action == Action::restart && is_named(job, name) && !job.group);
    if (pause_again) restoration.steps.push_back(restoring_step(name, Operation::pause));
  }
  return restoration;
}

bool may_still_stop(const Job& job, const Picture& picture) {
  return std::any_of(job.steps.begin(), job.steps.end(), [&](const Step& step) {
    const Service* now = picture.find(step.service);
    return has_unknown_end(step) && now != nullptr && counts_as_up(now->state) &&
           (!step.target || now->instance == step.target);
  });
}

Restored judge_restored(const Job& job, const Picture& picture) {
  bool stopped_any = false;
  bool all_up = true;
  for (const auto& found : job.found) {
    if (!counts_as_up(found.state) || !was_touched(job, found.service)) continue;
    stopped_any = true;
    const Service* service = picture.find(found.service);
    all_up = all_up && service != nullptr && serves(service->state);
  }
  if (!stopped_any) return Restored::not_needed;
  const bool may_go_down = may_still_stop(job, picture);
  if (all_up && !may_go_down) return Restored::complete;
  const bool as_asked = job.action == Action::stop &&
                        std::all_of(job.steps.begin(), job.steps.end(), [&job](const Step& step) {
                          return !has_unknown_end(step) || is_named(job, step.service);
                        });
  // Pending while there is anything that can still be brought back, now or after a late stop.
  const Restoration left = plan_restoration(job, picture, Policies{});
  const bool more = !left.steps.empty() || !left.blocked.empty() || !left.stranded.empty() ||
                    (may_go_down && !as_asked);
  return more ? Restored::pending : Restored::incomplete;
}

std::vector<std::string> dependents_up(const std::string& service, const Picture& picture) {
  std::vector<std::string> up;
  for (const auto& name : picture.graph->all_dependents({service})) {
    const Service* it = picture.find(name);
    if (it != nullptr && is_up(it->state)) up.push_back(name);
  }
  up = in_start_order(picture, std::move(up));
  std::reverse(up.begin(), up.end());
  return up;
}

}  // namespace noforce
