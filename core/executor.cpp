#include "core/executor.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "core/graph.hpp"
#include "core/log.hpp"

namespace noforce {

namespace {

constexpr Milliseconds kCommitPause{1'000};
constexpr int kMostFollowers = 5;  // jobs that complete the restoring of one job, by one agent

// Nothing that one job runs into may end the agent, and with it all others.
template <typename Work, typename Amends>
void guarded(const Work& work, const Amends& amends) {
  try {
    work();
  } catch (const std::exception& problem) {
    log_error("executor",
              std::string("Something went wrong and the others go on: ") + problem.what());
    amends();
  }
}

template <typename Work>
void guarded(const Work& work) {
  guarded(work, [] {});
}

// What an expired deadline or a full disk must not hold up: everything that brings a service back.
bool brings_back(const Control& control) {
  return control.op == ControlOp::start || control.op == ControlOp::resume;
}

// What to start of it: given up is where somebody has wanted it, or what it needs, down since.
std::vector<std::string> still_wanted_up(const Job& late, const Restoration& restoration,
                                         const std::vector<Wanted>& wanted,
                                         const Picture& picture) {
  std::vector<std::string> services;
  std::set<std::string> given_up;
  for (const auto& one : restoration.steps) {
    if (one.operation != Operation::start) continue;
    const bool unwanted = std::any_of(wanted.begin(), wanted.end(), [&](const Wanted& row) {
      return row.service == one.service && !row.up && row.job > late.id;
    });
    const auto needs = picture.graph->all_dependencies({one.service});
    const bool in_vain = std::any_of(needs.begin(), needs.end(), [&given_up](const auto& name) {
      return given_up.contains(name);
    });
    if (unwanted || in_vain) {
      given_up.insert(one.service);
    } else {
      services.push_back(one.service);
    }
  }
  return services;
}

}  // namespace

Executor::Executor(Parts parts, FollowUp follow_up)
    : parts_(std::move(parts)), follow_up_(std::move(follow_up)) {}

Executor::~Executor() {
  stop();
}

void Executor::start(Attendant& attendant, Turns turns) {
  attendant_ = &attendant;
  if (turns == Turns::own_thread) thread_ = std::thread(&Executor::loop, this);
}

void Executor::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    woken_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

// From any thread ---------------------------------------------------------------------------------

void Executor::post(Message message) {
  const MutexLock lock(mutex_);
  inbox_.push_back(std::move(message));
  woken_.notify_one();
}

void Executor::accept(JobPtr job, std::shared_ptr<const Policies> policies) {
  post(Accepted{std::move(job), std::move(policies)});
}

void Executor::accept_all(const std::vector<JobPtr>& jobs,
                          const std::shared_ptr<const Policies>& policies) {
  const MutexLock lock(mutex_);
  for (const auto& job : jobs)
    inbox_.emplace_back(Accepted{job, policies});
  woken_.notify_one();
}

void Executor::cancel(const std::string& job, const std::string& by) {
  post(Cancelled{job, by});
}

void Executor::set_hold(bool on) {
  post(Held{on});
}

void Executor::drain() {
  post(Draining{});
}

bool Executor::responds() {
  const MutexLock lock(mutex_);
  woken_.notify_one();
  return !std::exchange(asked_, true);
}

void Executor::observed(std::string_view service) {
  const MutexLock lock(mutex_);
  observed_.emplace(service);
  woken_.notify_one();
}

void Executor::completed(Completion completion) {
  post(Answered{std::move(completion.token), std::move(completion.result)});
}

void Executor::inventory_changed() {
  const MutexLock lock(mutex_);
  woken_.notify_one();
}

void Executor::connection_changed(bool lost) {
  post(Connection{lost});
}

void Executor::attended(ControlToken token, Result<void> result) {
  post(Answered{std::move(token), std::move(result)});
}

// The thread --------------------------------------------------------------------------------------

MonoTime Executor::next_wake() const {
  MonoTime wake = wakes_.empty() ? MonoTime::max() : wakes_.begin()->first;
  if (retry_commit_ != MonoTime{}) wake = std::min(wake, retry_commit_);
  if (late_again_ != MonoTime{}) wake = std::min(wake, late_again_);
  return wake;
}

void Executor::loop() {
  while (wait_for_work()) {
    // Nothing that one job runs into may end the agent, and with it all others.
    guarded([this] { turn(); });
  }
}

// False: the agent ends.
bool Executor::wait_for_work() {
  const MonoTime wake = next_wake();
  MutexLock lock(mutex_);
  while (inbox_.empty() && observed_.empty() && !asked_ && !stopping_) {
    if (wake == MonoTime::max()) {
      woken_.wait(lock);
    } else if (!woken_.wait_until(lock, wake)) {
      break;
    }
  }
  return !stopping_;
}

void Executor::turn() {
  std::vector<Message> messages;
  std::set<std::string, std::less<>> seen;
  {
    const MutexLock lock(mutex_);
    messages.swap(inbox_);
    seen.swap(observed_);
    asked_ = false;
  }
  const MonoTime now = parts_.clock.mono();
  for (auto& message : messages) {
    guarded([&] { std::visit([this, now](auto& one) { take(std::move(one), now); }, message); });
  }
  for (const auto& service : seen)
    see(service, now);
  wake_due(now);
  while (!ready_.empty()) {
    const std::string next = ready_.front();
    ready_.erase(ready_.begin());
    const auto run = runs_.find(next);
    if (run != runs_.end()) try_begin(run->second, now);
  }
  const bool late_is_due = late_again_ != MonoTime{} && now >= late_again_;
  if (!late_.empty() && (look_at_late_ || late_is_due || !seen.empty())) follow_up_late();
  flush(now);
  if (look_at_late_ && !late_.empty()) {  // this turn's ends may have made one possible
    follow_up_late();
    flush(now);
  }
  if (active_changed_) watch_active();
}

// By the clock that nobody sets; over a reboot only the wall clock is left.
Milliseconds Executor::waited(const Job& job, MonoTime now) const {
  const bool this_boot = job.accepted && job.accepted_boot == parts_.boot;
  const auto time = this_boot ? std::chrono::duration_cast<Milliseconds>(now - *job.accepted)
                              : parts_.clock.wall() - job.created_at;
  return std::max(time, Milliseconds{0});
}

void Executor::set_wake(Run& run, MonoTime at) {
  if (run.wake != MonoTime{}) wakes_.erase({run.wake, run.job.id});
  run.wake = at;
  if (at != MonoTime{} && at != MonoTime::max()) wakes_.insert({at, run.job.id});
}

void Executor::take(Accepted accepted, MonoTime now) {
  const Job& job = *accepted.job;
  if (draining_ && !may_begin(job)) return;  // stays queued, for the next agent
  if (job.state == JobState::done) {         // its restoring is pending
    late_[job.id] = accepted.job;
    look_at_late_ = true;
    return;
  }
  if (job.parent) {
    follower_comes_ = false;
    look_at_late_ = true;
  }
  Run& run = runs_[job.id];
  run.job = job;
  run.policies = std::move(accepted.policies);
  scheduler_.add(job.id, job.touches);
  if (job.state == JobState::queued) {
    run.queue_until = now + job.options.queue - waited(job, now);
    set_wake(run, run.queue_until);
    if (scheduler_.is_next(job.id)) ready_.push_back(job.id);
    return;
  }
  run.to_take_up = true;
  run.begun_on_disk = true;
  scheduler_.begin(job.id);
  active_.insert(job.id);
  active_changed_ = true;
  step(run, now);
}

void Executor::take(const Cancelled& cancelled, MonoTime now) {
  const auto at = runs_.find(cancelled.job);
  if (at == runs_.end()) return;
  Run& run = at->second;
  if (run.job.state == JobState::queued) {
    run.job.cancelled_by = cancelled.by;
    finish(run, JobResult::cancelled, now);
  } else if (run.job.state == JobState::running && !run.restoring) {
    run.job.state = JobState::cancelling;
    run.job.cancelled_by = cancelled.by;
    changed_.insert(run.job.id);
  }
}

void Executor::take(Answered answered, MonoTime now) {
  const auto at = runs_.find(answered.token.job);
  if (at == runs_.end()) return;
  Run& run = at->second;
  if (run.job.state == JobState::queued || run.job.state == JobState::done) return;
  if (run.at >= run.job.steps.size() || run.at != answered.token.step) return;
  const Step& step_in_hand = run.job.steps[run.at];
  if (step_in_hand.state != StepState::running || step_in_hand.attempts != answered.token.attempt) {
    return;
  }
  run.drive.outstanding = false;
  if (!answered.result) parts_.scm.refresh({step_in_hand.service});
  run.drive.answer = std::move(answered.result);
  step(run, now);
}

bool Executor::may_begin(const Job& job) const {
  if (draining_) return job.action == Action::stop && job.requested_by == kAgentPrincipal;
  return !hold_ || job.parent.has_value();  // a hold does not keep down what a job took down
}

void Executor::take(Draining, MonoTime) {
  draining_ = true;
  late_.clear();
  late_again_ = {};
  std::vector<std::string> parked;
  for (const auto& [id, run] : runs_) {
    if (run.job.state == JobState::queued && !may_begin(run.job)) parked.push_back(id);
  }
  for (const auto& id : parked) {
    for (const auto& next : scheduler_.remove(id))
      ready_.push_back(next);
    set_wake(runs_.find(id)->second, MonoTime{});
    runs_.erase(id);
  }
}

void Executor::take(Held held, MonoTime) {
  hold_ = held.on;
  if (hold_) return;
  for (const auto& [id, run] : runs_) {
    if (run.job.state == JobState::queued && scheduler_.is_next(id)) ready_.push_back(id);
  }
}

void Executor::take(Connection connection, MonoTime now) {
  lost_ = connection.lost;
  if (lost_) return;
  look_at_late_ = true;
  for (auto& [id, run] : runs_) {
    if (run.job.state == JobState::queued) {
      if (scheduler_.is_next(id)) ready_.push_back(id);
    } else if (run.job.state != JobState::done) {
      step(run, now);
    }
  }
}

void Executor::see(const std::string& service, MonoTime now) {
  const PicturePtr picture = parts_.scm.snapshot();
  const auto& all = picture->services;
  const auto at =
      std::lower_bound(all.begin(), all.end(), service,
                       [](const auto& one, const std::string& name) { return one->name < name; });
  if (at != all.end() && (*at)->name == service) parts_.events.append(*at);
  const std::vector<std::string> active(active_.begin(), active_.end());
  for (const auto& id : active) {
    const auto run = runs_.find(id);
    if (run == runs_.end() || run->second.at >= run->second.job.steps.size()) continue;
    if (run->second.job.steps[run->second.at].service == service) step(run->second, now);
  }
}

void Executor::wake_due(MonoTime now) {
  std::vector<std::string> due;
  for (const auto& [at, id] : wakes_) {
    if (at > now) break;
    due.push_back(id);
  }
  for (const auto& id : due) {
    const auto run = runs_.find(id);
    if (run == runs_.end()) continue;
    set_wake(run->second, MonoTime{});
    if (run->second.job.state == JobState::queued) {
      try_begin(run->second, now);
    } else {
      step(run->second, now);
    }
  }
}

// The commit --------------------------------------------------------------------------------------

JobPtr Executor::snapshot_of(Run& run) {
  ++run.job.revision;
  return std::make_shared<const Job>(run.job);
}

void Executor::show(const JobPtr& job) {
  parts_.board.put(job);
  parts_.events.append(job);
}

bool Executor::still_wanted(const PendingEffect& effect) const {
  const auto at = runs_.find(effect.control.token.job);
  if (at == runs_.end()) return false;
  const Run& run = at->second;
  return run.at == effect.control.token.step && run.at < run.job.steps.size() &&
         run.job.steps[run.at].state == StepState::running &&
         run.job.steps[run.at].attempts == effect.control.token.attempt;
}

void Executor::perform(const PendingEffect& effect) {
  if (!still_wanted(effect)) return;
  const Run& run = runs_.find(effect.control.token.job)->second;
  const Policy& policy = run.policies->of(effect.control.service);
  switch (effect.kind) {
    case EffectKind::control:
      parts_.scm.submit(effect.control);
      return;
    case EffectKind::probe:
      attendant_->probe(effect.control.token, effect.control.service, *policy.verify,
                        kProbeTimeout);
      return;
    case EffectKind::hook: {
      const auto& hooks = effect.before ? policy.before_stop : policy.after_start;
      attendant_->run_hook(effect.control.token, effect.control.service, hooks.at(effect.hook),
                           policy.hook_timeout);
      return;
    }
  }
}

// What brings a service back, of a job whose beginning is on disk: so all that came before it is
// over there, too, and no next agent goes on with that.
bool Executor::goes_on_without_disk(const PendingEffect& effect) const {
  const auto run = runs_.find(effect.control.token.job);
  if (run == runs_.end() || !run->second.begun_on_disk) return false;
  return effect.kind == EffectKind::probe ||
         (effect.kind == EffectKind::control && brings_back(effect.control));
}

// Not sent after all: decided anew, by what is seen then, under the same token.
void Executor::take_back(const PendingEffect& effect, MonoTime again) {
  if (!still_wanted(effect)) return;
  Run& run = runs_.find(effect.control.token.job)->second;
  run.drive.sent = false;
  run.drive.outstanding = false;
  run.ask_again = !effect.is_new;
  if (effect.is_new) {
    --run.job.steps[run.at].attempts;
    run.job.steps[run.at].target.reset();
  }
  set_wake(run, again);
}

void Executor::flush(MonoTime now) {
  if (retry_commit_ != MonoTime{} && now < retry_commit_) return;
  JournalChange change;
  for (const auto& id : changed_)
    change.jobs.push_back(snapshot_of(runs_.find(id)->second));
  for (const auto& [id, job] : parents_)
    change.jobs.push_back(job);
  change.wanted = wanted_;
  change.audit = audit_;
  if (!change.jobs.empty() || !change.wanted.empty() || !change.audit.empty()) {
    const auto written = parts_.journal.write(
        change, needs_sync_ ? Durability::power_loss : Durability::process_death);
    if (!written) {
      // Nothing is shown that is not on disk, and nothing is stopped; what brings a service back
      // goes on. The rest waits for the disk.
      if (retry_commit_ == MonoTime{}) {
        log_error("journal", "Jobs cannot be recorded and stops are held back until they can: " +
                                 written.error().detail);
      }
      retry_commit_ = now + kCommitPause;
      for (const auto& effect : std::exchange(effects_, {})) {
        if (goes_on_without_disk(effect)) {
          perform(effect);
        } else {
          take_back(effect, retry_commit_);
        }
      }
      return;
    }
  }
  retry_commit_ = {};
  needs_sync_ = false;
  wanted_.clear();
  audit_.clear();
  parents_.clear();
  for (const auto& id : moved_) {
    const auto run = runs_.find(id);
    if (run != runs_.end() && !changed_.contains(id)) show(snapshot_of(run->second));
  }
  moved_.clear();
  changed_.clear();
  for (const auto& job : change.jobs) {
    show(job);
    if (const auto run = runs_.find(job->id); run != runs_.end()) run->second.begun_on_disk = true;
    if (job->state != JobState::done) continue;
    parts_.scm.release(job->id);  // not before its end is on disk: the next agent may go on with it
    if (!late_.empty()) look_at_late_ = true;
    if (const auto run = runs_.find(job->id); run != runs_.end()) {
      set_wake(run->second, MonoTime{});
      runs_.erase(run);
    }
    if (job->restored == Restored::pending && !draining_) {
      late_[job->id] = job;
      look_at_late_ = true;
    } else {
      late_.erase(job->id);
    }
  }
  std::vector<PendingEffect> effects;
  effects.swap(effects_);
  for (const auto& effect : effects) {
    const auto failed = [&] {
      post(Answered{effect.control.token,
                    noforce::fail(ErrorKind::internal,
                                  "The agent could not send this control; its log says why.")});
    };
    guarded([&] { perform(effect); }, failed);
  }
}

void Executor::watch_active() {
  active_changed_ = false;
  std::set<std::string> services;
  for (const auto& id : active_) {
    const auto run = runs_.find(id);
    if (run == runs_.end()) continue;
    for (const auto& one : run->second.job.steps)
      services.insert(one.service);
  }
  for (const auto& [id, job] : late_) {
    for (const auto& one : job->steps)
      services.insert(one.service);
  }
  parts_.scm.watch({services.begin(), services.end()});
}

// A job that completes it, or a later one that touches the same services: its end decides.
bool Executor::has_work_in_hand(const Job& late) const {
  return std::any_of(runs_.begin(), runs_.end(), [&late](const auto& entry) {
    const Job& other = entry.second.job;
    if (other.id <= late.id) return false;
    if (other.parent == late.id) return true;
    return std::any_of(late.steps.begin(), late.steps.end(), [&other](const Step& step) {
      return std::find(other.touches.begin(), other.touches.end(), step.service) !=
             other.touches.end();
    });
  });
}

// What its services need and lack is brought back by another one.
bool Executor::comes_with_another(const Job& late, const Restoration& restoration,
                                  const std::vector<Wanted>& wanted, const Picture& picture) const {
  std::set<std::string> needs;
  for (const auto& name : picture.graph->all_dependencies(restoration.stranded)) {
    const Service* needed = picture.find(name);
    if (needed != nullptr && !counts_as_up(needed->state)) needs.insert(name);
  }
  const auto is_needed = [&needs](const std::string& name) { return needs.contains(name); };
  const bool by_late = std::any_of(late_.begin(), late_.end(), [&](const auto& entry) {
    if (entry.first == late.id) return false;
    const Restoration other = plan_restoration(*entry.second, picture, Policies{});
    const auto services = still_wanted_up(*entry.second, other, wanted, picture);
    return std::any_of(other.blocked.begin(), other.blocked.end(), is_needed) ||
           std::any_of(services.begin(), services.end(), is_needed);
  });
  return by_late || std::any_of(runs_.begin(), runs_.end(), [&](const auto& entry) {
           const auto& touches = entry.second.job.touches;
           return std::any_of(touches.begin(), touches.end(), is_needed);
         });
}

// Late stops: what could not be restored because a service was still stopping is started by a job
// of its own once that one has ended, unless a later job touched it.
void Executor::follow_up_late() {
  if (follower_comes_) return;
  look_at_late_ = false;
  late_again_ = {};
  const PicturePtr picture = parts_.scm.snapshot();
  if (lost_ || !picture->complete) return;
  const auto wanted = parts_.journal.wanted();
  const MonoTime now = parts_.clock.mono();
  const auto again_at = [this](MonoTime at) {
    late_again_ = late_again_ == MonoTime{} ? at : std::min(late_again_, at);
  };
  if (!wanted) return again_at(now + kCommitPause);
  const std::map<std::string, JobPtr> late = late_;
  for (const auto& [id, job] : late) {
    if (parents_.contains(id) || has_work_in_hand(*job)) continue;
    const Restoration restoration = plan_restoration(*job, *picture, Policies{});
    if (!restoration.blocked.empty()) continue;
    const auto services = still_wanted_up(*job, restoration, *wanted, *picture);
    if (!services.empty() && followers_made_[id] < kMostFollowers) {
      if (auto follower = follow_up_(*job, services); !follower) {
        log_error("executor",
                  "The job that completes the restoring of " + id +
                      " could not be accepted and is tried again: " + follower.error().detail);
        again_at(now + kCommitPause);
        continue;
      }
      late_.erase(id);
      ++followers_made_[id];
      follower_comes_ = true;
      return;
    }
    if (comes_with_another(*job, restoration, *wanted, *picture)) continue;
    const MonoTime watched_until = job->deadline.value_or(now);
    // What it needs may come up by others' doing, soon after a boot for one.
    const bool watched = now < watched_until && watched_until - now <= kStopMayYetCome;
    if (watched && (may_still_stop(*job, *picture) || !restoration.stranded.empty())) {
      again_at(watched_until);
      continue;
    }
    Job settled = *job;
    const Restored now_restored = judge_restored(settled, *picture);
    settled.down = now_down(settled, *picture);
    if (now_restored == Restored::pending) {
      settled.restored = settled.down.empty() ? Restored::complete : Restored::incomplete;
    } else {
      settled.restored = now_restored;
    }
    ++settled.revision;
    parents_[id] = std::make_shared<const Job>(std::move(settled));
    late_.erase(id);
  }
}

}  // namespace noforce
