#include "core/scm/windows/processes.hpp"

#include <string>
#include <utility>

#include "core/log.hpp"

namespace noforce::windows {
namespace {

constexpr int kMostTakeovers = 4;  // of a pid within one look

}  // namespace

StatusRecord Processes::hold(StatusRecord status,
                             const std::function<Answer<StatusRecord>()>& again) {
  for (int tries = 0; tries < kMostTakeovers && status.pid != 0; ++tries) {
    if (!open(status.pid)) return status;
    const auto now = again();
    if (!now) return status;
    if (now->pid == status.pid) return *now;
    processes_.erase(status.pid);
    status = *now;
  }
  return status;
}

// True when something came to be known of whoever has this number now.
bool Processes::open(std::uint32_t pid) {
  Process& process = processes_[pid];
  if (process.handle) return false;
  process.seen.pid = pid;
  auto opened = calls_.open_process(pid);
  if (!opened) {
    // 87: there is no such process.
    process.seen.held = false;
    process.seen.ended = opened.error() == code::invalid_parameter;
    return process.seen.ended;
  }
  process.handle = std::move(*opened);
  process.seen = {.pid = pid, .held = true};
  if (const auto created = calls_.creation_time(process.handle)) process.seen.created = *created;
  if (calls_.watch_process(process.handle, pid) != code::success) {
    log_debug("windows", "the end of process " + std::to_string(pid) + " is seen by looking only");
  }
  return true;
}

ProcessSeen Processes::look(std::uint32_t pid) {
  const auto found = processes_.find(pid);
  if (found == processes_.end()) return {.pid = pid};
  Process& process = found->second;
  if (process.handle && !process.seen.ended) {
    process.seen.exit_code = calls_.exit_code(process.handle);
    process.seen.ended = process.seen.exit_code.has_value();
  }
  return process.seen;
}

void Processes::keep_only(const std::set<std::uint32_t>& pids) {
  std::erase_if(processes_, [&](const auto& it) { return !pids.contains(it.first); });
}

}  // namespace noforce::windows
