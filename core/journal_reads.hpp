// The journal's reading side: a few read-only connections, and the questions that need more than
// one statement.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/audit.hpp"
#include "core/error.hpp"
#include "core/job.hpp"
#include "core/journal.hpp"
#include "core/sqlite.hpp"
#include "core/thread_safety.hpp"

namespace noforce {

// At most four connections, opened when first needed. Any thread.
class JournalReaders {
 public:
  explicit JournalReaders(std::string path) : path_(std::move(path)) {}

  // One connection for one reader, given back when this ends.
  class Lease {
   public:
    Lease(JournalReaders& readers, std::unique_ptr<sqlite::Connection> db)
        : readers_(&readers), db_(std::move(db)) {}
    Lease(Lease&&) = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (db_) readers_->give_back(std::move(db_));
    }
    [[nodiscard]] sqlite::Connection& db() { return *db_; }

   private:
    JournalReaders* readers_;
    std::unique_ptr<sqlite::Connection> db_;
  };
  // Waits up to some seconds for one to come free; then journal_unavailable.
  [[nodiscard]] Result<Lease> borrow();

 private:
  void give_back(std::unique_ptr<sqlite::Connection> db);

  const std::string path_;
  Mutex mutex_;
  Condition returned_;
  std::vector<std::unique_ptr<sqlite::Connection>> idle_ NOFORCE_GUARDED_BY(mutex_);
  std::size_t open_ NOFORCE_GUARDED_BY(mutex_) = 0;
};

[[nodiscard]] Result<JobPage> list_jobs(sqlite::Connection& db, const JobFilter& filter);
[[nodiscard]] Result<std::vector<Job>> unfinished_jobs(sqlite::Connection& db);
[[nodiscard]] Result<std::optional<WallTime>> last_end_of(sqlite::Connection& db,
                                                          std::string_view service);
[[nodiscard]] Result<std::optional<Milliseconds>> typical_duration_of(
    sqlite::Connection& db, Action action, const std::vector<std::string>& services);

[[nodiscard]] Result<std::vector<AuditRow>> list_audit(sqlite::Connection& db,
                                                       const AuditQuery& query);
[[nodiscard]] Result<AuditVerdict> verify_audit_chain(sqlite::Connection& db);

}  // namespace noforce
