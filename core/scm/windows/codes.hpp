// The Win32 error codes that a service control manager answers with, in one table: what each means
// for the executor, its name, and a sentence for the person. Pure; needs no Windows.
//
// The names and meanings are those of the documentation ("System Error Codes", and the return
// values of StartService, ControlService, ControlServiceEx and NotifyServiceStatusChange).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace noforce::windows {

// A Win32 error code; 0 is success.
using Code = std::uint32_t;

namespace code {
inline constexpr Code success = 0;
inline constexpr Code file_not_found = 2;
inline constexpr Code path_not_found = 3;
inline constexpr Code access_denied = 5;
inline constexpr Code invalid_handle = 6;
inline constexpr Code not_supported = 50;
inline constexpr Code invalid_parameter = 87;
inline constexpr Code call_not_implemented = 120;
inline constexpr Code invalid_level = 124;
inline constexpr Code bad_program = 193;
inline constexpr Code dependents_running = 1051;
inline constexpr Code invalid_control = 1052;
inline constexpr Code request_timeout = 1053;
inline constexpr Code no_thread = 1054;
inline constexpr Code database_locked = 1055;
inline constexpr Code already_running = 1056;
inline constexpr Code invalid_account = 1057;
inline constexpr Code disabled = 1058;
inline constexpr Code circular_dependency = 1059;
inline constexpr Code does_not_exist = 1060;
inline constexpr Code cannot_accept = 1061;
inline constexpr Code not_active = 1062;
inline constexpr Code specific_error = 1066;
inline constexpr Code process_aborted = 1067;
inline constexpr Code dependency_failed = 1068;
inline constexpr Code logon_failed = 1069;
inline constexpr Code start_hang = 1070;
inline constexpr Code marked_for_delete = 1072;
inline constexpr Code dependency_deleted = 1075;
inline constexpr Code never_started = 1077;
inline constexpr Code different_account = 1079;
inline constexpr Code not_in_program = 1083;
inline constexpr Code shutdown_in_progress = 1115;
inline constexpr Code notify_lagging = 1294;
inline constexpr Code missing_privilege = 1297;
inline constexpr Code server_unavailable = 1722;
inline constexpr Code server_busy = 1723;
inline constexpr Code call_failed = 1726;
inline constexpr Code call_not_executed = 1727;
inline constexpr Code call_cancelled = 1818;
}  // namespace code

struct CodeMeaning {
  Code code = 0;
  std::string_view name;  // "ERROR_DEPENDENT_SERVICES_RUNNING"
  ErrorKind kind = ErrorKind::scm_failure;
  Effect effect = Effect::none;
  std::string_view sentence;  // goes on after the service's name: " does not accept ..."
};

// What a code means. For one that is not in the table: scm_failure without a name, `effect` none.
[[nodiscard]] CodeMeaning meaning_of(Code code);

// "1051 ERROR_DEPENDENT_SERVICES_RUNNING"; the number alone for what is not in the table.
[[nodiscard]] std::string number_and_name(Code code);

// The answer of a call for `service` that failed with `code` (never 0). `asked` names the call's
// aim in the sentence: "a stop", "a start".
[[nodiscard]] Error error_of(Code code, const std::string& service, std::string_view asked);

// The SCM itself cannot be talked to (its RPC server does not answer): nothing is known until it
// can be again.
[[nodiscard]] bool means_lost(Code code);

}  // namespace noforce::windows
