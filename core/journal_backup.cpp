#include "core/journal_backup.hpp"

#include <utility>

#include "core/journal_reads.hpp"
#include "core/journal_schema.hpp"
#include "core/sqlite.hpp"
#include "core/unfinished_file.hpp"

namespace noforce {
namespace {

// Copied and synchronized at once: 2 MiB. An agent's commit never waits behind more than that.
constexpr int pages_at_once = 512;

Result<void> copy_pages(sqlite::Connection& from, sqlite::Connection& to,
                        const UnfinishedFile& file) {
  // The file is synchronized here, and is nothing until it is whole.
  auto done = to.execute("PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE");
  if (done) done = from.copy_to(to, pages_at_once, [&file] { return file.synchronize(); });
  // Says in its header that it has no log: see open_journal_writer().
  if (done) done = to.execute("PRAGMA journal_mode = DELETE");
  return done;
}

Result<void> check_pages(sqlite::Connection& db) {
  sqlite::Cursor row = db.query("PRAGMA integrity_check(1)");
  if (!row.next()) return row.result();
  if (row.view(0) == "ok") return {};
  return std::unexpected(
      sqlite::damage("the journal is damaged, and no copy of it was made (" + row.text(0) + ")"));
}

Result<JournalCopy> check(sqlite::Connection& db) {
  if (auto good = check_pages(db); !good) return std::unexpected(good.error());
  auto verdict = verify_audit_chain(db);
  if (!verdict) return std::unexpected(verdict.error());
  if (verdict->first_bad) {
    return fail(ErrorKind::journal_unavailable,
                "no copy was made: in the audit trail, " + verdict->sentence);
  }
  const auto unfinished = unfinished_jobs(db);
  if (!unfinished) return std::unexpected(unfinished.error());
  const auto jobs = db.integer("SELECT count(*) FROM jobs");
  if (!jobs) return std::unexpected(jobs.error());
  return JournalCopy{.jobs = static_cast<std::uint64_t>(*jobs),
                     .unfinished = unfinished->size(),
                     .at = {},
                     .audit = std::move(*verdict)};
}

}  // namespace

Result<JournalCopy> copy_journal(const std::string& from, const std::string& to,
                                 const Clock& clock) {
  if (is_there(to)) {
    return fail(ErrorKind::already_done, to + " is there already; nothing is overwritten");
  }
  if (!is_there(from)) {
    return fail(ErrorKind::not_found, "there is no journal " + from);
  }
  auto journal = open_journal_reader(from);
  if (journal) {
    // What is read first holds the state that all is copied from.
    auto held = journal->run("BEGIN");
    if (held) held = check_journal(*journal);
    if (!held) journal = std::unexpected(held.error());
  }
  if (!journal) {
    journal.error().detail = from + ": " + journal.error().detail;
    return std::unexpected(journal.error());
  }
  const WallTime at = clock.wall();

  const UnfinishedFile file(to);
  if (auto made = file.made(); !made) return std::unexpected(made.error());
  Result<JournalCopy> copy;
  {
    auto target = sqlite::Connection::open(file.path(), sqlite::Connection::Mode::read_write);
    if (!target) return std::unexpected(target.error());
    if (auto copied = copy_pages(*journal, *target, file); !copied) {
      return std::unexpected(copied.error());
    }
    copy = check(*target);
  }
  if (!copy) return copy;
  if (auto kept = file.keep(); !kept) return std::unexpected(kept.error());
  copy->at = at;
  return copy;
}

}  // namespace noforce
