#include "core/job.hpp"

#include "core/names.hpp"

namespace noforce {
namespace {

constexpr auto state_names =
    names_of<JobState>(JobState::done, {
                                           {JobState::queued, "queued"},
                                           {JobState::running, "running"},
                                           {JobState::cancelling, "cancelling"},
                                           {JobState::done, "done"},
                                       });

constexpr auto result_names =
    names_of<JobResult>(JobResult::interrupted, {
                                                    {JobResult::succeeded, "succeeded"},
                                                    {JobResult::unchanged, "unchanged"},
                                                    {JobResult::failed, "failed"},
                                                    {JobResult::timed_out, "timed_out"},
                                                    {JobResult::cancelled, "cancelled"},
                                                    {JobResult::interrupted, "interrupted"},
                                                });

constexpr auto restored_names =
    names_of<Restored>(Restored::incomplete, {
                                                 {Restored::not_needed, "not_needed"},
                                                 {Restored::complete, "complete"},
                                                 {Restored::pending, "pending"},
                                                 {Restored::incomplete, "incomplete"},
                                             });

constexpr auto step_state_names =
    names_of<StepState>(StepState::done, {
                                             {StepState::pending, "pending"},
                                             {StepState::running, "running"},
                                             {StepState::done, "done"},
                                         });

constexpr auto step_result_names =
    names_of<StepResult>(StepResult::skipped, {
                                                  {StepResult::succeeded, "succeeded"},
                                                  {StepResult::unchanged, "unchanged"},
                                                  {StepResult::failed, "failed"},
                                                  {StepResult::timed_out, "timed_out"},
                                                  {StepResult::skipped, "skipped"},
                                              });

constexpr auto dependents_names =
    names_of<Dependents>(Dependents::include, {
                                                  {Dependents::refuse, "refuse"},
                                                  {Dependents::include, "include"},
                                              });

constexpr auto on_failure_names =
    names_of<OnFailure>(OnFailure::leave, {
                                              {OnFailure::restore, "restore"},
                                              {OnFailure::leave, "leave"},
                                          });

}  // namespace

std::string_view to_string(JobState state) {
  return state_names.text(state);
}
std::string_view to_string(JobResult result) {
  return result_names.text(result);
}
std::string_view to_string(Restored restored) {
  return restored_names.text(restored);
}
std::string_view to_string(StepState state) {
  return step_state_names.text(state);
}
std::string_view to_string(StepResult result) {
  return step_result_names.text(result);
}
std::string_view to_string(Dependents dependents) {
  return dependents_names.text(dependents);
}
std::string_view to_string(OnFailure on_failure) {
  return on_failure_names.text(on_failure);
}

std::optional<JobState> job_state_from(std::string_view text) {
  return state_names.value(text);
}
std::optional<JobResult> job_result_from(std::string_view text) {
  return result_names.value(text);
}
std::optional<Restored> restored_from(std::string_view text) {
  return restored_names.value(text);
}
std::optional<StepState> step_state_from(std::string_view text) {
  return step_state_names.value(text);
}
std::optional<StepResult> step_result_from(std::string_view text) {
  return step_result_names.value(text);
}
std::optional<Dependents> dependents_from(std::string_view text) {
  return dependents_names.value(text);
}
std::optional<OnFailure> on_failure_from(std::string_view text) {
  return on_failure_names.value(text);
}

bool is_good(JobResult result) {
  return result == JobResult::succeeded || result == JobResult::unchanged;
}

}  // namespace noforce
