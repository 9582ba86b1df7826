// What a caller may see of a job. Pure.
#pragma once

#include "core/job.hpp"
#include "core/principal.hpp"

namespace noforce {

// Whether a (narrowed) credential may see a job: all that it names, would take down, or does.
[[nodiscard]] bool may_see_job(const Principal& principal, const Job& job);
// A job that it may see, as it may be told of it: a sentence about services outside its globs (what
// came up or went down while the job ran) gives way to one that names none.
[[nodiscard]] JobPtr told_to(const Principal& principal, JobPtr job);

}  // namespace noforce
