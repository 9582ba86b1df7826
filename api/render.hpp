// Resources as JSON and as text. Field names and their order are the contract's; more may be
// added, none renamed. What is unknown is null.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/json_writer.hpp"
#include "core/audit.hpp"
#include "core/clock.hpp"
#include "core/job.hpp"
#include "core/jobs.hpp"
#include "core/principal.hpp"
#include "core/service.hpp"

namespace noforce::api {

// Times that run on are measured at `now`.
void write_job(JsonWriter& w, const Job& job, MonoTime now);
[[nodiscard]] std::string job_json(const Job& job, MonoTime now);
// "succeeded restart w3svc 4.2s job=01J... down=-\n"; `wall` ends the time of a running one.
[[nodiscard]] std::string job_line(const Job& job, WallTime wall);
// What changes with the clock alone is not in it.
[[nodiscard]] std::string job_etag(const Job& job);
// The result's name; before the end, the state's: the header Noforce-Job-Result.
[[nodiscard]] std::string_view result_or_state(const Job& job);

// A service with what the rest of the agent knows of it.
struct ServiceView {
  const Service& service;
  std::vector<std::string> depends_on;  // those that the caller may see
  std::vector<std::string> dependents;
  std::vector<std::string> groups;
  bool is_protected = false;
  std::optional<std::string> job;
};
void write_service(JsonWriter& w, const ServiceView& view, MonoTime now);
// "running w3svc pid=4711 since=... job=-\n"
[[nodiscard]] std::string service_line(const ServiceView& view, MonoTime now);
// The since_progress_ms in a written service, which alone moves with the clock.
[[nodiscard]] std::string_view moving_part(std::string_view service_json);

// The answer that the real call would get: no refusal means 202.
[[nodiscard]] std::string dry_run_json(const DryRun& run);
[[nodiscard]] std::string dry_run_text(const DryRun& run);

struct GroupView {
  std::string name;
  std::vector<const Service*> services;  // those that the caller may see, in the settings' order
  std::vector<std::string> missing;      // named in the settings, unknown to the SCM
};
void write_group(JsonWriter& w, const GroupView& view);
[[nodiscard]] std::string group_line(const GroupView& view);

void write_audit_row(JsonWriter& w, const AuditRow& row);
[[nodiscard]] std::string audit_line(const AuditRow& row);

void write_hold(JsonWriter& w, const HoldState& hold);

// 4210 ms -> "4.2s", 75 s -> "75.0s".
[[nodiscard]] std::string seconds_text(Milliseconds duration);

}  // namespace noforce::api
