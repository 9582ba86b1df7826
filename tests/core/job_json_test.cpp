#include "core/job_json.hpp"

#include <limits>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/core/journal_samples.hpp"

namespace noforce {
namespace {

using Json = nlohmann::json;

Error full_error() {
  Error error;
  error.kind = ErrorKind::stop_failed;
  error.detail = "it said \"no\"";
  error.service = "w3svc";
  error.native_code = -1051;
  error.native_name = "ERROR_DEPENDENT_SERVICES_RUNNING";
  error.dependents = {"a", "b"};
  error.effect = Effect::unknown;
  error.retry_after_s = 7;
  return error;
}

// Every field set to something else than its default.
Job full_job() {
  const test::HandClock clock;
  Job job = test::queued_job("01ARYZ6S41TSV4RRFFQ69G5FAV", clock, Action::pause, {"b", "a"});
  job.group = "iis";
  job.options = {.dependents = Dependents::include,
                 .on_failure = OnFailure::leave,
                 .deadline = Seconds{1},
                 .no_progress = Seconds{2},
                 .queue = Seconds{3},
                 .reason = "weil es Größe hat 😀",
                 .plan_digest = "sha256:ff"};
  job.requested_by = "token:ci";
  job.parent = "01ARYZ6S41TSV4RRFFQ69G5FAA";
  job.consented = {"x"};
  job.touches = {"a", "b", "x"};
  job.state = JobState::done;
  job.result = JobResult::timed_out;
  job.restored = Restored::pending;
  job.down = {"x"};
  job.started_at = clock.wall() + Milliseconds{1};
  job.finished_at = clock.wall() + Milliseconds{2};
  job.duration = Milliseconds{4210};
  job.found = {{.service = "a", .state = ServiceState::paused, .instance = Instance{4711, "k"}},
               {.service = "b", .state = ServiceState::stopped, .instance = std::nullopt}};
  job.warnings = {"careful"};
  job.error = full_error();
  job.cancelled_by = "local:root";
  job.boot = "boot";
  job.revision = 18'446'744'073'709'551'615U;
  Step& step = job.steps[1];
  step.hook = 3;
  step.before = true;
  step.restoring = true;
  step.state = StepState::done;
  step.result = StepResult::skipped;
  step.started_at = clock.wall();
  step.finished_at = clock.wall();
  step.duration = Milliseconds{0};
  step.pid_before = 1;
  step.pid_after = 2;
  step.checkpoint = 9;
  step.wait_hint = Milliseconds{2000};
  step.since_progress = Milliseconds{120};
  step.status_text = "flushed";
  step.attempts = 2;
  step.error = full_error();
  return job;
}

TEST(AJob, IsReadAsItWasWritten) {
  for (const Job& job : {full_job(), test::queued_job("01ARYZ6S41TSV4RRFFQ69G5FAV")}) {
    const auto read = job_from_json(job_to_json(job));
    ASSERT_TRUE(read) << read.error().detail;
    EXPECT_EQ(*read, job);
  }
}

TEST(AJob, LosesWhatTheMonotonicClockSaid) {
  Job job = full_job();
  job.steps[0].last_progress = MonoTime{Seconds{5}};
  const auto read = job_from_json(job_to_json(job));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->steps[0].last_progress, std::nullopt);
}

TEST(AJob, IsReadFromALaterVersion) {
  Json json = Json::parse(job_to_json(full_job()));
  json["added"] = {{"deep", 1}};
  json["steps"][0]["added"] = true;
  json["error"]["added"] = nullptr;
  const auto read = job_from_json(json.dump());
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(*read, full_job());
}

TEST(AJob, IsReadFromAnEarlierVersion) {
  Json json = Json::parse(job_to_json(full_job()));
  for (const char* const name : {"revision", "boot", "steps", "options", "restored"}) {
    json.erase(name);
  }
  const auto read = job_from_json(json.dump());
  ASSERT_TRUE(read) << read.error().detail;
  EXPECT_EQ(read->revision, 0U);
  EXPECT_EQ(read->options, JobOptions{});
}

TEST(AJob, IsRefusedWhenAFieldIsOfAnotherType) {
  struct Case {
    const char* path;
    Json value;
  };
  const Case cases[] = {
      {"/id", 1},
      {"/services", "w3svc"},
      {"/services/0", nullptr},
      {"/state", "sleeping"},
      {"/state", 0},
      {"/result", "great"},
      {"/created_at", "today"},
      {"/created_at", 1.5},
      {"/duration_ms", true},
      // Beyond what a clock in nanoseconds, or four digits of a year, can say.
      {"/begun_ms", std::numeric_limits<std::int64_t>::max()},
      {"/steps/0/begun_ms", std::numeric_limits<std::int64_t>::min()},
      {"/duration_ms", std::numeric_limits<std::int64_t>::max()},
      {"/created_at", std::numeric_limits<std::int64_t>::min()},
      {"/options/deadline_s", std::numeric_limits<std::int64_t>::max()},
      {"/revision", -1},
      {"/steps", Json::object()},
      {"/steps/0", 1},
      {"/steps/0/hook", 4'294'967'296},
      {"/steps/0/before", 1},
      {"/steps/0/error", "none"},
      {"/steps/0/error", {{"kind", "nonsense"}}},
      {"/options/deadline_s", "600"},
      {"/found/0/instance", Json::array()},
  };
  for (const Case& wrong : cases) {
    Json json = Json::parse(job_to_json(full_job()));
    json[Json::json_pointer(wrong.path)] = wrong.value;
    const auto read = job_from_json(json.dump());
    EXPECT_FALSE(read) << wrong.path << " = " << wrong.value;
  }
}

TEST(AJob, NamesTheFieldThatDoesNotFit) {
  Json json = Json::parse(job_to_json(full_job()));
  json["steps"][1]["wait_hint_ms"] = "soon";
  const auto read = job_from_json(json.dump());
  ASSERT_FALSE(read);
  EXPECT_EQ(read.error().kind, ErrorKind::journal_unavailable);
  EXPECT_NE(read.error().detail.find("steps wait_hint_ms is not a whole number"), std::string::npos)
      << read.error().detail;
}

TEST(AJob, IsRefusedWithoutItsIdentity) {
  for (const char* const name : {"id", "action", "state", "created_at"}) {
    Json json = Json::parse(job_to_json(full_job()));
    json.erase(name);
    EXPECT_FALSE(job_from_json(json.dump())) << name;
  }
  Json nameless = Json::parse(job_to_json(full_job()));
  nameless["id"] = "";
  EXPECT_FALSE(job_from_json(nameless.dump()));
  for (const char* const text : {"", "{", "[]", "null", "{}", "\xff"}) {
    EXPECT_FALSE(job_from_json(text)) << text;
  }
}

TEST(AJob, IsWrittenWhateverItsBytes) {
  Job job = full_job();
  job.warnings = {"broken \xff bytes"};
  const auto read = job_from_json(job_to_json(job));
  ASSERT_TRUE(read);
  EXPECT_EQ(read->warnings[0], "broken \xEF\xBF\xBD bytes");
}

}  // namespace
}  // namespace noforce
