#include "api/negotiation.hpp"
#include "api/render.hpp"
#include "core/text.hpp"

namespace noforce::api {
namespace {

void write_error(JsonWriter& w, const std::optional<Error>& error) {
  if (!error) {
    w.null();
    return;
  }
  w.begin_object();
  w.key("code").string(to_string(error->kind));
  w.key("detail").string(error->detail);
  w.key("service").string_or_null(error->service);
  w.key("native_code").integer(error->native_code);
  w.key("native_name").string_or_null(error->native_name);
  w.end_object();
}

std::optional<Milliseconds> since_progress(const Step& step, MonoTime now) {
  if (step.state == StepState::running && step.last_progress)
    return std::max(Milliseconds{0},
                    std::chrono::duration_cast<Milliseconds>(now - *step.last_progress));
  return step.since_progress;
}

void write_step(JsonWriter& w, const Step& step, std::size_t index, MonoTime now) {
  w.begin_object();
  w.key("index").integer(static_cast<std::int64_t>(index));
  w.key("service").string(step.service);
  w.key("operation").string(to_string(step.operation));
  w.key("state").string(to_string(step.state));
  w.key("result").string_or_null(step.result ? to_string(*step.result) : std::string_view());
  w.key("started_at").time(step.started_at);
  w.key("finished_at").time(step.finished_at);
  w.key("duration_ms").milliseconds(step.duration);
  w.key("pid_before").integer(step.pid_before);
  w.key("pid_after").integer(step.pid_after);
  w.key("checkpoint").integer(static_cast<std::int64_t>(step.checkpoint));
  w.key("wait_hint_ms").integer(step.wait_hint.count());
  w.key("since_progress_ms").milliseconds(since_progress(step, now));
  w.key("status_text").string_or_null(step.status_text);
  w.key("attempts").integer(std::int64_t{step.attempts});
  w.key("restoring").boolean(step.restoring);
  w.key("error");
  write_error(w, step.error);
  w.end_object();
}

}  // namespace

std::string_view result_or_state(const Job& job) {
  return job.state == JobState::done && job.result ? to_string(*job.result) : to_string(job.state);
}

void write_job(JsonWriter& w, const Job& job, MonoTime now) {
  w.begin_object();
  w.key("id").string(job.id);
  w.key("action").string(to_string(job.action));
  w.key("services").strings(job.services);
  w.key("group").string_or_null(job.group.value_or(""));
  w.key("state").string(to_string(job.state));
  w.key("result").string_or_null(job.result ? to_string(*job.result) : std::string_view());
  w.key("forced").boolean(false);
  w.key("restored").string(to_string(job.restored));
  w.key("down").strings(job.down);
  w.key("dependents").string(to_string(job.options.dependents));
  w.key("on_failure").string(to_string(job.options.on_failure));
  w.key("deadline_s").integer(job.options.deadline.count());
  w.key("no_progress_s").integer(job.options.no_progress.count());
  w.key("queue_s").integer(job.options.queue.count());
  w.key("requested_by").string(job.requested_by);
  w.key("parent").string_or_null(job.parent.value_or(""));
  w.key("reason").string_or_null(job.options.reason);
  w.key("plan_digest").string_or_null(job.plan_digest);
  w.key("created_at").time(job.created_at);
  w.key("started_at").time(job.started_at);
  w.key("finished_at").time(job.finished_at);
  w.key("duration_ms").milliseconds(job.duration);
  w.key("steps").begin_array();
  for (std::size_t i = 0; i < job.steps.size(); ++i)
    write_step(w, job.steps[i], i, now);
  w.end_array();
  w.key("warnings").strings(job.warnings);
  w.key("cancelled_by").string_or_null(job.cancelled_by.value_or(""));
  w.key("error");
  write_error(w, job.error);
  w.key("links").begin_object();
  w.key("self").string("/v1/jobs/" + job.id);
  w.key("events").string("/v1/events?job=" + job.id);
  w.end_object();
  w.end_object();
}

std::string job_json(const Job& job, MonoTime now) {
  JsonWriter w(768 + job.steps.size() * 448);
  write_job(w, job, now);
  return std::move(w).text();
}

std::string job_etag(const Job& job) {
  return weak_etag(job.id + "/" + std::to_string(job.revision));
}

std::string seconds_text(Milliseconds duration) {
  const auto tenths = (duration.count() + 50) / 100;
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + "s";
}

std::string job_line(const Job& job, WallTime wall) {
  const auto joined = [](const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names)
      text.append(text.empty() ? "" : ",").append(name);
    return text.empty() ? std::string("-") : text;
  };
  std::string time = "-";
  if (job.duration)
    time = seconds_text(*job.duration);
  else if (job.started_at)
    time = seconds_text(std::max(Milliseconds{0}, wall - *job.started_at));
  std::string line;
  line.append(result_or_state(job)).append(" ").append(to_string(job.action)).append(" ");
  line.append(joined(job.services)).append(" ").append(time);
  line.append(" job=").append(job.id).append(" down=").append(joined(job.down));
  if (job.error) line.append(" error=").append(to_string(job.error->kind));
  return line + '\n';
}

}  // namespace noforce::api
