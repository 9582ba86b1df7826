// Time. Deadlines and progress are decided by the monotonic clock only; the wall clock is for
// people. Tests replace both.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace noforce {

using Milliseconds = std::chrono::milliseconds;
using Seconds = std::chrono::seconds;
// CLOCK_MONOTONIC: comparable between processes of one boot (agent and keeper share it).
using MonoTime = std::chrono::steady_clock::time_point;
// UTC with millisecond resolution.
using WallTime = std::chrono::sys_time<Milliseconds>;

class Clock {
 public:
  virtual ~Clock() = default;
  [[nodiscard]] virtual MonoTime mono() const = 0;
  [[nodiscard]] virtual WallTime wall() const = 0;
};

// The machine's own clocks. Any thread.
[[nodiscard]] const Clock& system_clock();

// "2026-11-23T00:10:02.123Z" (RFC 3339, UTC, milliseconds).
[[nodiscard]] std::string to_rfc3339(WallTime time);
// Accepts any RFC 3339 time stamp with an offset; nullopt for anything else.
[[nodiscard]] std::optional<WallTime> from_rfc3339(std::string_view text);

// "3 s", "250 ms": for sentences.
[[nodiscard]] std::string in_seconds(Milliseconds time);

// What tells one boot of the machine from the next (/proc/sys/kernel/random/boot_id; on Windows a key
// of the registry that a boot does not survive). Empty where the machine does not say.
[[nodiscard]] std::string boot_id();

}  // namespace noforce
