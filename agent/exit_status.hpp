// The program's exit statuses; scripts compare them, so none ever changes.
#pragma once

#include "core/error.hpp"

namespace noforce::agent {

inline constexpr int exit_ok = 0;
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_refused = 4;      // credential, policy, conflict, unknown name
inline constexpr int exit_unreachable = 5;  // the agent cannot be reached

[[nodiscard]] inline int exit_status_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::unauthorized:
    case ErrorKind::forbidden:
    case ErrorKind::held:
    case ErrorKind::busy:
      return exit_refused;
    case ErrorKind::scm_unavailable:
    case ErrorKind::shutting_down:
    case ErrorKind::timeout:
      return exit_unreachable;
    default:
      return exit_failed;
  }
}

}  // namespace noforce::agent
