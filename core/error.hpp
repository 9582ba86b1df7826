// What can fail in normal life, as a value: a small closed set of kinds, the sentence for the
// person, and, where a service control manager (SCM) was asked, its own number and name.
//
// A kind is also the `code` of a problem document and of a job's `error`; api/problem.cpp maps
// each to one HTTP status, once. Kinds are never renamed: scripts compare them.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace noforce {

enum class ErrorKind : std::uint8_t {
  // The request itself.
  malformed,     // cannot be read: JSON, UTF-8, a number out of range, an unknown option
  unauthorized,  // no credential, or one that is not valid
  forbidden,     // a valid credential that may not do this
  not_found,     // no such route or resource
  unknown_service,
  unknown_group,
  unknown_job,
  method_not_allowed,
  not_acceptable,
  too_large,
  unsupported_media_type,
  idempotency_mismatch,  // the Idempotency-Key was used with another request
  rate_limited,
  // What policy or the state of things refuses, before anything is accepted.
  dependents_running,  // running dependents would go down and the caller did not consent
  dependency_cycle,
  dependency_missing,  // a service depends on one that the SCM does not know
  agent_itself,        // the agent, its keeper, or what they run on
  service_disabled,
  control_not_accepted,  // 1052: the service does not accept this control now
  held,                  // a hold is on
  already_done,          // cancel of a job that has ended
  plan_mismatch,         // `plan_digest` is not that of today's plan
  reason_required,       // a protected service and no reason given
  queue_full,
  cooldown,
  journal_unavailable,  // nothing can be made durable, so nothing is accepted
  scm_unavailable,
  shutting_down,
  // How a job can fail after it was accepted; these live in the job and its steps.
  plan_changed,     // more would go down than was consented to, or the digest no longer fits
  expired,          // waited in the queue for longer than `queue_s`
  no_progress,      // a pending service showed none for `no_progress_s` beyond its wait hint
  deadline_passed,  // the job's `deadline_s` ran out
  stop_failed,
  start_failed,
  started_again,  // something starts the service again each time it is stopped
  hook_failed,
  verify_failed,
  interrupted,  // the machine was rebooted, or the plan no longer fits what is found
  cancelled,
  // The SCM's answer to a control.
  access_denied,
  not_active,       // 1062: already stopped
  already_running,  // 1056
  busy,             // 1055, 1061: cannot take it at this moment; worth another try
  timeout,          // 1053, a D-Bus time-out: effect unknown, keep looking
  scm_failure,      // any other answer; native_code and native_name tell
  internal,
};

// The kind's name as it is written in JSON, e.g. "dependents_running".
[[nodiscard]] std::string_view to_string(ErrorKind kind);
[[nodiscard]] std::optional<ErrorKind> error_kind_from(std::string_view text);

// What a failed control did to the service.
enum class Effect : std::uint8_t { none, done, unknown };

struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string detail;   // a sentence that says what happened and what to do next
  std::string service;  // canonical name; empty: none in particular
  std::optional<std::int64_t> native_code;  // e.g. 1051, an errno, an exit status
  std::string native_name;                  // e.g. "ERROR_DEPENDENT_SERVICES_RUNNING", "ENOENT"
  // The other services that the sentence is about; dependents_running: who would go down, in stop
  // order.
  std::vector<std::string> dependents;
  std::string undisclosed;  // what the audit trail adds and the caller is not told
  Effect effect = Effect::none;
  bool audited = false;              // the trail has it already: nobody else records it
  std::optional<int> retry_after_s;  // queue_full, cooldown, rate_limited, shutting_down

  bool operator==(const Error&) const = default;
};

template <typename T>
using Result = std::expected<T, Error>;

// Short for `std::unexpected(Error{kind, detail, service})`.
[[nodiscard]] std::unexpected<Error> fail(ErrorKind kind, std::string detail,
                                          std::string service = {});

}  // namespace noforce
