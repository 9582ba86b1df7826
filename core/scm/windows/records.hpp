// What the service control manager says, in its own numbers and without its headers: the members
// of SERVICE_STATUS_PROCESS, QUERY_SERVICE_CONFIG and their like that this backend reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/scm/windows/codes.hpp"

namespace noforce::windows {

// SERVICE_STATUS_PROCESS.dwCurrentState.
namespace state {
inline constexpr std::uint32_t stopped = 1;
inline constexpr std::uint32_t start_pending = 2;
inline constexpr std::uint32_t stop_pending = 3;
inline constexpr std::uint32_t running = 4;
inline constexpr std::uint32_t continue_pending = 5;
inline constexpr std::uint32_t pause_pending = 6;
inline constexpr std::uint32_t paused = 7;
}  // namespace state

// dwControlsAccepted.
namespace accept {
inline constexpr std::uint32_t stop = 0x1;
inline constexpr std::uint32_t pause_continue = 0x2;
inline constexpr std::uint32_t paramchange = 0x8;
inline constexpr std::uint32_t preshutdown = 0x100;
}  // namespace accept

// dwServiceType.
namespace type {
inline constexpr std::uint32_t drivers = 0x0B;  // kernel, file system, recognizer
inline constexpr std::uint32_t own_process = 0x10;
inline constexpr std::uint32_t share_process = 0x20;
}  // namespace type

// dwStartType.
namespace start {
inline constexpr std::uint32_t boot = 0;
inline constexpr std::uint32_t system = 1;
inline constexpr std::uint32_t automatic = 2;
inline constexpr std::uint32_t demand = 3;
inline constexpr std::uint32_t disabled = 4;
}  // namespace start

// The controls that ControlService sends.
namespace control {
inline constexpr std::uint32_t stop = 1;
inline constexpr std::uint32_t pause = 2;
inline constexpr std::uint32_t resume = 3;
inline constexpr std::uint32_t paramchange = 6;
}  // namespace control

// Access rights ("Service Security and Access Rights"); a handle is opened with what one call needs.
namespace right {
inline constexpr std::uint32_t manager_connect = 0x0001;
inline constexpr std::uint32_t manager_enumerate = 0x0004;
inline constexpr std::uint32_t query_config = 0x0001;
inline constexpr std::uint32_t query_status = 0x0004;
inline constexpr std::uint32_t enumerate_dependents = 0x0008;
inline constexpr std::uint32_t start = 0x0010;
inline constexpr std::uint32_t stop = 0x0020;
inline constexpr std::uint32_t pause_continue = 0x0040;
}  // namespace right

// ControlServiceEx: planned, by software, for maintenance (SERVICE_STOP_REASON_FLAG_PLANNED,
// _MAJOR_SOFTWARE, _MINOR_MAINTENANCE).
inline constexpr std::uint32_t kStopReason = 0x40000000 | 0x00040000 | 0x00000002;
// SERVICE_CONTROL_STATUS_REASON_PARAMS.pszComment holds "no more than 127 characters".
inline constexpr std::size_t kMostComment = 127;

struct StatusRecord {
  std::uint32_t type = type::own_process;
  std::uint32_t state = state::stopped;
  std::uint32_t accepts = 0;
  Code exit_code = 0;
  Code service_code = 0;  // counts where exit_code is 1066
  std::uint32_t checkpoint = 0;
  std::uint32_t wait_hint = 0;  // milliseconds
  std::uint32_t pid = 0;

  bool operator==(const StatusRecord&) const = default;
};

struct ListedService {
  std::string name;
  std::string display_name;
  StatusRecord status;
};

struct ConfigRecord {
  std::string display_name;
  std::uint32_t type = type::own_process;
  std::uint32_t start = start::demand;
  std::string load_group;                 // lpLoadOrderGroup
  std::vector<std::string> dependencies;  // as written; "+NAME" is a group (SC_GROUP_IDENTIFIER)

  bool operator==(const ConfigRecord&) const = default;
};

enum class RecoveryAction : std::uint32_t { none = 0, restart = 1, reboot = 2, run_command = 3 };

// SERVICE_FAILURE_ACTIONS and SERVICE_FAILURE_ACTIONS_FLAG.
struct RecoveryRecord {
  struct Step {
    RecoveryAction action = RecoveryAction::none;
    std::uint32_t delay_ms = 0;

    bool operator==(const Step&) const = default;
  };
  std::vector<Step> steps;     // for the first failure, the second, and so on
  bool on_error_exit = false;  // also when it stops with an error, not only when it crashes

  bool operator==(const RecoveryRecord&) const = default;
};

// SERVICE_TRIGGER: what starts or stops the service by itself.
struct TriggerRecord {
  std::uint32_t kind = 0;  // SERVICE_TRIGGER_TYPE_...
  bool starts = true;      // SERVICE_TRIGGER_ACTION_SERVICE_START

  bool operator==(const TriggerRecord&) const = default;
};

}  // namespace noforce::windows
