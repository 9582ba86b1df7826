#include <algorithm>
#include <array>
#include <chrono>

#include "api/json_writer.hpp"
#include "api/negotiation.hpp"
#include "api/render.hpp"
#include "api/resources/resources.hpp"

namespace noforce::api {
namespace {

void write_jobs(JsonWriter& w, const JobCounts& counts) {
  w.begin_object();
  w.key("queued").integer(static_cast<std::int64_t>(counts.queued));
  w.key("running").integer(static_cast<std::int64_t>(counts.running));
  w.end_object();
}

// Only what the caller may see is counted.
void write_service_counts(JsonWriter& w, const Picture& picture, const Principal& principal) {
  std::int64_t total = 0;
  std::int64_t up = 0;
  for (const auto& service : picture.services) {
    if (!principal.may_see(service->name)) continue;
    ++total;
    if (is_up(service->state)) ++up;
  }
  w.begin_object();
  w.key("total").integer(total);
  w.key("up").integer(up);
  w.key("complete").boolean(picture.complete);
  w.end_object();
}

void write_limits(JsonWriter& w, const JobDefaults& jobs) {
  w.begin_object();
  w.key("max_wait_s").integer(jobs.max_wait.count());
  w.key("max_queued").integer(static_cast<std::int64_t>(jobs.max_queued));
  w.key("max_body_bytes").integer(64 * 1024);
  w.key("max_page").integer(1000);
  w.end_object();
}

void write_defaults(JsonWriter& w, const JobDefaults& jobs) {
  w.begin_object();
  w.key("deadline_s").integer(jobs.deadline.count());
  w.key("no_progress_s").integer(jobs.no_progress.count());
  w.key("queue_s").integer(jobs.queue.count());
  w.key("dependents").string("refuse");
  w.key("on_failure").string("restore");
  w.key("history_days").integer(std::int64_t{jobs.history_days});
  w.end_object();
}

void write_journal(JsonWriter& w, const Journal& journal) {
  std::string why;
  const bool healthy = journal.healthy(&why);
  w.begin_object();
  w.key("healthy").boolean(healthy);
  w.key("detail").string_or_null(healthy ? "" : why);
  w.end_object();
}

void write_credential(JsonWriter& w, const Principal& principal) {
  w.begin_object();
  w.key("name").string(principal.name);
  w.key("role").string(to_string(principal.role));
  w.key("services").strings(principal.services);
  w.key("actions").strings(principal.actions);
  w.end_object();
}

}  // namespace

Result<Response> get_agent(Context& context) {
  const FaceParts& parts = context.parts;
  const auto picture = parts.jobs.picture();
  const auto policies = parts.jobs.policies();
  const auto ready = parts.jobs.ready();
  const auto uptime =
      std::chrono::duration_cast<Milliseconds>(parts.clock.mono() - parts.agent.started);
  JsonWriter w;
  w.begin_object();
  w.key("name").string("noforce");
  w.key("version").string(parts.agent.version);
  w.key("api").string("v1");
  w.key("hostname").string_or_null(parts.agent.hostname);
  w.key("backend").string(parts.agent.backend);
  w.key("started_at").time(parts.agent.started_at);
  w.key("uptime_ms").integer(uptime.count());
  w.key("boot_id").string_or_null(boot_id());
  w.key("ready").boolean(ready.has_value());
  w.key("not_ready").string_or_null(ready ? std::string() : ready.error().detail);
  w.key("warnings")
      .strings(parts.warnings ? parts.warnings(context.caller.principal)
                              : std::vector<std::string>());
  w.key("hold");
  write_hold(w, parts.jobs.hold());
  w.key("jobs");
  write_jobs(w, parts.jobs.counts(context.caller));
  w.key("services");
  write_service_counts(w, *picture, context.caller.principal);
  w.key("journal");
  write_journal(w, parts.journal);
  w.key("limits");
  write_limits(w, policies->jobs);
  w.key("defaults");
  write_defaults(w, policies->jobs);
  w.key("credential");
  write_credential(w, context.caller.principal);
  w.end_object();
  return json_response(200, std::move(w).text());
}

}  // namespace noforce::api
