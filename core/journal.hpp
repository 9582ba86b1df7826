// The journal: everything that must outlive the process, in one SQLite file (`noforce.db`).
//
// WAL mode. One writer thread owns the writing connection; calls from any thread queue a unit of
// work and block until it is on disk. Units that wait at the same time share one commit (each in
// a savepoint of its own, so that one that fails does not take the others with it). A commit is
// synchronous=FULL when any unit in it asks for it (`Durability::power_loss`), else NORMAL, which
// survives kill -9 of the agent but not a power cut. Readers use connections of their own.
//
// When the disk is full, what is new (accept, audit, add_token) is refused until there is room again;
// what was accepted before goes on to its end in space that is kept for it (journal_reserve.hpp), and
// so do write, set_hold, revoke_token and the jobs of the agent itself. When the file turns out to be
// damaged, nothing at all is written to it any more.
//
// Every method may be called from any thread. Errors: journal_unavailable (native_code is
// SQLite's extended code; disk full, I/O error, shutting down), and those that a method names.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/audit.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/job.hpp"
#include "core/principal.hpp"

namespace noforce {

enum class Durability : std::uint8_t { process_death, power_loss };

// An Idempotency-Key in the scope of its credential, and what was asked with it.
struct IdempotencyKey {
  std::string credential;   // Principal::name
  std::string key;          // 1..255 characters
  std::string fingerprint;  // sha256 over method, path and options
};

struct Acceptance {
  std::string job;  // the new job's id, or that of the job which the key already names
  bool replayed = false;
};

// What a service is wanted to be, and since which job.
struct Wanted {
  std::string service;
  bool up = false;
  std::string job;  // ULID
  std::string by;   // Principal::name
  WallTime at{};
  std::string boot;  // boot_id() when it was written

  bool operator==(const Wanted&) const = default;
};

// One unit of the executor's work; all of it or nothing.
struct JournalChange {
  std::vector<JobPtr> jobs;  // replaced as a whole
  std::vector<Wanted> wanted;
  std::vector<AuditEntry> audit;
};

struct JobFilter {
  std::optional<JobState> state;
  std::optional<JobResult> result;
  std::optional<Action> action;
  std::optional<std::string> service;  // canonical: named by the job or touched by one of its steps
  std::optional<WallTime> since;       // created at or after
  std::optional<std::string> before;   // ULID: only older jobs (the last one of the page before)
  std::size_t limit = 100;             // 1..1000
  // Jobs for which this is false are passed over (what a narrowed credential may not see); null:
  // all are shown. Called on the reading thread.
  std::function<bool(const Job&)> visible;
};

struct JobPage {
  std::vector<JobPtr> jobs;  // newest first; may be fewer than the limit, also none, with `more`
  bool more = false;         // there may be older ones that match
  // With `more`: what to ask for as `before` next. Older than the last job of the page where many
  // were passed over: one call looks at a bounded number of jobs.
  std::string next_before;
};

// A bearer token as it is kept: never the secret, only its hash.
struct TokenRecord {
  std::string name;  // "[A-Za-z0-9._-]{1,64}", unique
  std::string hash;  // sha256_hex of the secret
  Role role = Role::viewer;
  std::vector<std::string> services;
  std::vector<std::string> actions;
  WallTime created_at{};
  std::optional<WallTime> expires_at;
  std::optional<WallTime> revoked_at;
};

struct HoldRecord {
  bool on = false;
  std::string by;
  std::string reason;
  std::optional<WallTime> since;
};

class Journal {
 public:
  // Opens or creates; brings an older schema up to date; refuses a newer one with a sentence.
  // `path` is a file in a directory that the agent alone can read.
  [[nodiscard]] static Result<std::unique_ptr<Journal>> open(const std::string& path,
                                                             const Clock& clock = system_clock());
  virtual ~Journal() = default;  // writes what is queued, then joins
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Jobs ---------------------------------------------------------------------------------------
  // Makes a new job durable (power_loss) together with its audit row and its key. With a key that
  // is known: the same fingerprint gives the old job back (replayed) and writes nothing; another
  // one is idempotency_mismatch.
  [[nodiscard]] virtual Result<Acceptance> accept(const Job& job, const AuditEntry& audit,
                                                  const std::optional<IdempotencyKey>& key) = 0;
  // The job that a key names, before anything is planned; nullopt: the key is free.
  [[nodiscard]] virtual Result<std::optional<std::string>> find_key(const IdempotencyKey& key) = 0;
  [[nodiscard]] virtual Result<void> write(const JournalChange& change, Durability durability) = 0;

  [[nodiscard]] virtual Result<std::optional<Job>> job(std::string_view id) = 0;
  [[nodiscard]] virtual Result<JobPage> jobs(const JobFilter& filter) = 0;
  // Everything not done, and what is done with `restored` pending; oldest first.
  [[nodiscard]] virtual Result<std::vector<Job>> unfinished() = 0;
  [[nodiscard]] virtual Result<std::optional<std::string>> newest_job_id() = 0;
  [[nodiscard]] virtual Result<std::uint64_t> count_jobs() = 0;
  // When the last job that touched this service ended (for the cooldown); nullopt: never.
  [[nodiscard]] virtual Result<std::optional<WallTime>> last_end(std::string_view service) = 0;
  // How long the last good jobs of this action on exactly these services took; nullopt: none yet.
  [[nodiscard]] virtual Result<std::optional<Milliseconds>> typical_duration(
      Action action, const std::vector<std::string>& services) = 0;

  // Wanted -------------------------------------------------------------------------------------
  [[nodiscard]] virtual Result<std::vector<Wanted>> wanted() = 0;

  // Hold ---------------------------------------------------------------------------------------
  [[nodiscard]] virtual Result<HoldRecord> hold() = 0;
  [[nodiscard]] virtual Result<void> set_hold(const HoldRecord& hold, const AuditEntry& audit) = 0;

  // Tokens -------------------------------------------------------------------------------------
  // conflict of names: malformed. With the audit row in one transaction.
  [[nodiscard]] virtual Result<void> add_token(const TokenRecord& token,
                                               const AuditEntry& audit) = 0;
  [[nodiscard]] virtual Result<std::vector<TokenRecord>> tokens() = 0;
  // not_found when there is no such token that still counts.
  [[nodiscard]] virtual Result<void> revoke_token(std::string_view name,
                                                  const AuditEntry& audit) = 0;

  // Audit --------------------------------------------------------------------------------------
  [[nodiscard]] virtual Result<void> audit(const AuditEntry& entry) = 0;
  [[nodiscard]] virtual Result<std::vector<AuditRow>> audit_rows(const AuditQuery& query) = 0;
  [[nodiscard]] virtual Result<AuditVerdict> verify_audit() = 0;

  // Upkeep -------------------------------------------------------------------------------------
  // Deletes jobs (with their keys) that ended before `before`, the oldest first, in small portions
  // with pauses between them so that nobody waits long; audit rows stay. One call forgets at most 20 000
  // jobs, and of the history one day from the oldest job on: a clock that was set years ahead costs a
  // day of it with each call, and not all at once. Returns how many; call it again from time to time.
  [[nodiscard]] virtual Result<std::uint64_t> forget_jobs(WallTime before) = 0;
  // False after a write failed by an I/O error, until one succeeds again; after one failed for want
  // of space, until there is room and the reserve is whole; and for good once the file was found to
  // be damaged. /readyz and acceptance ask this. `why` gets the sentence.
  [[nodiscard]] virtual bool healthy(std::string* why = nullptr) const = 0;

 protected:
  Journal() = default;
};

}  // namespace noforce
