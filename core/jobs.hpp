// Jobs: the domain as its callers see it. api/ and the local socket ask here; behind it are the
// plan, the journal, the scheduler and the executor's thread.
//
// Every method may be called from any thread; none waits for a service unless it says so.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/attendant.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/events.hpp"
#include "core/job.hpp"
#include "core/job_request.hpp"
#include "core/journal.hpp"
#include "core/plan.hpp"
#include "core/policy.hpp"
#include "core/principal.hpp"
#include "core/scm/port.hpp"
#include "core/turns.hpp"

namespace noforce {

struct Submission {
  JobPtr job;
  bool replayed = false;  // the Idempotency-Key named a job that was already there
};

struct DryRun {
  Plan plan;
  std::optional<Error> refusal;          // what the real call would be refused with
  std::optional<Milliseconds> estimate;  // from the history; nullopt: never done before
};

struct HoldState {
  bool on = false;
  std::string by;
  std::string reason;
  std::optional<WallTime> since;
};

struct JobCounts {
  std::size_t queued = 0;
  std::size_t running = 0;
};

class Jobs {
 public:
  struct Parts {
    Journal& journal;
    Scm& scm;
    EventFeed& events;
    AttendantMaker attendant;
    const Clock& clock = system_clock();
    std::string boot = boot_id();
    Turns turns = Turns::own_thread;
  };
  // Takes up what the journal holds, then starts the executor's thread and the SCM backend.
  // `patience`: how long to wait for the SCM's first picture.
  [[nodiscard]] static Result<std::unique_ptr<Jobs>> start(Parts parts, Policies policies,
                                                           Milliseconds patience);
  ~Jobs();
  Jobs(const Jobs&) = delete;
  Jobs& operator=(const Jobs&) = delete;

  // Turns::by_hand only: as Executor::turn() and next_wake().
  void turn();
  [[nodiscard]] MonoTime next_turn() const;

  // From now on submit() is refused with shutting_down and no job begins; running jobs are parked
  // where they are (the next agent goes on with them). Joins the executor. Idempotent.
  void stop();

  // The agent is going to end and stops its services first: submit() is refused with shutting_down
  // for everybody but the agent itself, what is queued stays so for the next agent, and nothing is
  // brought back any more. Running jobs end. Idempotent.
  void drain();

  // Requests -----------------------------------------------------------------------------------
  // Checks scope and policy, plans, makes durable, queues. The job is on disk when it returns. A
  // narrowed caller learns no name outside its globs: a service that it names and may not see is
  // forbidden whether it exists or not, a group of which it sees no member is unknown_group, and
  // what a plan touches beyond the globs is forbidden without being named (the trail names it).
  [[nodiscard]] Result<Submission> submit(const Caller& caller, const JobRequest& request,
                                          const std::optional<IdempotencyKey>& key);
  // The same without effect; only what the caller may see. An error only where there is no plan
  // to show (unknown service, scope, cycle).
  [[nodiscard]] Result<DryRun> dry_run(const Caller& caller, const JobRequest& request);
  // unknown_job also where the caller may not see it.
  [[nodiscard]] Result<JobPtr> find(const Caller& caller, std::string_view id) const;
  // Waits until the job is done or `until` (or the agent ends); the job as it is then.
  [[nodiscard]] Result<JobPtr> wait(const Caller& caller, std::string_view id, MonoTime until);
  [[nodiscard]] Result<JobPage> list(const Caller& caller, JobFilter filter);
  // already_done when it has ended; a second cancel of a running job changes nothing.
  [[nodiscard]] Result<JobPtr> cancel(const Caller& caller, std::string_view id);

  // The picture --------------------------------------------------------------------------------
  [[nodiscard]] PicturePtr picture() const;
  // Canonical name; unknown_service where there is none or the caller may not see it.
  [[nodiscard]] Result<std::string> resolve(const Caller& caller, std::string_view spelling) const;
  // The job that has begun, or else is next, on this service; empty: none.
  [[nodiscard]] std::optional<std::string> job_of(std::string_view service) const;
  [[nodiscard]] std::shared_ptr<const Policies> policies() const;
  [[nodiscard]] JobOptions defaults() const;

  // Hold, counts, reload -----------------------------------------------------------------------
  [[nodiscard]] HoldState hold() const;
  [[nodiscard]] Result<void> set_hold(const Caller& caller, bool on, const std::string& reason);
  [[nodiscard]] JobCounts counts() const;
  // Of the jobs that the caller may see.
  [[nodiscard]] JobCounts counts(const Caller& caller) const;
  // Jobs that are queued or running keep what they were accepted with; all later ones use these.
  void replace_policies(Policies policies);
  // As Executor::responds().
  [[nodiscard]] bool responds();
  // Ready to accept: the SCM's picture is complete, the journal writes, not stopping. Else a
  // sentence.
  [[nodiscard]] Result<void> ready() const;

 private:
  class Impl;
  explicit Jobs(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace noforce
