// A service as its SCM shows it, and the picture of all of them.
//
// The states are those of the Windows service control manager (SERVICE_STATUS.dwCurrentState);
// every backend maps its own onto them. The four pending states carry a checkpoint (grows while
// the service makes progress) and a wait hint (how long the next step may take), whatever the SCM
// below calls them: sd_notify's STATUS and EXTEND_TIMEOUT_USEC for the supervisor and systemd.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"

namespace noforce {

enum class ServiceState : std::uint8_t {
  stopped,
  start_pending,
  stop_pending,
  running,
  continue_pending,
  pause_pending,
  paused,
};

[[nodiscard]] std::string_view to_string(ServiceState state);
[[nodiscard]] std::optional<ServiceState> service_state_from(std::string_view text);
[[nodiscard]] bool is_pending(ServiceState state);
// Everything but stopped: the service has, or may have, a process.
[[nodiscard]] bool is_up(ServiceState state);

enum class StartType : std::uint8_t { automatic, manual, disabled };
// "auto", "manual", "disabled".
[[nodiscard]] std::string_view to_string(StartType type);
[[nodiscard]] std::optional<StartType> start_type_from(std::string_view text);

// One run of a service, from its start to the end of its process. A pid alone would not do: it is
// reused. `key` is the backend's own (pid + start time + boot id; an InvocationID; pid + creation
// time) and is compared, never read.
struct Instance {
  std::int64_t pid = 0;
  std::string key;

  bool operator==(const Instance& other) const { return key == other.key; }
};

// Controls that the service takes now.
struct Accepts {
  bool stop = false;
  bool pause_continue = false;
  bool reload = false;

  bool operator==(const Accepts&) const = default;
};

// How the last instance ended. `code` is the exit status, or 128 + n for signal n; both are unset
// when nobody could see the end (the keeper was replaced meanwhile).
struct Exit {
  std::optional<std::int64_t> code;
  std::optional<std::int64_t> service_code;  // Windows: the service-specific code (with 1066)

  bool operator==(const Exit&) const = default;
};

struct Service {
  std::string name;  // canonical: the SCM's spelling
  std::string display_name;
  ServiceState state = ServiceState::stopped;
  std::optional<Instance> instance;  // set while a process is known; also in the pending states
  StartType start_type = StartType::manual;
  // No longer among the settings: it may be stopped, and only a job that had begun may start it.
  bool taken_out = false;
  Accepts accepts;
  std::uint64_t checkpoint = 0;  // grows with each sign of progress of this pending state
  Milliseconds wait_hint{0};
  // When the service last showed progress in a pending state (entering one counts); meaningless
  // in the others.
  MonoTime last_progress{};
  std::string status_text;              // valid UTF-8, bounded, control characters escaped
  std::optional<Exit> exit;             // of the last instance that ended; unset: none has
  WallTime since{};                     // when this state was entered
  std::vector<std::string> depends_on;  // direct, canonical where known
  std::vector<std::string> warnings;    // sentences for the person

  bool operator==(const Service&) const = default;
};

class Graph;

// An immutable, revisioned picture of all services of one SCM. Shared between threads.
struct Picture {
  std::uint64_t revision = 0;                            // grows with each change
  std::vector<std::shared_ptr<const Service>> services;  // sorted by name
  std::shared_ptr<const Graph> graph;  // never null; rebuilt only when names or edges change
  bool complete = false;               // false until the SCM was seen once, and while it is lost

  // By canonical name; null when there is none. O(log n).
  [[nodiscard]] const Service* find(std::string_view name) const;
};

using PicturePtr = std::shared_ptr<const Picture>;

}  // namespace noforce
