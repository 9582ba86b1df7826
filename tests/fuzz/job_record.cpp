// A job as the journal keeps it, which another release may have written.
#include <string>

#include <nlohmann/json.hpp>

#include "api/render.hpp"
#include "core/job_json.hpp"
#include "core/text.hpp"
#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {
namespace {

void fuzz_job_record(std::string_view input) {
  const auto job = job_from_json(input);
  if (!job) {
    expect(job.error().kind == ErrorKind::journal_unavailable, "a job that cannot be read is told");
    const std::string& detail = job.error().detail;
    return expect(clean_text(detail, detail.size()) == detail, "an error moves no cursor", detail);
  }
  const std::string written = job_to_json(*job);
  const auto again = job_from_json(written);
  expect(again.has_value(), "a job that was read can be written", written);
  expect(*again == *job, "a job that was written is the same", written);
  // Whatever it holds, whoever asks for it gets JSON.
  const std::string shown = api::job_json(*job, MonoTime{});
  expect(nlohmann::json::accept(shown), "a job can be shown", shown);
  expect(is_valid_utf8(api::job_line(*job, WallTime{})), "a job can be told in a line");
}

const Registration registered("job_record", fuzz_job_record);

}  // namespace
}  // namespace noforce::fuzz
