// A job as the journal keeps it: JSON, read and written by one description of its fields.
//
// Fields that a later version added are passed over, fields that an older one lacked keep their
// defaults; a field of the wrong type, or a value that is none of its type's, is an error.
// Instants of the monotonic clock are kept in milliseconds; Step::last_progress, which the SCM says
// anew, is left out.
#pragma once

#include <string>
#include <string_view>

#include "core/error.hpp"
#include "core/job.hpp"

namespace noforce {

// Never fails: bytes that are no UTF-8 become U+FFFD.
[[nodiscard]] std::string job_to_json(const Job& job);
// journal_unavailable, with what does not fit.
[[nodiscard]] Result<Job> job_from_json(std::string_view text);

}  // namespace noforce
