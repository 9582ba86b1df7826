#include "api/render.hpp"

#include <gtest/gtest.h>

#include "api/event_text.hpp"
#include "tests/support/estate.hpp"

namespace noforce::api {
namespace {

using namespace std::chrono_literals;

const MonoTime kNow{10s};
const WallTime kWall = *from_rfc3339("2026-11-23T00:10:02.123Z");

Job sample_job() {
  Job job;
  job.id = "01KBN8G5ZJ4T1S8Q0V7XH2M3RD";
  job.action = Action::restart;
  job.services = {"w3svc"};
  job.requested_by = "token:ci-deploy";
  job.created_at = kWall;
  return job;
}

TEST(AJob, HasTheContractsFieldsInTheirOrder) {
  Job job = sample_job();
  job.state = JobState::running;
  job.options.reason = "deploy 4711";
  job.plan_digest = "sha256:ab";
  job.started_at = kWall;
  Step step;
  step.service = "w3svc";
  step.state = StepState::running;
  step.started_at = kWall;
  step.pid_before = 4711;
  step.checkpoint = 3;
  step.wait_hint = 2s;
  step.last_progress = kNow - 120ms;
  step.status_text = "flushed 900 of 1000";
  step.attempts = 1;
  job.steps = {step};
  EXPECT_EQ(
      job_json(job, kNow),
      R"({"id":"01KBN8G5ZJ4T1S8Q0V7XH2M3RD","action":"restart","services":["w3svc"],"group":null,)"
      R"("state":"running","result":null,"forced":false,"restored":"not_needed","down":[],)"
      R"("dependents":"refuse","on_failure":"restore","deadline_s":600,"no_progress_s":120,)"
      R"("queue_s":3600,"requested_by":"token:ci-deploy","parent":null,"reason":"deploy 4711",)"
      R"("plan_digest":"sha256:ab","created_at":"2026-11-23T00:10:02.123Z",)"
      R"("started_at":"2026-11-23T00:10:02.123Z","finished_at":null,"duration_ms":null,)"
      R"("steps":[{"index":0,"service":"w3svc","operation":"stop","state":"running","result":null,)"
      R"("started_at":"2026-11-23T00:10:02.123Z","finished_at":null,"duration_ms":null,)"
      R"("pid_before":4711,"pid_after":null,"checkpoint":3,"wait_hint_ms":2000,)"
      R"("since_progress_ms":120,"status_text":"flushed 900 of 1000","attempts":1,)"
      R"("restoring":false,"error":null}],"warnings":[],"cancelled_by":null,"error":null,)"
      R"("links":{"self":"/v1/jobs/01KBN8G5ZJ4T1S8Q0V7XH2M3RD",)"
      R"("events":"/v1/events?job=01KBN8G5ZJ4T1S8Q0V7XH2M3RD"}})");
}

TEST(AJob, KeepsTheProgressThatItsStepsEndedWith) {
  Job job = sample_job();
  Step step;
  step.state = StepState::done;
  step.last_progress = kNow - 5s;
  step.since_progress = 120ms;
  job.steps = {step};
  EXPECT_NE(job_json(job, kNow).find("\"since_progress_ms\":120,"), std::string::npos);
}

TEST(AJob, IsOneGreppableLine) {
  Job job = sample_job();
  EXPECT_EQ(job_line(job, kWall), "queued restart w3svc - job=01KBN8G5ZJ4T1S8Q0V7XH2M3RD down=-\n");
  job.state = JobState::running;
  job.started_at = kWall;
  EXPECT_EQ(job_line(job, kWall + 1250ms),
            "running restart w3svc 1.3s job=01KBN8G5ZJ4T1S8Q0V7XH2M3RD down=-\n");
  job.state = JobState::done;
  job.result = JobResult::succeeded;
  job.duration = 4210ms;
  EXPECT_EQ(job_line(job, kWall),
            "succeeded restart w3svc 4.2s job=01KBN8G5ZJ4T1S8Q0V7XH2M3RD down=-\n");
  job.result = JobResult::timed_out;
  job.services = {"a", "b"};
  job.down = {"a", "b"};
  job.error = Error{.kind = ErrorKind::no_progress};
  EXPECT_EQ(
      job_line(job, kWall),
      "timed_out restart a,b 4.2s job=01KBN8G5ZJ4T1S8Q0V7XH2M3RD down=a,b error=no_progress\n");
}

TEST(AJob, ChangesItsEtagWithItsRevisionOnly) {
  Job job = sample_job();
  const std::string before = job_etag(job);
  EXPECT_EQ(job_etag(job), before);
  ++job.revision;
  EXPECT_NE(job_etag(job), before);
}

TEST(AService, HasTheContractsFieldsInTheirOrder) {
  Service service = test::make_service("w3svc", {"iisadmin"});
  service.display_name = "World Wide Web Publishing";
  service.instance = Instance{4711, "x"};
  service.start_type = StartType::automatic;
  service.exit = Exit{.code = 0};
  service.since = kWall;
  JsonWriter w;
  write_service(w,
                {.service = service,
                 .depends_on = {"iisadmin"},
                 .dependents = {},
                 .groups = {"iis"},
                 .is_protected = false,
                 .job = std::nullopt},
                kNow);
  EXPECT_EQ(
      w.text(),
      R"({"name":"w3svc","display_name":"World Wide Web Publishing","state":"running","pid":4711,)"
      R"("start_type":"auto","accepts":["stop","pause_continue"],"checkpoint":0,"wait_hint_ms":0,)"
      R"("since_progress_ms":null,"status_text":null,"exit":{"code":0,"service_code":null},)"
      R"("since":"2026-11-23T00:10:02.123Z","depends_on":["iisadmin"],"dependents":[],)"
      R"("groups":["iis"],"protected":false,"job":null,"warnings":[]})");
}

TEST(AService, TellsItsProgressInPendingStatesOnly) {
  Service service = test::make_service("a", {}, ServiceState::stop_pending);
  service.display_name = "\"since_progress_ms\":1,";
  service.last_progress = kNow - 1500ms;
  const ServiceView view{.service = service};
  JsonWriter w;
  write_service(w, view, kNow);
  EXPECT_EQ(moving_part(w.text()), "1500");
  JsonWriter stopped;
  Service still = service;
  still.state = ServiceState::stopped;
  write_service(stopped, {.service = still}, kNow);
  EXPECT_EQ(moving_part(stopped.text()), "null");
}

TEST(ADryRun, SaysWhatTheRealCallWouldGet) {
  DryRun run;
  run.plan.action = Action::restart;
  run.plan.digest = "sha256:ab";
  run.plan.steps = {{"antispam", Operation::stop}};
  run.plan.goes_down = {"antispam", "w3svc"};
  run.plan.dependents = {"antispam"};
  run.refusal = Error{.kind = ErrorKind::dependents_running, .detail = "no"};
  EXPECT_EQ(dry_run_json(run),
            R"({"action":"restart","digest":"sha256:ab",)"
            R"("steps":[{"service":"antispam","operation":"stop"}],)"
            R"("goes_down":["antispam","w3svc"],"needs_consent":true,)"
            R"("would_answer":{"status":409,"code":"dependents_running","detail":"no"},)"
            R"("estimate_ms":null,"warnings":[]})");
  run.refusal.reset();
  EXPECT_NE(dry_run_json(run).find(R"("would_answer":{"status":202,"code":null,"detail":null})"),
            std::string::npos);
  EXPECT_EQ(dry_run_text(run), "stop antispam\nwould answer 202\n");
}

TEST(AnAuditRow, HasTheContractsFields) {
  AuditRow row{.number = 7,
               .at = kWall,
               .entry = {.principal = "anonymous",
                         .address = "192.0.2.1",
                         .event = "denied",
                         .outcome = "unauthorized",
                         .count = 12},
               .hash = "ab"};
  JsonWriter w;
  write_audit_row(w, row);
  EXPECT_EQ(w.text(),
            R"({"number":7,"at":"2026-11-23T00:10:02.123Z","principal":"anonymous",)"
            R"("address":"192.0.2.1","event":"denied","outcome":"unauthorized","job":null,)"
            R"("services":[],"detail":null,"count":12,"hash":"ab"})");
  EXPECT_EQ(audit_line(row),
            "7 2026-11-23T00:10:02.123Z anonymous denied unauthorized from=192.0.2.1 count=12\n");
}

TEST(AnEvent, IsWrittenAsTheStandardWantsIt) {
  EXPECT_EQ(event_text("job", "E-7", "{}"), "id: E-7\nevent: job\ndata: {}\n\n");
  EXPECT_EQ(position_text("E-7"), "id: E-7\n\n");
  EXPECT_EQ(comment_text("still here"), ": still here\n\n");
  EXPECT_NE(gap_text("E-7").find("\"last_event_id\":\"E-7\""), std::string::npos);
}

}  // namespace
}  // namespace noforce::api
