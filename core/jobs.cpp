#include "core/jobs.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <utility>

#include "core/acceptance_order.hpp"
#include "core/appraisal.hpp"
#include "core/board.hpp"
#include "core/executor.hpp"
#include "core/job_view.hpp"
#include "core/log.hpp"
#include "core/text.hpp"
#include "core/thread_safety.hpp"
#include "core/ulid.hpp"

namespace noforce {

namespace {

constexpr Milliseconds kCancelShows{2'000};  // how long a cancel waits to see its effect
constexpr std::uint64_t kRevisionsOfOneAgent = 1U << 20U;
constexpr int kShutdownRetry = 5;  // seconds; what a client is told to wait

// As the caller spelled them, for the audit trail: harmless and bounded.
std::vector<std::string> cleaned_names(const std::vector<std::string>& names) {
  std::vector<std::string> out;
  for (const auto& name : names) {
    if (out.size() == 20) break;
    out.push_back(clean_text(name, 100));
  }
  return out;
}

// As the audit trail has it.
std::string in_full(const Error& error) {
  return error.undisclosed.empty() ? error.detail : error.undisclosed + "; told: " + error.detail;
}

}  // namespace

class Jobs::Impl {
 public:
  Impl(Parts parts, Policies policies)
      : parts_(std::move(parts)),
        policies_(std::make_shared<const Policies>(std::move(policies))),
        appraiser_(parts_.scm, parts_.journal, board_, parts_.clock),
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

  // With what stands in the way now, whatever is asked for.
  Result<Appraisal> appraise(const Caller& caller, const JobRequest& request) const {
    auto it = appraiser_.appraise(caller, request, policies());
    if (it && !it->refusal) it->refusal = capacity_refusal(caller, *it->policies);
    return it;
  }

  Result<std::string> resolve(const Principal& principal, std::string_view spelling) const {
    return appraiser_.resolve(principal, spelling, ErrorKind::unknown_service);
  }

  std::optional<Error> capacity_refusal(const Caller& caller, const Policies& policies) const {
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
    // The agent's own (start = "auto", stops at its end) are few, and have space in reserve.
    if (caller.principal.name == kAgentPrincipal) return std::nullopt;
    const std::size_t queued = board_.count(JobState::queued);
    if (queued >= policies.jobs.max_queued) {
      Error error{.kind = ErrorKind::queue_full,
                  .detail = std::to_string(queued) +
                            " jobs wait already; the queue is full. "
                            "This one was not accepted; try again later."};
      error.retry_after_s = kShutdownRetry;
      return error;
    }
    std::string why;
    if (!parts_.journal.healthy(&why)) {
      Error error{
          .kind = ErrorKind::journal_unavailable,
          .detail = "Jobs cannot be made durable at the moment, so none is accepted: " + why};
      error.retry_after_s = kShutdownRetry;
      return error;
    }
    return std::nullopt;
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
    auto it = appraise(caller, request);
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
    auto it = appraise(caller, request);
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
  Appraiser appraiser_;
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
  return impl_->resolve(caller.principal, spelling);
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
