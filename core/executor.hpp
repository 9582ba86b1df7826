// The executor: one thread that steps all running jobs. Each turn it takes what came in (an SCM's
// wake-up, an answer, a cancel), asks the pure decisions (core/decide.hpp) for the next move of
// every job concerned, commits all changes of the turn to the journal at once (outcome of step n
// and intention of step n+1 in one transaction), and only then performs the effects and shows the
// jobs to the others. A waiting job holds nothing but its record.
//
// "Killed with -9 here", turn by turn: before the commit nothing was done; after it and before the
// effects the next agent finds a running step with its control's token and asks the SCM again,
// which answers a token that it knows with its first result; after the effects it finds the same
// record and looks at what is.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <variant>
#include <vector>

#include "core/attendant.hpp"
#include "core/board.hpp"
#include "core/clock.hpp"
#include "core/decide.hpp"
#include "core/events.hpp"
#include "core/job.hpp"
#include "core/journal.hpp"
#include "core/scheduler.hpp"
#include "core/scm/port.hpp"
#include "core/thread_safety.hpp"
#include "core/turns.hpp"

namespace noforce {

class Executor final : public ScmSink, public AttendantSink {
 public:
  struct Parts {
    Journal& journal;
    Scm& scm;
    Board& board;
    EventFeed& events;
    const Clock& clock;
    std::string boot;  // boot_id()
  };
  // Makes and accepts the job that completes `parent`'s restoring; called on the executor's
  // thread. What is accepted comes back through accept().
  using FollowUp =
      std::function<Result<JobPtr>(const Job& parent, const std::vector<std::string>& services)>;

  Executor(Parts parts, FollowUp follow_up);
  ~Executor() override;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  // `attendant` outlives stop().
  void start(Attendant& attendant, Turns turns = Turns::own_thread);
  // Parks all jobs where they are and joins. Nothing is lost: the journal has them.
  void stop();
  // Turns::by_hand only, on one thread: works off all that has come in and all that is due.
  void turn();
  // When the next turn is due at the latest; MonoTime::max(): when something comes in.
  [[nodiscard]] MonoTime next_wake() const;

  // From any thread -----------------------------------------------------------------------------
  // A job that is durable: new, or taken up from the journal by a starting agent (in order of id).
  void accept(JobPtr job, std::shared_ptr<const Policies> policies);
  // What the journal held when the agent began; all at once, so that none is decided on alone.
  void accept_all(const std::vector<JobPtr>& jobs, const std::shared_ptr<const Policies>& policies);
  void cancel(const std::string& job, const std::string& by);
  void set_hold(bool on);
  // The agent ends and stops its services first: of what is queued only the agent's own stops begin
  // from now on, and nothing is brought back. The rest stays queued, for the next agent.
  void drain();
  // Whether it has taken a turn since this was asked last; asks it for the next one. For one caller,
  // which wants to know that the thread is not stuck.
  [[nodiscard]] bool responds();

  void observed(std::string_view service) override;
  void completed(Completion completion) override;
  void inventory_changed() override;
  void connection_changed(bool lost) override;
  void attended(ControlToken token, Result<void> result) override;

 private:
  struct Accepted {
    JobPtr job;
    std::shared_ptr<const Policies> policies;
  };
  struct Cancelled {
    std::string job;
    std::string by;
  };
  struct Answered {
    ControlToken token;
    Result<void> result;
  };
  struct Held {
    bool on = false;
  };
  struct Connection {
    bool lost = false;
  };
  struct Draining {};
  using Message = std::variant<Accepted, Cancelled, Answered, Held, Connection, Draining>;

  // A job that has not ended, with what drives it.
  struct Run {
    Job job;  // the executor's own copy; the others see what show() made of it
    std::shared_ptr<const Policies> policies;
    std::size_t at = 0;  // the step in hand
    StepDrive drive;
    MonoTime queue_until{};  // queued: when it expires
    MonoTime wake{};         // look again then
    bool restoring = false;
    bool to_take_up = false;  // begun by an agent before this one
    bool begun_on_disk = false;
    bool ask_again = false;  // its control may have been sent: the same token once more
    std::map<std::string, int> inserted;  // stops put in because a dependent came up, by service
    std::map<std::string, int> started_first;  // the same for starts of what went down
  };
  enum class EffectKind : std::uint8_t { control, hook, probe };
  struct PendingEffect {
    EffectKind kind = EffectKind::control;
    Control control;  // token and service also for hook and probe
    std::uint32_t hook = 0;
    bool before = false;
    bool is_new = false;  // its token was not used before
  };

  // executor.cpp: the thread, the turn, the commit.
  void loop();
  [[nodiscard]] bool wait_for_work();
  void post(Message message);
  void take(Accepted accepted, MonoTime now);
  void take(const Cancelled& cancelled, MonoTime now);
  void take(Answered answered, MonoTime now);
  void take(Held held, MonoTime now);
  void take(Connection connection, MonoTime now);
  void take(Draining, MonoTime now);
  [[nodiscard]] bool may_begin(const Job& job) const;
  void see(const std::string& service, MonoTime now);
  void wake_due(MonoTime now);
  void flush(MonoTime now);
  void perform(const PendingEffect& effect);
  [[nodiscard]] bool still_wanted(const PendingEffect& effect) const;
  [[nodiscard]] JobPtr snapshot_of(Run& run);
  void show(const JobPtr& job);
  void watch_active();
  void follow_up_late();
  [[nodiscard]] bool has_work_in_hand(const Job& late) const;
  [[nodiscard]] bool comes_with_another(const Job& late, const Restoration& restoration,
                                        const std::vector<Wanted>& wanted,
                                        const Picture& picture) const;
  [[nodiscard]] bool goes_on_without_disk(const PendingEffect& effect) const;
  void take_back(const PendingEffect& effect, MonoTime again);
  void set_wake(Run& run, MonoTime at);
  [[nodiscard]] Milliseconds waited(const Job& job, MonoTime now) const;

  // executor_steps.cpp: beginning, stepping and ending one job.
  void try_begin(Run& run, MonoTime now);
  [[nodiscard]] Result<Plan> plan_again(const Run& run, const Picture& picture) const;
  void begin(Run& run, const Plan& plan, const Picture& picture, MonoTime now);
  void take_up(Run& run, MonoTime now);
  void step(Run& run, MonoTime now);
  [[nodiscard]] bool apply(Run& run, Move move, const Picture& picture, MonoTime now);
  [[nodiscard]] bool look_again_before_start(Run& run, const Picture& picture, MonoTime now);
  void put_before(Run& run, const std::vector<Step>& steps, MonoTime now);
  [[nodiscard]] bool look_again_before_stop(Run& run, const Picture& picture, MonoTime now);
  void begin_step(Run& run, MonoTime now);
  void end_step(Run& run, StepEnd end, MonoTime now);
  void advance(Run& run, const StepEnd& end, MonoTime now);
  [[nodiscard]] bool stop_again(Run& run, MonoTime now);
  void fail(Run& run, std::optional<Error> error, MonoTime now);
  void note_progress(Run& run, const Service* service);
  void note_wanted(const Run& run, bool at_end);
  void finish(Run& run, JobResult result, MonoTime now);
  void finish_parent(const Job& child, bool good);
  void interrupt(Run& run, MonoTime now);
  [[nodiscard]] StepRules rules_of(const Run& run) const;

  Parts parts_;
  FollowUp follow_up_;
  Attendant* attendant_ = nullptr;

  Mutex mutex_;
  Condition woken_;
  std::vector<Message> inbox_ NOFORCE_GUARDED_BY(mutex_);
  std::set<std::string, std::less<>> observed_ NOFORCE_GUARDED_BY(mutex_);
  bool stopping_ NOFORCE_GUARDED_BY(mutex_) = false;
  bool asked_ NOFORCE_GUARDED_BY(mutex_) = false;  // responds() waits for a turn
  std::thread thread_;

  // The executor's thread only.
  std::map<std::string, Run, std::less<>> runs_;
  Scheduler scheduler_;
  bool hold_ = false;
  bool lost_ = false;
  bool draining_ = false;
  std::map<std::string, JobPtr> late_;                // done, restoring pending
  std::set<std::pair<MonoTime, std::string>> wakes_;  // Run::wake of each run that has one
  std::set<std::string> active_;                      // runs that have begun
  std::vector<std::string> ready_;                    // runs to try to begin in this turn
  std::set<std::string> changed_;                     // runs to be committed and shown
  std::set<std::string> moved_;            // runs to be shown only: progress is not journalled
  std::map<std::string, JobPtr> parents_;  // done jobs whose `restored` changed
  std::vector<Wanted> wanted_;
  std::vector<AuditEntry> audit_;
  std::vector<PendingEffect> effects_;
  bool needs_sync_ = false;  // this turn began or ended a job
  MonoTime retry_commit_{};  // after a failed one
  bool active_changed_ = false;
  bool look_at_late_ = false;
  MonoTime late_again_{};                      // after a follow-up that could not be made
  std::map<std::string, int> followers_made_;  // by parent
  bool follower_comes_ =
      false;  // made in this turn and not taken in yet: first that, then the others
};

}  // namespace noforce
