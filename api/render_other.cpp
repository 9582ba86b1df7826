// The smaller resources: dry runs, audit rows, the hold.
#include "api/problem.hpp"
#include "api/render.hpp"

namespace noforce::api {

std::string dry_run_json(const DryRun& run) {
  const Plan& plan = run.plan;
  JsonWriter w;
  w.begin_object();
  w.key("action").string(to_string(plan.action));
  w.key("digest").string(plan.digest);
  w.key("steps").begin_array();
  for (const PlannedStep& step : plan.steps) {
    w.begin_object();
    w.key("service").string(step.service);
    w.key("operation").string(to_string(step.operation));
    w.end_object();
  }
  w.end_array();
  w.key("goes_down").strings(plan.goes_down);
  w.key("needs_consent").boolean(plan.needs_consent());
  w.key("would_answer").begin_object();
  w.key("status").integer(run.refusal ? status_of(run.refusal->kind) : 202);
  w.key("code").string_or_null(run.refusal ? to_string(run.refusal->kind) : std::string_view());
  w.key("detail").string_or_null(run.refusal ? run.refusal->detail : std::string());
  w.end_object();
  w.key("estimate_ms").milliseconds(run.estimate);
  w.key("warnings").strings(plan.warnings);
  w.end_object();
  return std::move(w).text();
}

std::string dry_run_text(const DryRun& run) {
  const Plan& plan = run.plan;
  std::string text;
  for (const PlannedStep& step : plan.steps)
    text.append(to_string(step.operation)).append(" ").append(step.service).append("\n");
  if (plan.steps.empty()) text += "nothing to do\n";
  for (const std::string& warning : plan.warnings)
    text.append("warning: ").append(warning).append("\n");
  text.append("would answer ");
  if (run.refusal)
    text.append(std::to_string(status_of(run.refusal->kind)))
        .append(" ")
        .append(to_string(run.refusal->kind))
        .append(": ")
        .append(run.refusal->detail);
  else
    text.append("202");
  return text + '\n';
}

void write_audit_row(JsonWriter& w, const AuditRow& row) {
  w.begin_object();
  w.key("number").integer(static_cast<std::int64_t>(row.number));
  w.key("at").time(row.at);
  w.key("principal").string(row.entry.principal);
  w.key("address").string_or_null(row.entry.address);
  w.key("event").string(row.entry.event);
  w.key("outcome").string(row.entry.outcome);
  w.key("job").string_or_null(row.entry.job);
  w.key("services").strings(row.entry.services);
  w.key("detail").string_or_null(row.entry.detail);
  w.key("count").integer(static_cast<std::int64_t>(row.entry.count));
  w.key("hash").string(row.hash);
  w.end_object();
}

std::string audit_line(const AuditRow& row) {
  std::string line = std::to_string(row.number) + " " + to_rfc3339(row.at) + " " +
                     row.entry.principal + " " + row.entry.event + " " + row.entry.outcome;
  if (!row.entry.address.empty()) line.append(" from=").append(row.entry.address);
  if (!row.entry.job.empty()) line.append(" job=").append(row.entry.job);
  if (row.entry.count > 1) line.append(" count=").append(std::to_string(row.entry.count));
  if (!row.entry.detail.empty()) line.append(" ").append(row.entry.detail);
  return line + '\n';
}

void write_hold(JsonWriter& w, const HoldState& hold) {
  w.begin_object();
  w.key("on").boolean(hold.on);
  w.key("by").string_or_null(hold.on ? hold.by : "");
  w.key("reason").string_or_null(hold.on ? hold.reason : "");
  w.key("since").time(hold.on ? hold.since : std::nullopt);
  w.end_object();
}

}  // namespace noforce::api
