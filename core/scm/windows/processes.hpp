// The processes of the services, held open: while a handle of a process is open its pid is nobody
// else's, and its end is heard. One thread, the one that waits (Calls::wait).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>

#include "core/scm/windows/calls.hpp"
#include "core/scm/windows/followed.hpp"
#include "core/scm/windows/records.hpp"

namespace noforce::windows {

class Processes {
 public:
  explicit Processes(Calls& calls) : calls_(calls) {}

  // The status of a service, with the process that it names held. A pid can be another process's by
  // the time that it is opened, and is nobody else's from then on: it is the service's if `again`,
  // which asks for the status anew, still names it.
  [[nodiscard]] StatusRecord hold(StatusRecord status,
                                  const std::function<Answer<StatusRecord>()>& again);
  // As it is at this moment; its number alone where it never was held.
  [[nodiscard]] ProcessSeen look(std::uint32_t pid);
  // Drops all the others.
  void keep_only(const std::set<std::uint32_t>& pids);
  void clear() { processes_.clear(); }

 private:
  struct Process {
    ProcessHandle handle;
    ProcessSeen seen;
  };

  [[nodiscard]] bool open(std::uint32_t pid);

  Calls& calls_;
  std::map<std::uint32_t, Process> processes_;
};

}  // namespace noforce::windows
