// A copy of the journal, consistent, checked and on disk, while an agent writes to it or none runs.
#pragma once

#include <cstdint>
#include <string>

#include "core/audit.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"

namespace noforce {

struct JournalCopy {
  std::uint64_t jobs = 0;
  std::uint64_t unfinished = 0;  // of these
  WallTime at{};                 // everything that was durable by then is in it
  AuditVerdict audit;
};

// Copies the journal at `from` to the new file `to` (mode 0600), which appears whole or not at all.
// Reads `from` through SQLite only and without the agent: commits go on meanwhile, and what they
// write does not get into the copy. The copy has no write-ahead log; it becomes a journal where it is
// put in place of one. Takes as long as the history is. Errors: already_done (`to` is there),
// not_found (no journal), journal_unavailable (damage is named, and leaves no copy behind).
[[nodiscard]] Result<JournalCopy> copy_journal(const std::string& from, const std::string& to,
                                               const Clock& clock = system_clock());

}  // namespace noforce
