// The log as journald keeps it: each line a datagram of fields (systemd.journal-fields(7), "Native Journal
// Protocol"), so that `journalctl NOFORCE_JOB=01K...` finds all that was said of a job. Linux.
#pragma once

#include <cstdint>
#include <string>

#include "agent/system_log.hpp"
#include "core/thread_safety.hpp"

namespace noforce::agent {

// Whether `stream`, which is $JOURNAL_STREAM or null, names what this descriptor leads to: a child of
// somebody whose output goes to the journal has inherited the variable, and maybe not the output.
[[nodiscard]] bool leads_to_journald(const char* stream, int descriptor);

// MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, NOFORCE_FROM, NOFORCE_EVENT (the text alone) and a field
// NOFORCE_KEY for each key.
[[nodiscard]] std::string journal_datagram(const LogEntry& entry);

class Journald {
 public:
  explicit Journald(std::string socket = "/run/systemd/journal/socket")
      : socket_(std::move(socket)) {}

  // Never waits. What journald does not take because it is behind is lost, and counted: the count comes
  // before the next line that it takes. False: it is not there, or will never take this line. Any thread.
  [[nodiscard]] bool keep(const LogEntry& entry);

 private:
  enum class Sent : std::uint8_t { yes, behind, no };
  [[nodiscard]] Sent send(const LogEntry& entry) const;

  const std::string socket_;
  Mutex mutex_;
  std::uint64_t lost_ NOFORCE_GUARDED_BY(mutex_) = 0;
};

}  // namespace noforce::agent
