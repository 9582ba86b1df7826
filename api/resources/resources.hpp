// The operations, one file a resource. Each parses, calls core, and renders; it decides nothing.
#pragma once

#include "api/context.hpp"

namespace noforce::api {

// health.cpp
Result<Response> get_health(Context& context);
Result<Response> get_readiness(Context& context);
Result<Response> get_contract_yaml(Context& context);
Result<Response> get_contract_json(Context& context);

// agent.cpp
Result<Response> get_agent(Context& context);

// services.cpp
// The job on this service, where the caller may see it.
[[nodiscard]] std::optional<std::string> visible_job(const Jobs& jobs, const Caller& caller,
                                                     const std::string& service);
Result<Response> list_services(Context& context);
Result<Response> get_service(Context& context);

// groups.cpp
Result<Response> list_groups(Context& context);
Result<Response> get_group(Context& context);

// jobs.cpp
Result<Response> create_job(Context& context);
Result<Response> control_service(Context& context);
Result<Response> control_group(Context& context);
Result<Response> list_jobs(Context& context);
Result<Response> get_job(Context& context);
Result<Response> cancel_job(Context& context);

// events.cpp
Result<Response> stream_events(Context& context);

// audit.cpp
Result<Response> list_audit(Context& context);

// hold.cpp
Result<Response> get_hold(Context& context);
Result<Response> set_hold(Context& context);

// What the query of the job operations may hold besides `fields`; see jobs.cpp.
inline constexpr std::string_view kJobQuery = "dry_run wait strict";
inline constexpr std::string_view kControlQuery =
    "dry_run wait strict dependents on_failure deadline_s no_progress_s queue_s reason plan_digest";

}  // namespace noforce::api
