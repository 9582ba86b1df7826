// What the journal's tables hold, written and read row by row. No threads, no transactions of its
// own: the writer calls the first half within one, readers use the second.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/audit.hpp"
#include "core/clock.hpp"
#include "core/journal.hpp"
#include "core/sqlite.hpp"

namespace noforce {

// What a unit of work writes through, within the writer's transaction. What it keeps between rows
// (the chain's head, the count of jobs) is copied before a unit and put back when that one fails.
class JournalTransaction {
 public:
  JournalTransaction(sqlite::Connection& db, const Clock& clock) : db_(db), clock_(clock) {}

  // A job together with its body, which the caller's thread has made.
  struct PreparedJob {
    const Job& job;
    std::string body;
    std::vector<std::string> services;  // named, touched or touchable; sorted, each once
  };
  [[nodiscard]] static PreparedJob prepare(const Job& job);

  [[nodiscard]] Result<void> insert_job(const PreparedJob& job,
                                        const std::optional<IdempotencyKey>& key);
  // Inserts it when it is not there.
  [[nodiscard]] Result<void> replace_job(const PreparedJob& job);
  [[nodiscard]] Result<void> delete_job(std::string_view id);
  [[nodiscard]] Result<void> put_wanted(const Wanted& wanted);
  [[nodiscard]] Result<void> append_audit(const AuditEntry& entry);

  // Reads the chain's head from the table; before the first row, and after others wrote or a
  // transaction was rolled back.
  [[nodiscard]] Result<void> read_head();

  struct Kept {
    std::uint64_t audit_number = 0;
    std::string audit_hash;
    std::int64_t jobs_added = 0;  // in this transaction, so far
  };
  [[nodiscard]] const Kept& kept() const { return kept_; }
  void put_back(Kept kept) { kept_ = std::move(kept); }
  // Writes the count of jobs; the last thing before the commit.
  [[nodiscard]] Result<void> write_count();

  [[nodiscard]] sqlite::Connection& db() { return db_; }

 private:
  [[nodiscard]] Result<void> insert_services(const std::vector<std::string>& services,
                                             std::string_view action, std::string_view outcome,
                                             std::string_view job);
  [[nodiscard]] Result<void> delete_services(std::string_view joined, std::string_view action,
                                             std::string_view outcome, std::string_view job);

  sqlite::Connection& db_;
  const Clock& clock_;
  Kept kept_;
};

// The state of a job that is not done, the result of one that is: the column `outcome`.
[[nodiscard]] std::string_view outcome_of(const Job& job);

// nullopt: the key is free.
struct KeyHolder {
  std::string job;
  std::string fingerprint;
};
[[nodiscard]] Result<std::optional<KeyHolder>> find_key_holder(sqlite::Connection& db,
                                                               const IdempotencyKey& key);
[[nodiscard]] Error idempotency_mismatch(const IdempotencyKey& key);

[[nodiscard]] Result<std::optional<Job>> read_job(sqlite::Connection& db, std::string_view id);

// A job whose row is there and whose body is not what this version writes; and what to do about it.
[[nodiscard]] std::string unreadable_job(std::string_view id, const Error& why);
inline constexpr std::string_view unreadable_way_out =
    "run the noforce that wrote it, or end the agent and put a copy made by `noforce backup` in "
    "the "
    "journal's place";

// A list of strings in one column: a JSON array.
[[nodiscard]] std::string strings_to_column(const std::vector<std::string>& strings);
[[nodiscard]] std::vector<std::string> strings_from_column(std::string_view text);
// The same for what limits a credential: nullopt where it is not an array of strings throughout.
[[nodiscard]] std::optional<std::vector<std::string>> scope_from_column(std::string_view text);

// A row of all the audit table's columns, in its order.
[[nodiscard]] AuditRow audit_row_of(const sqlite::Cursor& cursor);
inline constexpr std::size_t hash_length = 64;
[[nodiscard]] std::string first_previous_hash();

[[nodiscard]] std::int64_t to_column(WallTime time);
[[nodiscard]] std::optional<std::int64_t> to_column(const std::optional<WallTime>& time);
[[nodiscard]] WallTime time_from_column(std::int64_t value);
[[nodiscard]] std::optional<WallTime> time_from_column(std::optional<std::int64_t> value);

}  // namespace noforce
