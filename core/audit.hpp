// The audit trail: who asked for what, and what came of it. Rows are hash-chained: each row's
// hash covers its content and the hash before it, so that a changed, added or missing row shows.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"

namespace noforce {

// What is to be recorded; number, time and hash come from the journal.
struct AuditEntry {
  std::string principal;  // Principal::name; "anonymous" without a credential
  std::string address;    // the peer's; "local" for the local socket and the agent itself
  std::string event;      // "job.accepted", "job.refused", "job.done", "job.cancelled", "denied",
                          // "hold.on", "hold.off", "token.created", "token.revoked", "reload",
                          // "agent.started", "agent.stopped"
  std::string outcome;    // an ErrorKind's or JobResult's name; "ok"
  std::string job;        // ULID, or empty
  std::vector<std::string> services;
  std::string detail;       // cleaned text, at most 500 characters
  std::uint64_t count = 1;  // how many alike this row stands for (denials are counted together)
};

struct AuditRow {
  std::uint64_t number = 0;  // 1, 2, 3 ... without gaps
  WallTime at{};
  AuditEntry entry;
  std::string hash;  // 64 hex digits

  // What the hash covers, besides the hash before it: a fixed, unambiguous serialization.
  [[nodiscard]] std::string canonical() const;
};

// sha256(previous hash + "\n" + canonical()). The first row's previous hash is 64 zeros.
[[nodiscard]] std::string audit_hash(const std::string& previous, const AuditRow& row);

struct AuditVerdict {
  std::uint64_t rows = 0;
  std::optional<std::uint64_t> first_bad;  // number of the first row that does not fit
  std::string head;                        // the last good hash
  std::string sentence;                    // what was found
};

struct AuditQuery {
  std::uint64_t before = 0;  // rows with a smaller number; 0: from the newest
  std::size_t limit = 100;
  std::optional<std::string> principal;
  std::optional<std::string> event;
  std::optional<WallTime> since;
};

}  // namespace noforce
