// sd_notify's protocol: what a service says of itself (sd_notify(3)). Pure; the socket is
// notify_socket.hpp's, and whether the sender may speak for the service is the keeper's to check.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.hpp"

namespace noforce::supervisor {

inline constexpr std::size_t kMaxNotify = 4096;     // bytes of one message
inline constexpr std::size_t kMaxStatusText = 256;  // code points
inline constexpr Milliseconds kMaxWaitHint{24 * 3600 * 1000};

struct Notification {
  bool ready = false;
  bool stopping = false;
  bool reloading = false;
  std::optional<std::string> status;  // cleaned: bounded, valid UTF-8, nothing that moves a cursor
  std::optional<std::int64_t> main_pid;
  std::optional<Milliseconds> extend;  // EXTEND_TIMEOUT_USEC, at most kMaxWaitHint

  bool operator==(const Notification&) const = default;
};

// Nothing when no line says anything about the service's way through its states. WATCHDOG=1, fds
// to store and the like are no progress: a watchdog's thread goes on while the service hangs.
[[nodiscard]] std::optional<Notification> parse_notification(std::string_view message);

}  // namespace noforce::supervisor
