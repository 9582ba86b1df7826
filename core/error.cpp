#include "core/error.hpp"

#include <utility>

#include "core/names.hpp"

namespace noforce {
namespace {

constexpr auto kind_names = names_of<ErrorKind>(
    ErrorKind::internal, {
                             {ErrorKind::malformed, "malformed"},
                             {ErrorKind::unauthorized, "unauthorized"},
                             {ErrorKind::forbidden, "forbidden"},
                             {ErrorKind::not_found, "not_found"},
                             {ErrorKind::unknown_service, "unknown_service"},
                             {ErrorKind::unknown_group, "unknown_group"},
                             {ErrorKind::unknown_job, "unknown_job"},
                             {ErrorKind::method_not_allowed, "method_not_allowed"},
                             {ErrorKind::not_acceptable, "not_acceptable"},
                             {ErrorKind::too_large, "too_large"},
                             {ErrorKind::unsupported_media_type, "unsupported_media_type"},
                             {ErrorKind::idempotency_mismatch, "idempotency_mismatch"},
                             {ErrorKind::rate_limited, "rate_limited"},
                             {ErrorKind::dependents_running, "dependents_running"},
                             {ErrorKind::dependency_cycle, "dependency_cycle"},
                             {ErrorKind::dependency_missing, "dependency_missing"},
                             {ErrorKind::agent_itself, "agent_itself"},
                             {ErrorKind::service_disabled, "service_disabled"},
                             {ErrorKind::control_not_accepted, "control_not_accepted"},
                             {ErrorKind::held, "held"},
                             {ErrorKind::already_done, "already_done"},
                             {ErrorKind::plan_mismatch, "plan_mismatch"},
                             {ErrorKind::reason_required, "reason_required"},
                             {ErrorKind::queue_full, "queue_full"},
                             {ErrorKind::cooldown, "cooldown"},
                             {ErrorKind::journal_unavailable, "journal_unavailable"},
                             {ErrorKind::scm_unavailable, "scm_unavailable"},
                             {ErrorKind::shutting_down, "shutting_down"},
                             {ErrorKind::plan_changed, "plan_changed"},
                             {ErrorKind::expired, "expired"},
                             {ErrorKind::no_progress, "no_progress"},
                             {ErrorKind::deadline_passed, "deadline_passed"},
                             {ErrorKind::stop_failed, "stop_failed"},
                             {ErrorKind::start_failed, "start_failed"},
                             {ErrorKind::started_again, "started_again"},
                             {ErrorKind::hook_failed, "hook_failed"},
                             {ErrorKind::verify_failed, "verify_failed"},
                             {ErrorKind::interrupted, "interrupted"},
                             {ErrorKind::cancelled, "cancelled"},
                             {ErrorKind::access_denied, "access_denied"},
                             {ErrorKind::not_active, "not_active"},
                             {ErrorKind::already_running, "already_running"},
                             {ErrorKind::busy, "busy"},
                             {ErrorKind::timeout, "timeout"},
                             {ErrorKind::scm_failure, "scm_failure"},
                             {ErrorKind::internal, "internal"},
                         });

}  // namespace

std::string_view to_string(ErrorKind kind) {
  return kind_names.text(kind);
}
std::optional<ErrorKind> error_kind_from(std::string_view text) {
  return kind_names.value(text);
}

std::unexpected<Error> fail(ErrorKind kind, std::string detail, std::string service) {
  Error error;
  error.kind = kind;
  error.detail = std::move(detail);
  error.service = std::move(service);
  return std::unexpected(std::move(error));
}

}  // namespace noforce
