// Decisions of the executor: what is seen + the deadlines -> what to do next. Pure, so that every
// interleaving can be tested without a clock, a thread or a service. Effects are the executor's.
//
// The rules are those of the documentation of the Windows SCM ("Stopping a Service", "Starting a
// Service", "Service State Transitions"), which hold for every SCM here:
//   - a stop that is under way is joined, never repeated; a pending state is waited for first, unless
//     the service accepts a stop in it;
//   - progress is a growing checkpoint: it starts the patience again, which is the service's own
//     wait hint plus the job's `no_progress`;
//   - "stopped" is not "gone": a stop is done when the process has ended as well;
//   - an answer with unknown effect (1053) means: keep looking.
// No decision here, and no effect there, ever ends a process by force.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/job.hpp"
#include "core/policy.hpp"
#include "core/scm/port.hpp"
#include "core/service.hpp"

namespace noforce {

// What drives one running step besides what is reported of it. Lives in the executor only; after
// a restart of the agent it starts afresh, and the SCM's memory of tokens makes up for that.
struct StepDrive {
  MonoTime begun{};                // when this step began, or was taken up again
  std::optional<Instance> target;  // the instance that the control is meant for
  bool sent = false;               // a control for `target` (or the start) was sent
  bool outstanding = false;        // ... and is not answered yet; also a hook or a probe
  MonoTime sent_at{};
  std::optional<Result<void>> answer;  // the last answer
  MonoTime progress{};                 // the last sign of progress that was seen
  bool joined = false;                 // found pending on its way: somebody else had begun it
  int again = 0;                       // other instances that this stop has met
  int busy = 0;                        // "cannot take it at this moment" in a row
  std::optional<MonoTime> good_since;  // verify: the first good answer, and of which instance
  std::optional<Instance> verified;
};

struct StepRules {
  Milliseconds no_progress{120'000};
  MonoTime deadline{};  // of the job, or of its restoring
  // A stop of this service is fulfilled when its instance is gone, whoever runs then: in a
  // restart, for what nothing else in the plan has to wait for (design: "When it runs").
  bool leave_other_instance = false;
  const Policy* policy = nullptr;  // of the step's service; never null for hook and verify
};

// What to do with the step in hand.
struct WaitFor {
  MonoTime until{};  // look again then at the latest
};
struct Send {
  ControlOp op = ControlOp::stop;
  std::optional<Instance> instance;
};
struct RunHook {};
struct AskProbe {};
struct StepEnd {
  StepResult result = StepResult::succeeded;
  std::optional<Error> error;
};
using Move = std::variant<WaitFor, Send, RunHook, AskProbe, StepEnd>;

// `service` is null when the SCM no longer knows it. Updates `drive` only where it notes what was
// seen (joined, target, again, good_since).
[[nodiscard]] Move decide_step(const Step& step, StepDrive& drive, const Service* service,
                               const StepRules& rules, MonoTime now);

// Bounds of the repetitions, each a constant of the house.
inline constexpr int kMostInstancesMet = 3;  // "started again" before a stop gives up
inline constexpr int kMostBusyAnswers = 10;  // 1055, 1061 before a control gives up
inline constexpr Milliseconds kBusyPause{500};
inline constexpr Milliseconds kProbePause{200};
inline constexpr Milliseconds kProbeTimeout{5'000};
inline constexpr Milliseconds kAnswerGrace{5'000};       // beyond a hook's or probe's own limit
inline constexpr Milliseconds kStopMayYetCome{600'000};  // after its job, for one without an answer

// Restoring ----------------------------------------------------------------------------------
// Which services this job found up and that are not up now (one that hangs on its way up is not),
// in start order.
[[nodiscard]] std::vector<std::string> now_down(const Job& job, const Picture& picture);

struct Restoration {
  std::vector<Step> steps;           // start (and pause) of what can come back now, in order
  std::vector<std::string> blocked;  // waits for a service that is still stopping
  // Needs a service that is down and not this job's to bring back: with that one, or not at all.
  std::vector<std::string> stranded;
  std::vector<std::string> lost;  // cannot come back: it is gone, disabled, or needs such a one
};
// How to bring back what this job stopped, as far as that is possible now.
[[nodiscard]] Restoration plan_restoration(const Job& job, const Picture& picture,
                                           const Policies& policies);
// A stop was sent, nobody knows what became of it, and its instance still runs: it may yet stop.
[[nodiscard]] bool may_still_stop(const Job& job, const Picture& picture);
// What to report once restoring is over (or was not wanted).
[[nodiscard]] Restored judge_restored(const Job& job, const Picture& picture);

// Stops that have to come before a stop of `service` because dependents of it are up that the
// plan did not meet, in stop order.
[[nodiscard]] std::vector<std::string> dependents_up(const std::string& service,
                                                     const Picture& picture);

}  // namespace noforce
