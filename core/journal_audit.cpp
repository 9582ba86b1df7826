#include <limits>

#include "core/journal_reads.hpp"
#include "core/journal_rows.hpp"

namespace noforce {
namespace {

// Audit rows older than what was asked for that are read before the rest is taken to be older
// too: the wall clock may have been set back a little.
constexpr int older_rows_read = 1000;
constexpr std::int64_t rows_at_once = 5000;

#define NOFORCE_AUDIT_SELECT                                                                  \
  "SELECT number, at, principal, address, event, outcome, job, services, detail, count, hash" \
  " FROM audit WHERE "

sqlite::Cursor newest_first(sqlite::Connection& db, const AuditQuery& query, std::int64_t before) {
  if (query.principal && query.event) {
    return db.query(NOFORCE_AUDIT_SELECT
                    "principal = ? AND event = ? AND number < ? ORDER BY number DESC",
                    *query.principal, *query.event, before);
  }
  if (query.principal) {
    return db.query(NOFORCE_AUDIT_SELECT "principal = ? AND number < ? ORDER BY number DESC",
                    *query.principal, before);
  }
  if (query.event) {
    return db.query(NOFORCE_AUDIT_SELECT "event = ? AND number < ? ORDER BY number DESC",
                    *query.event, before);
  }
  return db.query(NOFORCE_AUDIT_SELECT "number < ? ORDER BY number DESC", before);
}

AuditVerdict broken(AuditVerdict verdict, std::uint64_t number, const std::string& what) {
  verdict.first_bad = number;
  verdict.sentence = "row " + std::to_string(number) + " " + what + "; the " +
                     std::to_string(verdict.rows) + " before it are as they were written";
  return verdict;
}

}  // namespace

Result<std::vector<AuditRow>> list_audit(sqlite::Connection& db, const AuditQuery& query) {
  const std::int64_t before = query.before == 0 ? std::numeric_limits<std::int64_t>::max()
                                                : static_cast<std::int64_t>(query.before);
  std::vector<AuditRow> rows;
  int older = 0;
  sqlite::Cursor cursor = newest_first(db, query, before);
  while (rows.size() < query.limit && older < older_rows_read && cursor.next()) {
    AuditRow row = audit_row_of(cursor);
    if (query.since && row.at < *query.since) {
      ++older;
    } else {
      rows.push_back(std::move(row));
    }
  }
  if (!cursor.ok()) return std::unexpected(cursor.error());
  return rows;
}

Result<AuditVerdict> verify_audit_chain(sqlite::Connection& db) {
  AuditVerdict verdict;
  verdict.head = first_previous_hash();
  // In portions: one long read would keep the log from being moved into the database.
  for (bool more = true; more;) {
    std::int64_t read = 0;
    sqlite::Cursor cursor = db.query(NOFORCE_AUDIT_SELECT "number > ? ORDER BY number LIMIT ?",
                                     verdict.rows, rows_at_once);
    for (; cursor.next(); ++read) {
      const AuditRow row = audit_row_of(cursor);
      const std::uint64_t expected = verdict.rows + 1;
      if (row.number != expected) return broken(verdict, expected, "is missing");
      if (audit_hash(verdict.head, row) != row.hash) {
        return broken(verdict, row.number, "is not what was written, or the one before it is");
      }
      verdict.head = row.hash;
      verdict.rows = row.number;
    }
    if (!cursor.ok()) return std::unexpected(cursor.error());
    more = read == rows_at_once;
  }
  verdict.sentence =
      std::to_string(verdict.rows) + " rows, none changed, added or missing; head " + verdict.head;
  return verdict;
}

}  // namespace noforce
