#include "core/job_view.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace noforce {
namespace {

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

}  // namespace noforce
