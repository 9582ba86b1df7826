#include "core/jobs.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <set>
#include <utility>

#include "core/acceptance_order.hpp"
#include "core/board.hpp"
#include "core/executor.hpp"
#include "core/graph.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "core/thread_safety.hpp"
#include "core/ulid.hpp"

namespace noforce {

namespace {

constexpr Milliseconds kCancelShows{2'000};  // how long a cancel waits to see its effect
constexpr std::uint64_t kRevisionsOfOneAgent = 1U << 20U;
constexpr int kShutdownRetry = 5;  // seconds; what a client is told to wait

std::set<std::string> services_in(const Plan& plan) {
  std::set<std::string> all(plan.services.begin(), plan.services.end());
  for (const auto& step : plan.steps)
    all.insert(step.service);
  return all;
}

std::string in_words(Action action) {
  switch (action) {
    case Action::stop:
      return "Stopping ";
    case Action::start:
      return "Starting ";
    case Action::restart:
      return "Restarting ";
    case Action::reload:
      return "Reloading ";
    case Action::pause:
      return "Pausing ";
    case Action::resume:
      return "Continuing ";
  }
  return "Changing ";
}

Error dependents_error(const Plan& plan) {
  Error error{.kind = ErrorKind::dependents_running,
              .detail = in_words(plan.action) + list_names(plan.services) + " takes down " +
                        list_names(plan.dependents) + " as well, which " +
                        (plan.dependents.size() == 1 ? "depends" : "depend") +
                        " on it. If that is wanted, send it again with "
                        "dependents=include; dry_run=1 shows the whole plan.",
              .service = plan.services.empty() ? std::string() : plan.services.front()};
  error.dependents = plan.dependents;
  return error;
}

// As the caller spelled them, for the audit trail: harmless and bounded.
std::vector<std::string> cleaned_names(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const auto& name : names) {
    if (out.size() == 20) break;
    out.push_back(clean_text(name, 100));
  }
  return out;
}

// `service` as the caller spelled it: the answer is the same whether there is one or not.
Error forbidden_service(const Principal& principal, const std::string& service) {
  return Error{.kind = ErrorKind::forbidden,
               .detail = "The credential " + principal.name + " is not good for the service " +
                         service + ", which this job would touch. Ask an admin for one that is.",
               .service = service};
}

Error forbidden_beyond(const Principal& principal, const std::vector<std::string>& hidden) {
  return Error{.kind = ErrorKind::forbidden,
               .detail = "This job would touch services that the credential " + principal.name +
                         " is not good for (their names are in the audit trail). Ask an admin for "
                         "one that is, or to run the job.",
               .undisclosed = "it would touch " + list_names(hidden)};
}

// Of these, what the credential is not good for.
std::vector<std::string> hidden_of(const Principal& principal, const std::set<std::string>& names) {
  std::vector<std::string> hidden;
  std::copy_if(names.begin(), names.end(), std::back_inserter(hidden),
               [&principal](const std::string& name) { return !principal.may_see(name); });
  return hidden;
}

// Everything that a plan for these may speak of, existing or not.
std::set<std::string> surroundings(const Graph& graph, const std::vector<std::string>& names) {
  std::set<std::string> all(names.begin(), names.end());
  for (const auto& name : graph.all_dependents(names))
    all.insert(name);
  const std::vector<std::string> known(all.begin(), all.end());
  for (const auto& name : graph.all_dependencies(known))
    all.insert(name);
  for (const auto& name : std::set(all)) {
    for (const auto& dependency : graph.dependencies(name))
      all.insert(dependency);
  }
  return all;
}

// Why there is no plan, as this caller may be told: a cycle or a missing service may lie outside its
// globs, and so may what is disabled.
Error no_plan(const Principal& principal, const Graph& graph, const std::vector<std::string>& named,
              Error error) {
  if (principal.services.empty()) return error;
  const bool speaks_of_one = error.kind == ErrorKind::service_disabled ||
                             error.kind == ErrorKind::control_not_accepted ||
                             error.kind == ErrorKind::unknown_service;
  if (speaks_of_one && principal.may_see(error.service)) return error;
  const auto hidden = hidden_of(principal, surroundings(graph, named));
  return hidden.empty() ? error : forbidden_beyond(principal, hidden);
}

// As the audit trail has it.
std::string in_full(const Error& error) {
  return error.undisclosed.empty() ? error.detail : error.undisclosed + "; told: " + error.detail;
}

void hide_names(const Principal& principal, std::optional<Error>& error) {
  if (!error || principal.may_see_all(error->dependents)) return;
  error->detail =
      "A service that your credential is not good for stood in the way; an admin sees "
      "which one. Nothing was killed.";
  std::erase_if(error->dependents,
                [&principal](const std::string& name) { return !principal.may_see(name); });
}

}  // namespace

bool may_see_job(const Principal& principal, const Job& job) {
  if (principal.services.empty()) return true;
  const auto sees = [&principal](const std::string& service) { return principal.may_see(service); };
  return std::all_of(job.services.begin(), job.services.end(), sees) &&
         std::all_of(job.consented.begin(), job.consented.end(), sees) &&
         std::all_of(job.steps.begin(), job.steps.end(),
                     [&sees](const Step& step) { return sees(step.service); });
}

JobPtr told_to(const Principal& principal, JobPtr job) {
  const auto hides = [&principal](const std::optional<Error>& error) {
    return error && !principal.may_see_all(error->dependents);
  };
  if (principal.services.empty()) return job;
  const bool step_hides =
      std::ranges::any_of(job->steps, [&hides](const Step& step) { return hides(step.error); });
  if (!hides(job->error) && !step_hides) return job;
  Job told = *job;
  hide_names(principal, told.error);
  for (Step& step : told.steps)
    hide_names(principal, step.error);
  return std::make_shared<const Job>(std::move(told));
}

class Jobs::Impl {
 public:
  Impl(Parts parts, Policies policies)
      : parts_(std::move(parts)),
        policies_(std::make_shared<const Policies>(std::move(policies))),
        order_(parts_.clock),
        executor_({parts_.journal, parts_.scm, board_, parts_.events, parts_.clock, parts_.boot},
                  [this](const Job& parent, const std::vector<std::string>& services) {
                    return follow_up(parent, services);
                  }),
        attendant_(parts_.attendant(executor_)) {}

  Result<void> start(Milliseconds patience) {
    auto newest = parts_.journal.newest_job_id();
    if (!newest) return std::unexpected(newest.error());
    if (*newest) order_.start_after(**newest);
    auto unfinished = parts_.journal.unfinished();
    if (!unfinished) return std::unexpected(unfinished.error());
    auto hold = parts_.journal.hold();
    if (!hold) return std::unexpected(hold.error());
    {
      const MutexLock lock(mutex_);
      hold_ = {hold->on, hold->by, hold->reason, hold->since};
    }
    for (auto& job : *unfinished) {
      // Progress counts revisions up without a commit: the old agent may have shown higher ones.
      job.revision += kRevisionsOfOneAgent;
      board_.put(std::make_shared<const Job>(job));
    }
    executor_.set_hold(hold->on);
    executor_.start(*attendant_, parts_.turns);
    if (auto started = parts_.scm.start(executor_, patience); !started) {
      executor_.stop();
      return started;
    }
    take_up(*unfinished);
    return {};
  }

  // What had begun comes first, so that it is ahead of all that waits for the same services.
  void take_up(const std::vector<Job>& unfinished) {
    const auto policies = this->policies();
    // What ended with its restoring pending comes last: by then the jobs that may complete it are
    // known.
    const auto begun = [](const Job& job) {
      return job.state == JobState::running || job.state == JobState::cancelling;
    };
    const auto queued = [](const Job& job) { return job.state == JobState::queued; };
    const auto ended = [](const Job& job) { return job.state == JobState::done; };
    const std::array<bool (*)(const Job&), 3> passes{begun, queued, ended};
    std::vector<JobPtr> in_order;
    for (const auto belongs : passes) {
      for (const auto& job : unfinished) {
        if (belongs(job)) in_order.push_back(std::make_shared<const Job>(job));
      }
    }
    executor_.accept_all(in_order, policies);
    if (!unfinished.empty()) {
      log_info("jobs", "takes up " + std::to_string(unfinished.size()) + " unfinished jobs");
    }
  }

  void stop() {
    if (stopping_.exchange(true)) return;
    executor_.stop();
    parts_.scm.stop();
    attendant_->stop();
    board_.close();
  }

  void drain() {
    draining_ = true;
    executor_.drain();
  }

  bool responds() { return executor_.responds(); }
  void turn() { executor_.turn(); }
  MonoTime next_turn() const { return executor_.next_wake(); }

  // Requests --------------------------------------------------------------------------------------

  struct Evaluated {
    Plan plan;
    std::shared_ptr<const Policies> policies;
    std::optional<Error> refusal;
  };

  // The picture as it will be when the restarts that have begun are over: what they took down comes
  // back. A plan made in the middle of one would else miss what it will take down itself.
  [[nodiscard]] PicturePtr expected_picture() const {
    PicturePtr now = parts_.scm.snapshot();
    std::shared_ptr<Picture> expected;
    for (const JobPtr& job : board_.begun()) {
      if (job->action != Action::restart) continue;
      for (const Found& found : job->found) {
        const Service* service = now->find(found.service);
        if (service == nullptr || !counts_as_up(found.state) || counts_as_up(service->state)) {
          continue;
        }
        if (!expected) expected = std::make_shared<Picture>(*now);
        auto& all = expected->services;
        const auto at = std::find_if(all.begin(), all.end(), [&found](const auto& one) {
          return one->name == found.service;
        });
        Service back = **at;
        back.state = destination(found.state);
        *at = std::make_shared<const Service>(std::move(back));
      }
    }
    if (expected) return expected;
    return now;
  }

  // An error where there is no plan to show; a refusal where there is one that may not run now.
  Result<Evaluated> evaluate(const Caller& caller, const JobRequest& request) {
    Evaluated out;
    out.policies = policies();
    const PicturePtr picture = expected_picture();
    if (!picture->complete) {
      return fail(ErrorKind::scm_unavailable,
                  "The service manager cannot be reached at the moment. Try again shortly.");
    }
    PlanRequest wanted{request.action, {}, request.group};
    std::vector<std::string> warnings;
    auto named = named_services(caller.principal, request, *out.policies, warnings);
    if (!named) return std::unexpected(named.error());
    wanted.services = std::move(*named);
    auto plan = make_plan(wanted, *picture, *out.policies);
    if (!plan) {
      return std::unexpected(
          no_plan(caller.principal, *picture->graph, wanted.services, plan.error()));
    }
    out.plan = std::move(*plan);
    out.plan.warnings.insert(out.plan.warnings.begin(), warnings.begin(), warnings.end());
    const auto touched = services_in(out.plan);
    if (const auto hidden = hidden_of(caller.principal, touched); !hidden.empty()) {
      return std::unexpected(forbidden_beyond(caller.principal, hidden));
    }
    for (const auto& service : touched) {
      for (auto& warning : parts_.scm.plan_warnings(service)) {
        out.plan.warnings.push_back(std::move(warning));
      }
    }
    out.refusal = refusal(caller, request, out, touched);
    return out;
  }

  Result<std::vector<std::string>> named_services(const Principal& principal,
                                                  const JobRequest& request,
                                                  const Policies& policies,
                                                  std::vector<std::string>& warnings) const {
    std::vector<std::string> named;
    if (!request.group) {
      for (const auto& spelling : request.services) {
        auto name = resolve(principal, spelling, ErrorKind::forbidden);
        if (!name) return std::unexpected(name.error());
        if (std::find(named.begin(), named.end(), *name) == named.end()) {
          named.push_back(std::move(*name));
        }
      }
      if (named.empty()) {
        return fail(ErrorKind::malformed, "No service is named. Give `services` or a `group`.");
      }
      return named;
    }
    const Group* group = policies.group(*request.group);
    if (group == nullptr || !sees_member(principal, *group)) {
      return fail(ErrorKind::unknown_group, "There is no group named " +
                                                clean_text(*request.group, 100) +
                                                " in the settings. GET /v1/groups lists them.");
    }
    for (const auto& spelling : group->services) {
      if (auto name = parts_.scm.resolve(spelling)) {
        if (std::find(named.begin(), named.end(), *name) == named.end()) named.push_back(*name);
      } else if (principal.may_see(spelling)) {
        warnings.push_back(spelling + " belongs to the group and does not exist here.");
      }
    }
    if (named.empty()) {
      return fail(ErrorKind::unknown_service,
                  "No service of the group " + group->name + " exists here.");
    }
    return named;
  }

  // Whether the group is there for this caller.
  bool sees_member(const Principal& principal, const Group& group) const {
    if (principal.services.empty()) return true;
    return std::ranges::any_of(group.services, [&](const std::string& spelling) {
      return resolve(principal, spelling, ErrorKind::unknown_service).has_value();
    });
  }

  Result<std::string> resolve(const Principal& principal, std::string_view spelling,
                              ErrorKind when_hidden) const {
    const std::string shown = clean_text(spelling, 100);
    auto name = parts_.scm.resolve(spelling);
    const bool hidden = !principal.may_see(name ? *name : std::string(spelling));
    if (hidden && when_hidden == ErrorKind::forbidden) {
      return std::unexpected(forbidden_service(principal, shown));
    }
    if (hidden || !name) {
      return fail(ErrorKind::unknown_service,
                  "There is no service named " + shown + " here. GET /v1/services lists them.",
                  shown);
    }
    return *std::move(name);
  }

  std::optional<Error> refusal(const Caller& caller, const JobRequest& request, const Evaluated& it,
                               const std::set<std::string>& touched) {
    const Plan& plan = it.plan;
    for (const auto& service : touched) {
      if (std::string why = parts_.scm.off_limits(service); !why.empty()) {
        return Error{.kind = ErrorKind::agent_itself, .detail = std::move(why), .service = service};
      }
    }
    for (const auto& service : plan.goes_down) {
      if (auto error = parts_.scm.stop_refusal(service)) return error;
    }
    if (auto error = policy_refusal(caller, request, it, touched)) return error;
    if (request.options.plan_digest && *request.options.plan_digest != plan.digest) {
      return Error{.kind = ErrorKind::plan_mismatch,
                   .detail = "The plan is no longer the one of this plan_digest; it is " +
                             plan.digest + " now. Look at a new dry run."};
    }
    if (plan.needs_consent() && request.options.dependents == Dependents::refuse) {
      return dependents_error(plan);
    }
    return capacity_refusal(caller, it);
  }

  std::optional<Error> policy_refusal(const Caller& caller, const JobRequest& request,
                                      const Evaluated& it, const std::set<std::string>& touched) {
    const Plan& plan = it.plan;
    for (const auto& service : plan.goes_down) {
      if (!it.policies->of(service).is_protected || !request.options.reason.empty()) continue;
      return Error{.kind = ErrorKind::reason_required,
                   .detail = service +
                             " is protected: a job that takes it down needs a reason. "
                             "Send it again with reason=\"...\".",
                   .service = service};
    }
    if (caller.principal.name == kAgentPrincipal) return std::nullopt;
    for (const auto& service : touched) {
      const Seconds cooldown = it.policies->of(service).cooldown;
      if (cooldown == Seconds{0}) continue;
      const auto last = parts_.journal.last_end(service);
      if (!last) return last.error();
      // An end that lies in the future: the clock was set back, and nothing can be concluded.
      if (!*last || parts_.clock.wall() < **last) continue;
      const auto left = **last + cooldown - parts_.clock.wall();
      if (left <= Milliseconds{0}) continue;
      Error error{.kind = ErrorKind::cooldown,
                  .detail = service + " was worked on a moment ago and has a cooldown of " +
                            std::to_string(cooldown.count()) + " s. Try again when it is over.",
                  .service = service};
      error.retry_after_s = static_cast<int>(std::chrono::ceil<Seconds>(left).count());
      return error;
    }
    return std::nullopt;
  }

  std::optional<Error> capacity_refusal(const Caller& caller, const Evaluated& it) {
    {
      const MutexLock lock(mutex_);
      if (hold_.on && !draining_) {
        return Error{.kind = ErrorKind::held,
                     .detail = "A hold is on, set by " + hold_.by +
                               (hold_.reason.empty() ? "" : " (" + hold_.reason + ")") +
                               ". No job begins until it is released on the machine itself with "
                               "`noforce hold off`."};
      }
    }
    const std::size_t queued = board_.count(JobState::queued);
    if (queued >= it.policies->jobs.max_queued) {
      Error error{.kind = ErrorKind::queue_full,
                  .detail = std::to_string(queued) +
                            " jobs wait already; the queue is full. "
                            "This one was not accepted; try again later."};
      error.retry_after_s = kShutdownRetry;
      return error;
    }
    std::string why;
    // The agent's own (start = "auto", stops at its end) have space in reserve.
    if (caller.principal.name != kAgentPrincipal && !parts_.journal.healthy(&why)) {
      Error error{
          .kind = ErrorKind::journal_unavailable,
          .detail = "Jobs cannot be made durable at the moment, so none is accepted: " + why};
      error.retry_after_s = kShutdownRetry;
      return error;
    }
    return std::nullopt;
  }

  Result<void> check_caller(const Caller& caller, Action action) const {
    if (!caller.principal.has(Role::operator_)) {
      return fail(ErrorKind::forbidden,
                  "The credential " + caller.principal.name +
                      " may look but "
                      "not change anything (role viewer). Ask an admin for one "
                      "with the role operator.");
    }
    if (!caller.principal.may_do(to_string(action))) {
      return fail(ErrorKind::forbidden, "The credential " + caller.principal.name +
                                            " is not good for the action " +
                                            std::string(to_string(action)) + ".");
    }
    return {};
  }

  Result<Submission> submit(const Caller& caller, const JobRequest& request,
                            const std::optional<IdempotencyKey>& key) {
    auto submitted = try_submit(caller, request, key);
    if (!submitted) {
      Error& error = submitted.error();
      const auto noted = parts_.journal.audit(
          {.principal = caller.principal.name,
           .address = caller.address,
           .event = "job.refused",
           .outcome = std::string(to_string(error.kind)),
           .job = {},
           .services = cleaned_names(request.services),
           .detail =
               clean_text(std::string(to_string(request.action)) + ": " + in_full(error), 500)});
      error.audited = true;
      if (!noted) log_warning("audit", "A refusal could not be recorded: " + noted.error().detail);
    }
    return submitted;
  }

  Result<Submission> try_submit(const Caller& caller, const JobRequest& request,
                                const std::optional<IdempotencyKey>& key) {
    if (stopping_ || (draining_ && caller.principal.name != kAgentPrincipal)) {
      Error error{.kind = ErrorKind::shutting_down,
                  .detail = "The agent is ending and accepts no jobs. Try again shortly."};
      error.retry_after_s = kShutdownRetry;
      return std::unexpected(std::move(error));
    }
    if (auto allowed = check_caller(caller, request.action); !allowed) {
      return std::unexpected(allowed.error());
    }
    if (key) {
      auto known = parts_.journal.find_key(*key);
      if (!known) return std::unexpected(known.error());
      if (*known) return replay(caller, **known);
    }
    auto it = evaluate(caller, request);
    if (!it) return std::unexpected(it.error());
    if (it->refusal) return std::unexpected(*it->refusal);
    Job job = make_job(caller.principal.name, it->plan, request.options);
    job.scope = caller.principal.services;
    return record(caller, std::move(job), key, it->policies);
  }

  Result<Submission> replay(const Caller& caller, const std::string& id) {
    auto job = find(caller, id);
    if (!job) return std::unexpected(job.error());
    return Submission{std::move(*job), true};
  }

  Job make_job(const std::string& by, const Plan& plan, const JobOptions& options) {
    Job job;
    job.action = plan.action;
    job.services = plan.services;
    job.group = plan.group;
    job.options = options;
    job.requested_by = by;
    job.plan_digest = plan.digest;
    job.consented = plan.goes_down;
    job.touches = plan.touches;
    job.warnings = plan.warnings;
    job.revision = 1;
    return job;
  }

  Result<Submission> record(const Caller& caller, Job job, const std::optional<IdempotencyKey>& key,
                            std::shared_ptr<const Policies> policies) {
    AcceptanceOrder::Place place = order_.enter();
    job.id = place.id();
    job.created_at = parts_.clock.wall();
    job.accepted = parts_.clock.mono();
    job.accepted_boot = parts_.boot;
    const AuditEntry audit{.principal = caller.principal.name,
                           .address = caller.address,
                           .event = "job.accepted",
                           .outcome = "ok",
                           .job = job.id,
                           .services = job.services,
                           .detail = std::string(to_string(job.action)) +
                                     (job.options.reason.empty() ? "" : ": " + job.options.reason)};
    auto accepted = parts_.journal.accept(job, audit, key);
    if (!accepted) return std::unexpected(accepted.error());
    if (accepted->replayed) return replay(caller, accepted->job);
    auto kept = std::make_shared<const Job>(std::move(job));
    place.wait_for_those_before();
    board_.put(kept);
    parts_.events.append(kept);
    log_info("jobs", "accepted from " + caller.principal.name, kept->id);
    executor_.accept(kept, std::move(policies));
    return Submission{std::move(kept), false};
  }

  // On the executor's thread: the job that completes another one's restoring. No hold and no queue
  // limit stands in its way: it brings back what a job took down.
  Result<JobPtr> follow_up(const Job& parent, const std::vector<std::string>& services) {
    Plan plan;
    plan.action = Action::start;
    plan.services = services;
    plan.touches = services;
    std::sort(plan.touches.begin(), plan.touches.end());
    JobOptions options = parent.options;
    options.plan_digest.reset();
    options.queue = std::chrono::years(1);  // it is not given up because the agent was away
    options.reason = "completes the restoring of " + parent.id;
    Job job = make_job(std::string(kAgentPrincipal), plan, options);
    job.parent = parent.id;
    auto made = record(agent_itself(), std::move(job), std::nullopt, policies());
    if (!made) return std::unexpected(made.error());
    return made->job;
  }

  static Caller agent_itself() {
    return {Principal{.name = "agent", .role = Role::admin, .services = {}, .actions = {}},
            "local"};
  }

  Result<DryRun> dry_run(const Caller& caller, const JobRequest& request) {
    auto it = evaluate(caller, request);
    if (!it) return std::unexpected(it.error());
    DryRun out{std::move(it->plan), std::move(it->refusal), std::nullopt};
    if (auto allowed = check_caller(caller, request.action); !allowed) {
      out.refusal = allowed.error();
    }
    const auto typical = parts_.journal.typical_duration(out.plan.action, out.plan.services);
    if (typical) out.estimate = *typical;
    return out;
  }

  Result<JobPtr> find(const Caller& caller, std::string_view id) {
    JobPtr job = board_.find(id);
    if (!job && is_ulid(id)) {
      auto kept = parts_.journal.job(id);
      if (!kept) return std::unexpected(kept.error());
      if (*kept) job = std::make_shared<const Job>(std::move(**kept));
    }
    if (!job || !may_see_job(caller.principal, *job)) {
      return fail(ErrorKind::unknown_job, "There is no job " + clean_text(id, 40) +
                                              " (or it is older than the history that is kept). "
                                              "GET /v1/jobs lists them.");
    }
    return told_to(caller.principal, std::move(job));
  }

  Result<JobPtr> wait(const Caller& caller, std::string_view id, MonoTime until) {
    auto job = find(caller, id);
    if (!job || (*job)->state == JobState::done) return job;
    JobPtr later = board_.wait_done(id, until);
    if (later && later->state == JobState::done) {
      return told_to(caller.principal, std::move(later));
    }
    return find(caller, id);
  }

  Result<JobPage> list(const Caller& caller, JobFilter filter) {
    if (!caller.principal.services.empty()) {
      filter.visible = [&caller](const Job& job) { return may_see_job(caller.principal, job); };
    }
    auto page = parts_.journal.jobs(filter);
    if (!page) return page;
    // The board is ahead of the journal by what is not worth a commit (progress).
    for (auto& job : page->jobs) {
      JobPtr now = job->state == JobState::done ? nullptr : board_.find(job->id);
      job = told_to(caller.principal, now ? std::move(now) : std::move(job));
    }
    return page;
  }

  Result<JobPtr> cancel(const Caller& caller, std::string_view id) {
    auto job = find(caller, id);
    if (!job) return job;
    if (auto allowed = check_caller(caller, (*job)->action); !allowed) {
      return std::unexpected(allowed.error());
    }
    if ((*job)->state == JobState::done) {
      return fail(ErrorKind::already_done, "The job has ended (" +
                                               std::string(to_string(*(*job)->result)) +
                                               "); there is nothing to cancel.");
    }
    const auto noted = parts_.journal.audit({.principal = caller.principal.name,
                                             .address = caller.address,
                                             .event = "job.cancelled",
                                             .outcome = "ok",
                                             .job = (*job)->id,
                                             .services = (*job)->services,
                                             .detail = {}});
    // On a full disk as well: the job's own record says who cancelled it.
    if (!noted) log_warning("audit", "A cancel could not be recorded: " + noted.error().detail);
    if ((*job)->state == JobState::cancelling) return job;
    executor_.cancel((*job)->id, caller.principal.name);
    if (parts_.turns == Turns::by_hand) return job;
    JobPtr now = *job;
    const MonoTime until = parts_.clock.mono() + kCancelShows;
    while (now->state == JobState::queued || now->state == JobState::running) {
      JobPtr later = board_.wait_beyond(id, now->revision, until);
      if (!later || later->revision == now->revision) break;
      now = std::move(later);
    }
    return find(caller, id);
  }

  JobCounts counts(const Principal& principal) const {
    JobCounts counts;
    for (const JobPtr& job : board_.unfinished()) {
      if (!may_see_job(principal, *job)) continue;
      ++(job->state == JobState::queued ? counts.queued : counts.running);
    }
    return counts;
  }

  std::shared_ptr<const Policies> policies() const {
    const MutexLock lock(mutex_);
    return policies_;
  }

  void replace_policies(Policies policies) {
    auto next = std::make_shared<const Policies>(std::move(policies));
    const MutexLock lock(mutex_);
    policies_ = std::move(next);
  }

  HoldState hold() const {
    const MutexLock lock(mutex_);
    return hold_;
  }

  Result<void> set_hold(const Caller& caller, bool on, const std::string& reason) {
    HoldState next{on, caller.principal.name, clean_text(reason, 500), parts_.clock.wall()};
    if (!on) next.since.reset();
    const MutexLock one_at_a_time(hold_change_);
    auto written = parts_.journal.set_hold({next.on, next.by, next.reason, next.since},
                                           {.principal = caller.principal.name,
                                            .address = caller.address,
                                            .event = on ? "hold.on" : "hold.off",
                                            .outcome = "ok",
                                            .job = {},
                                            .services = {},
                                            .detail = next.reason});
    if (!written) return written;
    {
      const MutexLock lock(mutex_);
      hold_ = next;
    }
    executor_.set_hold(on);
    return {};
  }

  Result<void> ready() const {
    if (stopping_ || draining_) return fail(ErrorKind::shutting_down, "The agent is ending.");
    if (!parts_.scm.snapshot()->complete) {
      return fail(ErrorKind::scm_unavailable, "The service manager cannot be reached.");
    }
    std::string why;
    if (!parts_.journal.healthy(&why)) {
      return fail(ErrorKind::journal_unavailable, "The journal cannot be written: " + why);
    }
    return {};
  }

  Parts parts_;
  Board board_;

 private:
  Mutex hold_change_;  // held from the journal to the executor, before mutex_
  mutable Mutex mutex_;
  std::shared_ptr<const Policies> policies_ NOFORCE_GUARDED_BY(mutex_);
  HoldState hold_ NOFORCE_GUARDED_BY(mutex_);
  std::atomic<bool> stopping_{false};
  std::atomic<bool> draining_{false};
  AcceptanceOrder order_;
  Executor executor_;
  std::unique_ptr<Attendant> attendant_;
};

Result<std::unique_ptr<Jobs>> Jobs::start(Parts parts, Policies policies, Milliseconds patience) {
  auto impl = std::make_unique<Impl>(std::move(parts), std::move(policies));
  if (auto started = impl->start(patience); !started) return std::unexpected(started.error());
  return std::unique_ptr<Jobs>(new Jobs(std::move(impl)));
}

Jobs::Jobs(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Jobs::~Jobs() {
  stop();
}
void Jobs::stop() {
  impl_->stop();
}
void Jobs::drain() {
  impl_->drain();
}
bool Jobs::responds() {
  return impl_->responds();
}
void Jobs::turn() {
  impl_->turn();
}
MonoTime Jobs::next_turn() const {
  return impl_->next_turn();
}

Result<Submission> Jobs::submit(const Caller& caller, const JobRequest& request,
                                const std::optional<IdempotencyKey>& key) {
  return impl_->submit(caller, request, key);
}
Result<DryRun> Jobs::dry_run(const Caller& caller, const JobRequest& request) {
  return impl_->dry_run(caller, request);
}
Result<JobPtr> Jobs::find(const Caller& caller, std::string_view id) const {
  return impl_->find(caller, id);
}
Result<JobPtr> Jobs::wait(const Caller& caller, std::string_view id, MonoTime until) {
  return impl_->wait(caller, id, until);
}
Result<JobPage> Jobs::list(const Caller& caller, JobFilter filter) {
  return impl_->list(caller, std::move(filter));
}
Result<JobPtr> Jobs::cancel(const Caller& caller, std::string_view id) {
  return impl_->cancel(caller, id);
}
PicturePtr Jobs::picture() const {
  return impl_->parts_.scm.snapshot();
}
Result<std::string> Jobs::resolve(const Caller& caller, std::string_view spelling) const {
  return impl_->resolve(caller.principal, spelling, ErrorKind::unknown_service);
}
std::optional<std::string> Jobs::job_of(std::string_view service) const {
  std::string job = impl_->board_.job_on(service);
  return job.empty() ? std::nullopt : std::optional<std::string>(std::move(job));
}
std::shared_ptr<const Policies> Jobs::policies() const {
  return impl_->policies();
}
JobOptions Jobs::defaults() const {
  const auto policies = impl_->policies();
  JobOptions options;
  options.deadline = policies->jobs.deadline;
  options.no_progress = policies->jobs.no_progress;
  options.queue = policies->jobs.queue;
  return options;
}
HoldState Jobs::hold() const {
  return impl_->hold();
}
Result<void> Jobs::set_hold(const Caller& caller, bool on, const std::string& reason) {
  return impl_->set_hold(caller, on, reason);
}
JobCounts Jobs::counts() const {
  return {impl_->board_.count(JobState::queued),
          impl_->board_.count(JobState::running) + impl_->board_.count(JobState::cancelling)};
}
JobCounts Jobs::counts(const Caller& caller) const {
  if (caller.principal.services.empty()) return counts();
  return impl_->counts(caller.principal);
}
void Jobs::replace_policies(Policies policies) {
  impl_->replace_policies(std::move(policies));
}
Result<void> Jobs::ready() const {
  return impl_->ready();
}

}  // namespace noforce
