// The life of one job in the executor: beginning, stepping, ending. See executor.hpp.
#include <algorithm>
#include <utility>

#include "core/executor.hpp"
#include "core/graph.hpp"
#include "core/log.hpp"
#include "core/text.hpp"

namespace noforce {

namespace {

constexpr Milliseconds kReadPause{1'000};
constexpr int kMostInserted = 3;  // stops of one dependent that came up again, per job

bool contains(const std::vector<std::string>& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

Found* find_in(std::vector<Found>& found, std::string_view service) {
  const auto at = std::find_if(found.begin(), found.end(),
                               [service](const Found& one) { return one.service == service; });
  return at == found.end() ? nullptr : &*at;
}

Found found_as(const Service& service) {
  // About to be started again by its SCM: on its way up.
  const bool starts_again = !counts_as_up(service.state) && comes_up(service);
  return {service.name, starts_again ? ServiceState::start_pending : service.state,
          service.instance};
}

Step to_step(const PlannedStep& planned) {
  Step step;
  step.service = planned.service;
  step.operation = planned.operation;
  step.hook = planned.hook;
  step.before = planned.before;
  return step;
}

bool is_good(const StepEnd& end) {
  return end.result != StepResult::failed && end.result != StepResult::timed_out;
}

// Why the job did not go on; from its record alone, so that the next agent says the same.
JobResult cause_of(const Job& job) {
  if (!job.error) return JobResult::cancelled;
  const ErrorKind kind = job.error->kind;
  if (kind == ErrorKind::no_progress || kind == ErrorKind::deadline_passed) {
    return JobResult::timed_out;
  }
  return JobResult::failed;
}

bool stops_one_of(const Job& job, const std::vector<std::string>& services) {
  return std::any_of(job.steps.begin(), job.steps.end(), [&services](const Step& step) {
    return step.operation == Operation::stop && contains(services, step.service);
  });
}

// Named, or consented to.
bool may_take_down(const Job& job, std::string_view service) {
  return contains(job.services, service) || contains(job.consented, service);
}

// What it needs and what is down, in start order.
std::vector<std::string> lacking(const std::string& service, const Picture& picture) {
  auto needs = picture.graph->all_dependencies({service});
  if (auto ordered = picture.graph->start_order(needs)) needs = std::move(*ordered);
  std::erase_if(needs, [&picture](const auto& name) {
    const Service* needed = picture.find(name);
    return needed != nullptr && counts_as_up(needed->state);
  });
  return needs;
}

Milliseconds since(MonoTime then, MonoTime now) {
  return std::max(std::chrono::duration_cast<Milliseconds>(now - then), Milliseconds{0});
}

bool restores(const Job& job) {
  return job.options.on_failure == OnFailure::restore;
}

}  // namespace

// Beginning ---------------------------------------------------------------------------------------

Result<Plan> Executor::plan_again(const Run& run, const Picture& picture) const {
  const Job& job = run.job;
  if (!job.parent) {
    return make_plan({job.action, job.services, job.group}, picture, *run.policies);
  }
  // Completes another job's restoring: exactly what that one took down, as it found it.
  JobPtr parent = parts_.board.find(*job.parent);
  if (!parent) {
    auto kept = parts_.journal.job(*job.parent);
    if (!kept) return std::unexpected(kept.error());
    if (!*kept) {
      return noforce::fail(ErrorKind::unknown_job,
                           "The job whose restoring this one completes is "
                           "no longer kept.");
    }
    parent = std::make_shared<const Job>(std::move(**kept));
  }
  Plan plan;
  plan.action = job.action;
  plan.services = job.services;
  plan.touches = job.touches;
  plan.digest = job.plan_digest;
  for (const auto& one : plan_restoration(*parent, picture, *run.policies).steps) {
    if (contains(job.services, one.service)) {
      plan.steps.push_back({one.service, one.operation, one.hook, one.before});
    }
  }
  return plan;
}

void Executor::try_begin(Run& run, MonoTime now) {
  Job& job = run.job;
  if (job.state != JobState::queued) return;
  if (now >= run.queue_until) {
    job.error = Error{.kind = ErrorKind::expired,
                      .detail = "The job waited in the queue for longer than queue_s (" +
                                std::to_string(job.options.queue.count()) +
                                " s). Nothing was touched. Send it again when the jobs before it "
                                "are done."};
    finish(run, JobResult::failed, now);
    return;
  }
  set_wake(run, run.queue_until);
  if (!scheduler_.is_next(job.id) || lost_) return;
  if (!may_begin(job)) return;
  const bool ill = retry_commit_ != MonoTime{} || !parts_.journal.healthy();
  if (ill && job.requested_by != kAgentPrincipal) {  // what it did could not be recorded
    set_wake(run, std::min(run.queue_until, now + kReadPause));
    return;
  }
  parts_.scm.look_now(job.touches);  // what is found now is what the job brings back
  const PicturePtr picture = parts_.scm.snapshot();
  if (!picture->complete) return;
  const auto plan = plan_again(run, *picture);
  if (!plan && plan.error().kind == ErrorKind::journal_unavailable) {
    set_wake(run, std::min(run.queue_until, now + kReadPause));  // the disk: again in a moment
    return;
  }
  if (!plan) {
    job.error = plan.error();
    finish(run, JobResult::failed, now);
    return;
  }
  scheduler_.extend(job.id, plan->touches);
  for (const auto& service : plan->touches) {
    if (!contains(job.touches, service)) job.touches.push_back(service);
  }
  if (!scheduler_.is_next(job.id)) return;  // it grew onto services that a job before it has
  begin(run, *plan, *picture, now);
}

void Executor::begin(Run& run, const Plan& plan, const Picture& picture, MonoTime now) {
  Job& job = run.job;
  std::vector<std::string> more;
  for (const auto& service : plan.dependents) {
    if (!contains(job.consented, service)) more.push_back(service);
  }
  const Principal scope{.name = job.requested_by, .services = job.scope, .actions = {}};
  for (const auto& planned : plan.steps) {
    if (!scope.may_see(planned.service) && !contains(more, planned.service)) {
      more.push_back(planned.service);
    }
  }
  if (!more.empty() || (job.options.plan_digest && plan.digest != *job.options.plan_digest)) {
    job.error = Error{.kind = ErrorKind::plan_changed,
                      .detail = more.empty()
                                    ? "The plan is no longer the one of the plan_digest that was "
                                      "given. Nothing was touched. Look at a new dry run."
                                    : "The plan has grown by what nobody consented to, or what the "
                                      "credential is not good for: " +
                                          list_names(more) +
                                          ". Nothing was touched. Look at a new dry run and send "
                                          "the job again."};
    job.error->dependents = more;
    finish(run, JobResult::failed, now);
    return;
  }
  scheduler_.begin(job.id);
  job.state = JobState::running;
  job.started_at = parts_.clock.wall();
  job.boot = parts_.boot;
  job.plan_digest = plan.digest;
  for (const auto& warning : plan.warnings) {
    if (!contains(job.warnings, warning)) job.warnings.push_back(warning);
  }
  job.begun = now;
  job.deadline = now + job.options.deadline;
  for (const auto& name : job.touches) {
    if (const Service* service = picture.find(name)) job.found.push_back(found_as(*service));
  }
  std::vector<std::string> stops;
  for (const auto& planned : plan.steps) {
    job.steps.push_back(to_step(planned));
    if (planned.operation == Operation::stop) stops.push_back(planned.service);
  }
  active_.insert(job.id);
  active_changed_ = true;
  changed_.insert(job.id);
  needs_sync_ = true;
  log_info("executor", "begins", job.id);
  note_wanted(run, false);
  if (job.steps.empty()) {
    finish(run, JobResult::unchanged, now);
    return;
  }
  if (job.parent) {  // each service for itself: one that does not come up holds up no other
    run.restoring = true;
    for (auto& one : job.steps)
      one.restoring = true;
  }
  if (!stops.empty()) {
    if (auto prepared = parts_.scm.prepare(job.id, stops); !prepared) {
      job.error = prepared.error();
      for (auto& one : job.steps) {
        one.state = StepState::done;
        one.result = StepResult::skipped;
      }
      finish(run, JobResult::failed, now);
      return;
    }
  }
  run.at = 0;
  begin_step(run, now);
  step(run, now);
}

// A job that an agent before this one had begun. What it did is not asked of its record but seen.
void Executor::take_up(Run& run, MonoTime now) {
  Job& job = run.job;
  run.to_take_up = false;
  if (job.boot != parts_.boot) {
    interrupt(run, now);
    return;
  }
  // Its deadlines go on where they were, and leave it time to see progress.
  job.deadline = std::max(job.deadline.value_or(now), now + job.options.no_progress);
  const auto at = std::find_if(job.steps.begin(), job.steps.end(),
                               [](const Step& one) { return one.state != StepState::done; });
  run.at = static_cast<std::size_t>(at - job.steps.begin());
  run.restoring = std::any_of(job.steps.begin(), job.steps.end(),
                              [](const Step& one) { return one.restoring; });
  log_info("executor", "is taken up again at step " + std::to_string(run.at), job.id);
  if (at == job.steps.end()) {
    advance(run, StepEnd{StepResult::unchanged, std::nullopt}, now);
    return;
  }
  if (at->state == StepState::pending) {
    begin_step(run, now);
    return;
  }
  const Found* found = find_in(job.found, at->service);
  run.drive = StepDrive{.begun = now};
  if (at->operation == Operation::stop && found != nullptr) run.drive.target = found->instance;
  if (at->target) run.drive.target = at->target;
  run.ask_again = at->attempts > 0;
  if (at->operation == Operation::hook && at->attempts > 0) {
    run.drive.sent = true;  // a hook that had begun is not repeated
    run.drive.answer = noforce::fail(
        ErrorKind::hook_failed,
        "The agent was started again while this hook ran; how it ended is not known and it is not "
        "repeated. Look at what it did before you send the job again.",
        at->service);
  }
}

void Executor::interrupt(Run& run, MonoTime now) {
  Job& job = run.job;
  job.error = Error{.kind = ErrorKind::interrupted,
                    .detail =
                        "The machine was started again while this job ran. What it had taken "
                        "down is " +
                        std::string(restores(job) ? "started again by a job of the agent."
                                                  : "left as it is (on_failure=leave).")};
  for (auto& one : job.steps) {
    if (one.state == StepState::done) continue;
    const bool was_stopping = one.state == StepState::running && one.operation == Operation::stop;
    one.result = was_stopping ? StepResult::failed : StepResult::skipped;
    one.state = StepState::done;
  }
  finish(run, JobResult::interrupted, now);
}

// Stepping ----------------------------------------------------------------------------------------

StepRules Executor::rules_of(const Run& run) const {
  const Job& job = run.job;
  const Step& in_hand = job.steps[run.at];
  StepRules rules;
  rules.no_progress = job.options.no_progress;
  rules.deadline = job.deadline.value_or(MonoTime::max());
  rules.policy = &run.policies->of(in_hand.service);
  rules.leave_other_instance =
      in_hand.operation == Operation::stop && job.action == Action::restart &&
      !stops_one_of(job, parts_.scm.snapshot()->graph->all_dependencies({in_hand.service}));
  return rules;
}

void Executor::step(Run& run, MonoTime now) {
  // Each turn of this loop ends a step or waits; the bound is for a fault in a decision.
  for (int turn = 0; turn < 100'000; ++turn) {
    if (run.job.state == JobState::done) return;
    const PicturePtr picture = parts_.scm.snapshot();
    if (lost_ || !picture->complete) return;
    if (run.to_take_up) {
      take_up(run, now);
      continue;
    }
    Step& in_hand = run.job.steps[run.at];
    const Service* service = picture->find(in_hand.service);
    note_progress(run, service);
    if (!apply(run, decide_step(in_hand, run.drive, service, rules_of(run), now), *picture, now)) {
      return;
    }
  }
}

// False: nothing more to do until something happens.
bool Executor::apply(Run& run, Move move, const Picture& picture, MonoTime now) {
  if (const auto* wait = std::get_if<WaitFor>(&move)) {
    set_wake(run, wait->until);
    return false;
  }
  if (auto* end = std::get_if<StepEnd>(&move)) {
    end_step(run, std::move(*end), now);
    return true;
  }
  Step& in_hand = run.job.steps[run.at];
  PendingEffect effect;
  if (auto* send = std::get_if<Send>(&move)) {
    if (send->op == ControlOp::stop && look_again_before_stop(run, picture, now)) return true;
    if (send->op == ControlOp::start && look_again_before_start(run, picture, now)) return true;
    effect.control.op = send->op;
    in_hand.target = send->instance;
    effect.control.instance = std::move(send->instance);
    effect.control.comment = "noforce job " + run.job.id + " by " + run.job.requested_by;
  } else if (std::holds_alternative<RunHook>(move)) {
    effect.kind = EffectKind::hook;
    effect.hook = in_hand.hook;
    effect.before = in_hand.before;
  } else {
    effect.kind = EffectKind::probe;
  }
  // The same token only for the same instance: for another one it is a new control.
  const bool same_control = run.ask_again && run.drive.again == 0;
  run.ask_again = false;
  if (!same_control) ++in_hand.attempts;
  effect.is_new = !same_control;
  effect.control.service = in_hand.service;
  effect.control.token = {run.job.id, static_cast<std::uint32_t>(run.at), in_hand.attempts};
  if (effect.kind != EffectKind::probe) changed_.insert(run.job.id);
  effects_.push_back(std::move(effect));
  run.drive.sent = true;
  run.drive.outstanding = true;
  run.drive.sent_at = now;
  run.drive.answer.reset();
  return true;
}

// Something may have started a dependent since the plan was made. What was consented to is stopped
// first, a bounded number of times; anything else ends the step. True: the step in hand changed.
bool Executor::look_again_before_stop(Run& run, const Picture& picture, MonoTime now) {
  Job& job = run.job;
  const std::string target = job.steps[run.at].service;
  const Service* itself = picture.find(target);
  if (itself != nullptr && comes_up(*itself) && !may_take_down(job, target)) {
    Error error{.kind = ErrorKind::dependents_running,
                .detail = target +
                          " was down or stopping when this job was accepted and is up again, or "
                          "about to be; nobody consented to its going down. Look at a new dry run "
                          "and send the job "
                          "again.",
                .service = target};
    error.dependents = {target};
    end_step(run, StepEnd{StepResult::failed, std::move(error)}, now);
    return true;
  }
  const auto up = dependents_up(target, picture);
  if (up.empty()) return false;
  for (const auto& name : up) {
    const Service* service = picture.find(name);
    const bool allowed = may_take_down(job, name) || !counts_as_up(service->state);
    if (allowed && run.inserted[name] < kMostInserted) continue;
    Error error{.kind = allowed ? ErrorKind::started_again : ErrorKind::dependents_running,
                .detail = name + " depends on " + target +
                          (allowed ? " and is started again each time it is stopped. Find what "
                                     "does that first."
                                   : " and was started after this job had begun; nobody consented "
                                     "to its going down, so " +
                                         target + " was not stopped."),
                .service = target};
    error.dependents = up;
    end_step(run, StepEnd{StepResult::failed, std::move(error)}, now);
    return true;
  }
  if (auto prepared = parts_.scm.prepare(job.id, up); !prepared) {
    end_step(run, StepEnd{StepResult::failed, prepared.error()}, now);
    return true;
  }
  std::vector<Step> stops;
  for (const auto& name : up) {
    ++run.inserted[name];
    stops.push_back(to_step({name, Operation::stop}));
    // This place in the list may have used tokens up: what comes in goes on counting from there.
    stops.back().attempts = job.steps[run.at].attempts;
    const Service* service = picture.find(name);
    if (Found* found = find_in(job.found, name)) {
      // Found down and up now: it is brought back like the others.
      if (!counts_as_up(found->state)) *found = found_as(*service);
    } else {
      job.found.push_back(found_as(*service));
    }
  }
  for (auto name = up.rbegin(); name != up.rend(); ++name) {  // in start order
    const Service* service = picture.find(*name);
    const bool starts = std::any_of(job.steps.begin(), job.steps.end(), [&name](const Step& one) {
      return one.service == *name && one.operation == Operation::start;
    });
    if (job.action != Action::restart || starts || !counts_as_up(service->state)) continue;
    job.steps.push_back(to_step({*name, Operation::start}));
    if (destination(service->state) == ServiceState::paused) {
      job.steps.push_back(to_step({*name, Operation::pause}));
    }
  }
  put_before(run, stops, now);
  return true;
}

// What it needs may have gone down since the plan was made: it is started first, a bounded number of
// times. True: the step in hand changed.
bool Executor::look_again_before_start(Run& run, const Picture& picture, MonoTime now) {
  Job& job = run.job;
  const std::string target = job.steps[run.at].service;
  const auto down = lacking(target, picture);
  if (down.empty()) return false;
  if (run.restoring) {  // it comes with a later job
    end_step(run, StepEnd{StepResult::skipped, std::nullopt}, now);
    return true;
  }
  const Principal scope{.name = job.requested_by, .services = job.scope, .actions = {}};
  std::vector<Step> starts;
  for (const auto& name : down) {
    if (!contains(job.touches, name)) {
      scheduler_.extend(job.id, {name});
      job.touches.push_back(name);
    }
    const bool held_by_another = scheduler_.head_of(name) != job.id;
    if (held_by_another || !scope.may_see(name) || ++run.started_first[name] > kMostInserted) {
      Error error{.kind = ErrorKind::start_failed,
                  .detail = target + " needs " + name +
                            ", which went down while this job ran, so it was not started. Start " +
                            name + " first, and look at why it does not stay up.",
                  .service = target};
      error.dependents = {name};
      end_step(run, StepEnd{StepResult::failed, std::move(error)}, now);
      return true;
    }
    starts.push_back(to_step({name, Operation::start}));
    starts.back().attempts = job.steps[run.at].attempts;  // as for a stop that comes in
  }
  put_before(run, starts, now);
  return true;
}

// These come first; the step in hand waits for its turn again.
void Executor::put_before(Run& run, const std::vector<Step>& steps, MonoTime now) {
  Job& job = run.job;
  job.steps[run.at].state = StepState::pending;
  job.steps[run.at].started_at.reset();
  job.steps[run.at].begun.reset();
  job.steps.insert(job.steps.begin() + static_cast<std::ptrdiff_t>(run.at), steps.begin(),
                   steps.end());
  active_changed_ = true;
  begin_step(run, now);
}

void Executor::begin_step(Run& run, MonoTime now) {
  Job& job = run.job;
  Step& in_hand = job.steps[run.at];
  const PicturePtr picture = parts_.scm.snapshot();
  const Service* service = picture->find(in_hand.service);
  in_hand.state = StepState::running;
  in_hand.started_at = parts_.clock.wall();
  if (service != nullptr && service->instance) in_hand.pid_before = service->instance->pid;
  in_hand.begun = now;
  run.drive = StepDrive{.begun = now};
  run.ask_again = false;
  if (in_hand.operation == Operation::stop) {
    const Found* found = find_in(job.found, in_hand.service);
    if (found != nullptr && !run.inserted.contains(in_hand.service)) {
      run.drive.target = found->instance;
    }
  }
  changed_.insert(job.id);
}

void Executor::note_progress(Run& run, const Service* service) {
  Step& in_hand = run.job.steps[run.at];
  if (service == nullptr) return;
  if (is_pending(service->state)) {
    run.drive.progress = std::max(run.drive.progress, service->last_progress);
  }
  Step seen = in_hand;
  if (is_pending(service->state) || !in_hand.last_progress) {
    seen.checkpoint = service->checkpoint;
    seen.wait_hint = service->wait_hint;
    if (is_pending(service->state)) seen.last_progress = service->last_progress;
    seen.status_text = service->status_text;
  } else if (!service->status_text.empty()) {
    seen.status_text = service->status_text;  // its last words; the rest is kept from the way there
  }
  if (seen == in_hand) return;
  in_hand = std::move(seen);
  moved_.insert(run.job.id);
}

void Executor::end_step(Run& run, StepEnd end, MonoTime now) {
  Step& in_hand = run.job.steps[run.at];
  const PicturePtr picture = parts_.scm.snapshot();
  const Service* service = picture->find(in_hand.service);
  in_hand.state = StepState::done;
  in_hand.result = end.result;
  in_hand.finished_at = parts_.clock.wall();
  in_hand.duration = since(in_hand.begun.value_or(now), now);
  if (in_hand.last_progress) in_hand.since_progress = since(*in_hand.last_progress, now);
  if (service != nullptr && service->instance) in_hand.pid_after = service->instance->pid;
  // A stop that was sent, maybe by an agent before this one, and is not answered may still come.
  const bool may_come = in_hand.operation == Operation::stop && in_hand.attempts > 0 &&
                        (run.ask_again || run.drive.outstanding);
  if (end.error && may_come) end.error->effect = Effect::unknown;
  in_hand.error = end.error;
  changed_.insert(run.job.id);
  advance(run, end, now);
}

void Executor::advance(Run& run, const StepEnd& end, MonoTime now) {
  Job& job = run.job;
  if (!run.restoring) {
    if (!is_good(end)) {
      fail(run, end.error, now);
      return;
    }
    const bool more = run.at + 1 < job.steps.size();
    if (job.state == JobState::cancelling && more) {
      fail(run, std::nullopt, now);
      return;
    }
  }
  while (++run.at < job.steps.size()) {
    Step& next = job.steps[run.at];
    if (next.state == StepState::done) continue;
    if (run.restoring) {
      // What it needs did not come up: this one cannot either; the others still can.
      const PicturePtr picture = parts_.scm.snapshot();
      const Service* self = picture->find(next.service);
      const bool without_start =
          next.operation != Operation::start && (self == nullptr || !counts_as_up(self->state));
      if (without_start || !lacking(next.service, *picture).empty()) {
        next.state = StepState::done;
        next.result = StepResult::skipped;
        continue;
      }
    }
    begin_step(run, now);
    return;
  }
  run.at = job.steps.size();
  if (stop_again(run, now)) return;
  if (job.parent) {
    const auto bad = std::find_if(job.steps.begin(), job.steps.end(),
                                  [](const Step& one) { return one.error.has_value(); });
    if (bad != job.steps.end()) {
      job.error = bad->error;
      finish(run, cause_of(job), now);
      return;
    }
  } else if (run.restoring) {
    finish(run, cause_of(job), now);
    return;
  }
  const bool did_something = std::any_of(job.steps.begin(), job.steps.end(), [](const Step& one) {
    return one.result == StepResult::succeeded;
  });
  finish(run, did_something ? JobResult::succeeded : JobResult::unchanged, now);
}

// A stop is over when all that it stopped is down: what came up again meanwhile is stopped again, a
// bounded number of times. True: there is more to do, or the job has failed.
bool Executor::stop_again(Run& run, MonoTime now) {
  Job& job = run.job;
  if (job.action != Action::stop || run.restoring) return false;
  const PicturePtr picture = parts_.scm.snapshot();
  std::vector<std::string> up;
  for (const auto& one : job.steps) {
    const Service* service = picture->find(one.service);
    const bool is_up_again = one.operation == Operation::stop && service != nullptr &&
                             counts_as_up(service->state) && !contains(up, one.service);
    if (is_up_again && may_take_down(job, one.service)) up.push_back(one.service);
  }
  if (up.empty()) return false;
  if (job.state == JobState::cancelling) {
    fail(run, std::nullopt, now);
    return true;
  }
  for (const auto& name : up) {
    if (++run.inserted[name] <= kMostInserted) continue;
    fail(run,
         Error{.kind = ErrorKind::started_again,
               .detail = name +
                         " is started again each time it is stopped (a trigger, a restart policy, "
                         "a person). Find that first.",
               .service = name},
         now);
    return true;
  }
  if (auto prepared = parts_.scm.prepare(job.id, up); !prepared) {
    fail(run, prepared.error(), now);
    return true;
  }
  for (const auto& name : up)
    job.steps.push_back(to_step({name, Operation::stop}));
  active_changed_ = true;
  begin_step(run, now);
  return true;
}

// Ending ------------------------------------------------------------------------------------------

// The job does not go on: by an error, or (without one) because it was cancelled. Brings back what
// it stopped, if that is wanted and as far as it is possible.
void Executor::fail(Run& run, std::optional<Error> error, MonoTime now) {
  Job& job = run.job;
  if (error && !job.error) job.error = std::move(error);
  for (std::size_t n = run.at + 1; n < job.steps.size(); ++n) {
    if (job.steps[n].state == StepState::done) continue;
    job.steps[n].state = StepState::done;
    job.steps[n].result = StepResult::skipped;
  }
  changed_.insert(job.id);
  if (restores(job)) {
    auto restoration = plan_restoration(job, *parts_.scm.snapshot(), *run.policies);
    if (!restoration.steps.empty()) {
      log_info("executor", "brings back what it stopped", job.id);
      run.restoring = true;
      job.deadline = now + job.options.deadline;
      run.at = job.steps.size();
      for (auto& one : restoration.steps)
        job.steps.push_back(std::move(one));
      active_changed_ = true;
      begin_step(run, now);
      return;
    }
  }
  finish(run, cause_of(job), now);
}

// What the services are wanted to be, durable: intended when the job begins, as it came at its end.
void Executor::note_wanted(const Run& run, bool at_end) {
  const Job& job = run.job;
  if (job.action != Action::stop && job.action != Action::start && job.action != Action::restart) {
    return;
  }
  const PicturePtr picture = parts_.scm.snapshot();
  const bool stops_all = job.action == Action::stop;
  std::set<std::string> concerned;
  // Named ones also where there is nothing to do: who stops what is stopped wants it to stay so.
  if (!job.group && job.action != Action::restart) {
    concerned.insert(job.services.begin(), job.services.end());
  }
  for (const auto& one : job.steps) {
    const bool moves = one.operation == Operation::stop || one.operation == Operation::start;
    if (moves) concerned.insert(one.service);
  }
  for (const auto& name : concerned) {
    bool up = !stops_all;
    if (at_end && stops_all) {
      const Service* service = picture->find(name);
      up = service != nullptr && counts_as_up(service->state);
    }
    wanted_.push_back({name, up, job.id, job.requested_by, parts_.clock.wall(), parts_.boot});
  }
}

void Executor::finish(Run& run, JobResult result, MonoTime now) {
  Job& job = run.job;
  const PicturePtr picture = parts_.scm.snapshot();
  const bool had_begun = job.started_at.has_value();
  job.state = JobState::done;
  job.result = result;
  job.finished_at = parts_.clock.wall();
  if (had_begun) {
    job.duration = job.boot == parts_.boot
                       ? since(job.begun.value_or(now), now)
                       : std::max(*job.finished_at - *job.started_at, Milliseconds{0});
    job.down = now_down(job, *picture);
    note_wanted(run, true);
  }
  if (!noforce::is_good(result) && had_begun) {
    job.restored = judge_restored(job, *picture);
    if (job.restored == Restored::pending && !restores(job)) job.restored = Restored::incomplete;
    job.deadline = now + kStopMayYetCome;
  }
  for (const auto& next : scheduler_.remove(job.id))
    ready_.push_back(next);
  active_.erase(job.id);
  active_changed_ = true;
  changed_.insert(job.id);
  needs_sync_ = true;
  audit_.push_back(AuditEntry{.principal = job.requested_by,
                              .address = "local",
                              .event = "job.done",
                              .outcome = std::string(to_string(result)),
                              .job = job.id,
                              .services = job.services,
                              .detail = job.error ? job.error->detail : std::string()});
  log_info("executor", "ends " + std::string(to_string(result)), job.id);
  // Another reboot: the parent is still to be completed, by the next follow-up.
  if (job.parent && result != JobResult::interrupted) {
    finish_parent(job, noforce::is_good(result));
  }
}

// `restored` of the job that this one completed: the only thing that changes in a done job.
void Executor::finish_parent(const Job& child, bool good) {
  JobPtr kept = parts_.board.find(*child.parent);
  if (!kept) {
    const auto read = parts_.journal.job(*child.parent);
    if (!read || !*read) return;
    kept = std::make_shared<const Job>(**read);
  }
  Job parent = *kept;
  const PicturePtr picture = parts_.scm.snapshot();
  parent.down = now_down(parent, *picture);
  // Pending again where the rest waits for others, where this one was a step towards it, or where
  // things were no longer so that it could try. What did not come up is not tried for ever.
  parent.restored = judge_restored(parent, *picture);
  const Restoration left = plan_restoration(parent, *picture, Policies{});
  const auto was_tried = [&child](const Step& start) {
    return std::any_of(child.steps.begin(), child.steps.end(), [&start](const Step& one) {
      return one.service == start.service && one.operation == Operation::start &&
             one.result != StepResult::skipped;
    });
  };
  const bool waits = !left.blocked.empty() || !left.stranded.empty() || left.steps.empty();
  const bool in_vain = std::all_of(left.steps.begin(), left.steps.end(), [&](const Step& one) {
    return one.operation != Operation::start || was_tried(one);
  });
  const bool called_off = !good && child.result == JobResult::cancelled;
  if (parent.restored == Restored::pending && (called_off || (!waits && in_vain))) {
    parent.restored = Restored::incomplete;
  }
  ++parent.revision;
  const std::string id = parent.id;
  parents_[id] = std::make_shared<const Job>(std::move(parent));
}

}  // namespace noforce
