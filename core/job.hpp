// A job: one accepted request to change the state of services, from acceptance to its end.
//
//   state        may go to                        who makes the change
//   queued       running                          scheduler: no earlier job touches its services
//   queued       done(cancelled)                  whoever cancels it
//   queued       done(failed: expired,
//                plan_changed)                    scheduler, when its time is up or it may not begin
//   running      cancelling                       whoever cancels it; takes effect between steps
//   running      done(any result)                 executor
//   cancelling   done(cancelled, or what the
//                step in hand ended with)         executor
//
//   step state   pending -> running -> done; pending -> done(skipped)
//
// Only the executor's thread changes a job after its acceptance; everybody else sees immutable
// copies (std::shared_ptr<const Job>). A job that is done never changes again, but for `restored`
// going from pending to complete or incomplete.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/plan.hpp"
#include "core/service.hpp"

namespace noforce {

enum class JobState : std::uint8_t { queued, running, cancelling, done };
enum class JobResult : std::uint8_t {
  succeeded,
  unchanged,  // there was nothing to do
  failed,
  timed_out,  // a deadline or the patience without progress ran out; nothing was killed
  cancelled,
  interrupted,  // the machine was rebooted, or the plan no longer fits what is found
};
enum class Restored : std::uint8_t { not_needed, complete, pending, incomplete };
enum class StepState : std::uint8_t { pending, running, done };
enum class StepResult : std::uint8_t { succeeded, unchanged, failed, timed_out, skipped };
enum class Dependents : std::uint8_t { refuse, include };
enum class OnFailure : std::uint8_t { restore, leave };

[[nodiscard]] std::string_view to_string(JobState state);
[[nodiscard]] std::string_view to_string(JobResult result);
[[nodiscard]] std::string_view to_string(Restored restored);
[[nodiscard]] std::string_view to_string(StepState state);
[[nodiscard]] std::string_view to_string(StepResult result);
[[nodiscard]] std::string_view to_string(Dependents dependents);
[[nodiscard]] std::string_view to_string(OnFailure on_failure);
[[nodiscard]] std::optional<JobState> job_state_from(std::string_view text);
[[nodiscard]] std::optional<JobResult> job_result_from(std::string_view text);
[[nodiscard]] std::optional<Restored> restored_from(std::string_view text);
[[nodiscard]] std::optional<StepState> step_state_from(std::string_view text);
[[nodiscard]] std::optional<StepResult> step_result_from(std::string_view text);
[[nodiscard]] std::optional<Dependents> dependents_from(std::string_view text);
[[nodiscard]] std::optional<OnFailure> on_failure_from(std::string_view text);

// One step as it is reported; what drives it is the executor's own (core/executor.cpp).
struct Step {
  std::string service;
  Operation operation = Operation::stop;
  std::uint32_t hook = 0;  // see PlannedStep
  bool before = false;
  bool restoring = false;  // added, or taken over, to bring things back after a failure
  StepState state = StepState::pending;
  std::optional<StepResult> result;  // set once done
  std::optional<WallTime> started_at;
  std::optional<WallTime> finished_at;
  std::optional<MonoTime> begun;         // the same instant as started_at, for counting
  std::optional<Milliseconds> duration;  // by the monotonic clock; set once done
  std::optional<std::int64_t> pid_before;
  std::optional<std::int64_t> pid_after;
  std::uint64_t checkpoint = 0;  // the last that was seen during this step
  Milliseconds wait_hint{0};
  std::optional<MonoTime> last_progress;  // while running: when the service last moved; this boot
  std::optional<Milliseconds> since_progress;  // once done: how long ago that was at the end
  std::string status_text;
  std::uint32_t attempts = 0;      // controls that were sent for this step
  std::optional<Instance> target;  // whom the last of them was meant for
  std::optional<Error> error;

  bool operator==(const Step&) const = default;
};

// How a service was found when the job began to run: what "restored exactly" is measured by.
struct Found {
  std::string service;
  ServiceState state = ServiceState::stopped;
  std::optional<Instance> instance;

  bool operator==(const Found&) const = default;
};

struct JobOptions {
  Dependents dependents = Dependents::refuse;
  OnFailure on_failure = OnFailure::restore;
  Seconds deadline{600};                   // from its start
  Seconds no_progress{120};                // for each pending service, beyond its own wait hint
  Seconds queue{3600};                     // how long it may wait before it starts
  std::string reason;                      // cleaned text, at most 500 characters
  std::optional<std::string> plan_digest;  // as given by the caller

  bool operator==(const JobOptions&) const = default;
};

struct Job {
  std::string id;  // ULID; grows in order of acceptance
  Action action = Action::restart;
  std::vector<std::string> services;  // as named, canonical
  std::optional<std::string> group;
  JobOptions options;
  std::string requested_by;           // Principal::name
  std::optional<std::string> parent;  // the job whose restoring this one completes
  std::string plan_digest;            // of the plan at acceptance; once begun, of the one that runs
  // The globs of the credential that it was accepted from; empty: all services. The plan that runs
  // is held against them once more.
  std::vector<std::string> scope;
  // What the caller consented to (or what needed no consent): what goes down, at acceptance.
  std::vector<std::string> consented;
  std::vector<std::string> touches;  // see Plan::touches

  JobState state = JobState::queued;
  std::optional<JobResult> result;
  Restored restored = Restored::not_needed;
  std::vector<std::string> down;  // found up by this job, and not up at its end
  WallTime created_at{};
  std::optional<WallTime> started_at;
  std::optional<WallTime> finished_at;
  std::optional<Milliseconds> duration;  // from start to end
  std::vector<Step> steps;
  std::vector<Found> found;  // everything the plan touches, when the job began to run
  std::vector<std::string> warnings;
  std::optional<Error> error;
  std::optional<std::string> cancelled_by;

  // The same instants by the monotonic clock, which nobody sets: what the next agent goes on
  // counting from. They mean something in their own boot only.
  std::optional<MonoTime> accepted;
  std::string accepted_boot;      // boot_id() of `accepted`
  std::optional<MonoTime> begun;  // with `boot`
  // With `boot`: of the job, or of its restoring; once done, of the watch for what may still stop.
  std::optional<MonoTime> deadline;
  std::string boot;  // boot_id() of the boot in which it began to run

  std::uint64_t revision = 0;  // grows with each change; the ETag's base

  bool operator==(const Job&) const = default;
};

using JobPtr = std::shared_ptr<const Job>;

// "Is this job's end good news": succeeded or unchanged. What `strict` and exit statuses ask.
[[nodiscard]] bool is_good(JobResult result);

}  // namespace noforce
