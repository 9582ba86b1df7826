#include "core/scm/windows/codes.hpp"

#include <algorithm>
#include <array>
#include <iterator>

namespace noforce::windows {
namespace {

// Sorted by code. `effect` is none where the SCM refuses before it does anything; unknown where
// the control may have arrived (1053, and an RPC that broke off or was called off after it was sent).
constexpr std::array kMeanings{
    CodeMeaning{code::file_not_found, "ERROR_FILE_NOT_FOUND", ErrorKind::start_failed, Effect::none,
                "its program is not where its configuration says; look at its path to executable"},
    CodeMeaning{code::path_not_found, "ERROR_PATH_NOT_FOUND", ErrorKind::start_failed, Effect::none,
                "the folder of its program is not there; look at its path to executable"},
    CodeMeaning{code::access_denied, "ERROR_ACCESS_DENIED", ErrorKind::access_denied, Effect::none,
                "the service manager does not allow it to this agent; run the agent as an "
                "administrator's service, or give it the right in the service's security "
                "descriptor"},
    CodeMeaning{code::invalid_handle, "ERROR_INVALID_HANDLE", ErrorKind::scm_failure, Effect::none,
                "the service manager no longer knows the handle by which it was asked; ask again"},
    CodeMeaning{code::not_supported, "ERROR_NOT_SUPPORTED", ErrorKind::scm_failure, Effect::none,
                "this Windows does not support it"},
    CodeMeaning{code::invalid_parameter, "ERROR_INVALID_PARAMETER", ErrorKind::scm_failure,
                Effect::none, "the service manager does not understand the request"},
    CodeMeaning{code::call_not_implemented, "ERROR_CALL_NOT_IMPLEMENTED", ErrorKind::scm_failure,
                Effect::none, "this Windows does not have the call"},
    CodeMeaning{code::invalid_level, "ERROR_INVALID_LEVEL", ErrorKind::scm_failure, Effect::none,
                "this Windows does not know what was asked for"},
    CodeMeaning{
        code::bad_program, "ERROR_BAD_EXE_FORMAT", ErrorKind::start_failed, Effect::none,
        "its program is none that this Windows can run; install the one for this kind of machine"},
    CodeMeaning{code::dependents_running, "ERROR_DEPENDENT_SERVICES_RUNNING",
                ErrorKind::dependents_running, Effect::none,
                "services that depend on it are running; they have to be stopped first"},
    CodeMeaning{code::invalid_control, "ERROR_INVALID_SERVICE_CONTROL",
                ErrorKind::control_not_accepted, Effect::none,
                "it does not accept this control now and goes on running; ask again later, or look "
                "at its own log for why"},
    CodeMeaning{code::request_timeout, "ERROR_SERVICE_REQUEST_TIMEOUT", ErrorKind::timeout,
                Effect::unknown,
                "it did not answer the service manager in time, which may be another service's "
                "fault; it may still do it"},
    CodeMeaning{code::no_thread, "ERROR_SERVICE_NO_THREAD", ErrorKind::start_failed, Effect::none,
                "Windows could not make a thread for it; the machine may be out of memory"},
    CodeMeaning{code::database_locked, "ERROR_SERVICE_DATABASE_LOCKED", ErrorKind::busy,
                Effect::none, "the service manager's database is locked by another program"},
    CodeMeaning{code::already_running, "ERROR_SERVICE_ALREADY_RUNNING", ErrorKind::already_running,
                Effect::none, "it is already running"},
    CodeMeaning{code::invalid_account, "ERROR_INVALID_SERVICE_ACCOUNT", ErrorKind::start_failed,
                Effect::none, "its account does not exist or its password is wrong; set both anew"},
    CodeMeaning{code::disabled, "ERROR_SERVICE_DISABLED", ErrorKind::service_disabled, Effect::none,
                "it is disabled, or has no enabled device; enable it and start it"},
    CodeMeaning{code::circular_dependency, "ERROR_CIRCULAR_DEPENDENCY", ErrorKind::dependency_cycle,
                Effect::none, "its dependencies form a circle; take one of them out"},
    CodeMeaning{code::does_not_exist, "ERROR_SERVICE_DOES_NOT_EXIST", ErrorKind::unknown_service,
                Effect::none, "there is no such service any more"},
    CodeMeaning{code::cannot_accept, "ERROR_SERVICE_CANNOT_ACCEPT_CTRL", ErrorKind::busy,
                Effect::none, "it cannot take a control at this moment"},
    CodeMeaning{code::not_active, "ERROR_SERVICE_NOT_ACTIVE", ErrorKind::not_active, Effect::none,
                "it is not running"},
    CodeMeaning{code::specific_error, "ERROR_SERVICE_SPECIFIC_ERROR", ErrorKind::scm_failure,
                Effect::done,
                "it ended with an error code of its own; its documentation says "
                "what that means"},
    CodeMeaning{code::process_aborted, "ERROR_PROCESS_ABORTED", ErrorKind::scm_failure,
                Effect::done, "its process ended unexpectedly, without reporting that it stopped"},
    CodeMeaning{code::dependency_failed, "ERROR_SERVICE_DEPENDENCY_FAIL", ErrorKind::start_failed,
                Effect::none,
                "a service or group that it depends on could not be started; look "
                "at that one"},
    CodeMeaning{code::logon_failed, "ERROR_SERVICE_LOGON_FAILED", ErrorKind::start_failed,
                Effect::none,
                "its account could not log on; look at the account's password and "
                "its right to log on as a service"},
    CodeMeaning{code::start_hang, "ERROR_SERVICE_START_HANG", ErrorKind::timeout, Effect::unknown,
                "it hangs in its start; it may still come up"},
    CodeMeaning{code::marked_for_delete, "ERROR_SERVICE_MARKED_FOR_DELETE",
                ErrorKind::unknown_service, Effect::none,
                "it is marked for deletion, and is gone once it is stopped and nobody has it open"},
    CodeMeaning{code::dependency_deleted, "ERROR_SERVICE_DEPENDENCY_DELETED",
                ErrorKind::dependency_missing, Effect::none,
                "a service that it depends on does not exist or is marked for deletion"},
    CodeMeaning{code::never_started, "ERROR_SERVICE_NEVER_STARTED", ErrorKind::not_active,
                Effect::none, "no start of it was tried since the machine's start"},
    CodeMeaning{code::different_account, "ERROR_DIFFERENT_SERVICE_ACCOUNT", ErrorKind::start_failed,
                Effect::none,
                "its account is another one than that of the services in the same process; give "
                "all of them the same"},
    CodeMeaning{
        code::not_in_program, "ERROR_SERVICE_NOT_IN_EXE", ErrorKind::start_failed, Effect::none,
        "its program was started and does not know this service; look at its path to executable"},
    CodeMeaning{code::shutdown_in_progress, "ERROR_SHUTDOWN_IN_PROGRESS", ErrorKind::shutting_down,
                Effect::none, "the machine is shutting down"},
    CodeMeaning{code::notify_lagging, "ERROR_SERVICE_NOTIFY_CLIENT_LAGGING", ErrorKind::busy,
                Effect::none, "the agent fell behind with the service manager's notifications"},
    CodeMeaning{code::missing_privilege, "ERROR_INCOMPATIBLE_SERVICE_PRIVILEGE",
                ErrorKind::start_failed, Effect::none,
                "its account lacks a privilege that it says it needs; grant that, or take it out "
                "of what the service requires"},
    CodeMeaning{code::server_unavailable, "RPC_S_SERVER_UNAVAILABLE", ErrorKind::scm_unavailable,
                Effect::none, "the service manager cannot be reached"},
    CodeMeaning{code::server_busy, "RPC_S_SERVER_TOO_BUSY", ErrorKind::busy, Effect::none,
                "the service manager is too busy to take the request"},
    CodeMeaning{code::call_failed, "RPC_S_CALL_FAILED", ErrorKind::scm_unavailable, Effect::unknown,
                "the service manager broke off in mid-call"},
    CodeMeaning{code::call_not_executed, "RPC_S_CALL_FAILED_DNE", ErrorKind::scm_unavailable,
                Effect::none, "the service manager broke off before it took the request"},
    CodeMeaning{code::call_cancelled, "RPC_S_CALL_CANCELLED", ErrorKind::timeout, Effect::unknown,
                "the request was called off while the service manager had it; it may still do it"},
};

static_assert(std::is_sorted(kMeanings.begin(), kMeanings.end(),
                             [](const auto& a, const auto& b) { return a.code < b.code; }));

}  // namespace

CodeMeaning meaning_of(Code code) {
  const auto found = std::lower_bound(kMeanings.begin(), kMeanings.end(), code,
                                      [](const auto& row, Code it) { return row.code < it; });
  if (found != kMeanings.end() && found->code == code) return *found;
  return {.code = code, .sentence = "the service manager refused"};
}

std::string number_and_name(Code code) {
  const CodeMeaning meaning = meaning_of(code);
  std::string text = std::to_string(code);
  if (!meaning.name.empty()) text.append(" ").append(meaning.name);
  return text;
}

Error error_of(Code code, const std::string& service, std::string_view asked) {
  const CodeMeaning meaning = meaning_of(code);
  Error error;
  error.kind = meaning.kind;
  error.service = service;
  error.native_code = code;
  error.native_name = meaning.name;
  error.effect = meaning.effect;
  error.detail = service + " was asked for ";
  error.detail.append(asked).append(": ").append(meaning.sentence);
  error.detail += " (" + number_and_name(code) + ").";
  return error;
}

bool means_lost(Code code) {
  return code == code::server_unavailable || code == code::call_failed ||
         code == code::call_not_executed;
}

}  // namespace noforce::windows
