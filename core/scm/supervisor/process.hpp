// Processes as /proc and pidfds show them. The only place that sends signals.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/fd.hpp"
#include "core/scm/supervisor/record.hpp"

namespace noforce::supervisor {

// What /proc/PID/stat says, as far as it is needed here.
struct ProcessStat {
  std::int64_t pid = 0;
  std::int64_t parent = 0;
  std::int64_t session = 0;
  char state = '?';              // R S D T t Z X I ...
  bool forked_only = false;      // has not exec'ed since its fork (PF_FORKNOEXEC)
  std::uint64_t start_time = 0;  // clock ticks since boot

  [[nodiscard]] bool gone() const { return state == 'Z' || state == 'X'; }
  [[nodiscard]] bool halted() const { return state == 'T'; }
  [[nodiscard]] ProcessId id() const { return {.pid = pid, .start_time = start_time}; }
};

// Pure: the line of /proc/PID/stat; a program's name may hold spaces and parentheses.
[[nodiscard]] std::optional<ProcessStat> parse_stat(std::string_view line);
[[nodiscard]] std::optional<ProcessStat> read_stat(std::int64_t pid);
// Every process that /proc shows. Milliseconds on a busy machine: for pause, not for each turn.
[[nodiscard]] std::vector<ProcessStat> all_processes();

// Whether the process belongs to `main`: it is it, or a descendant, or shares `session` (that of
// the service's first process; 0: not asked). Pure, over what `stat_of(pid)` gives.
template <typename StatOf>
[[nodiscard]] bool belongs_to(std::int64_t pid, std::int64_t main, std::int64_t session,
                              StatOf stat_of) {
  constexpr int kDeepest = 128;
  for (int depth = 0; depth < kDeepest && pid > 1; ++depth) {
    if (pid == main) return true;
    const std::optional<ProcessStat> stat = stat_of(pid);
    if (!stat) return false;
    if (session > 1 && stat->session == session) return true;
    pid = stat->parent;
  }
  return false;
}

// Empty, with errno set, when there is no such process.
[[nodiscard]] Fd open_pidfd(std::int64_t pid);
// A pidfd of exactly this process; empty when it is gone or another one has its pid.
[[nodiscard]] Fd open_pidfd(const ProcessId& process);
// 0, or the errno.
[[nodiscard]] int send_signal(const Fd& pidfd, int signal);

// Whether the process would handle, ignore, or has pending this signal, from /proc/PID/status.
struct SignalFate {
  bool pending = false;
  bool ignored = false;
  bool caught = false;
  bool blocked = false;
};
[[nodiscard]] std::optional<SignalFate> signal_fate(std::int64_t pid, int signal);

// "ENOENT", or empty.
[[nodiscard]] std::string errno_name(int code);
// "No such file or directory".
[[nodiscard]] std::string errno_sentence(int code);

}  // namespace noforce::supervisor
