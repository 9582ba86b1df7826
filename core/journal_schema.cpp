#include "core/journal_schema.hpp"

#include <filesystem>
#include <iterator>
#include <system_error>

namespace noforce {
namespace {

// "nfrc"; the first thing that says whose file this is.
constexpr std::int64_t application_id = 0x6E667263;

// Step n brings schema n to n + 1; never changed once released, only added to.
//
// jobs.outcome is the state of a job that is not done and the result of one that is, so that one
// index serves every filter by state and result; see journal_reads.cpp for how they are combined.
// An Idempotency-Key stands with its job and goes with it.
// job_services has a row for each service that the job names, may touch or touched.
constexpr const char* migrations[] = {
    R"sql(
    CREATE TABLE jobs(
      id              TEXT PRIMARY KEY NOT NULL,
      action          TEXT NOT NULL,
      outcome         TEXT NOT NULL,
      restore_pending INTEGER NOT NULL,
      finished_at     INTEGER,
      services        TEXT NOT NULL,
      key_owner       TEXT,
      key             TEXT,
      fingerprint     TEXT,
      body            TEXT NOT NULL
    );
    CREATE INDEX jobs_by_outcome ON jobs(action, outcome, id);
    CREATE INDEX jobs_to_restore ON jobs(id) WHERE restore_pending <> 0;
    CREATE UNIQUE INDEX jobs_by_key ON jobs(key_owner, key) WHERE key IS NOT NULL;

    CREATE TABLE job_services(
      service TEXT NOT NULL,
      action  TEXT NOT NULL,
      outcome TEXT NOT NULL,
      job     TEXT NOT NULL,
      PRIMARY KEY(service, action, outcome, job)
    ) WITHOUT ROWID;

    CREATE TABLE wanted(
      service TEXT PRIMARY KEY NOT NULL,
      up      INTEGER NOT NULL,
      job     TEXT NOT NULL,
      by      TEXT NOT NULL,
      at      INTEGER NOT NULL,
      boot    TEXT NOT NULL
    ) WITHOUT ROWID;

    CREATE TABLE hold(
      one    INTEGER PRIMARY KEY CHECK(one = 1),
      is_on  INTEGER NOT NULL,
      by     TEXT NOT NULL,
      reason TEXT NOT NULL,
      since  INTEGER
    );

    CREATE TABLE tokens(
      name       TEXT PRIMARY KEY NOT NULL,
      hash       TEXT NOT NULL UNIQUE,
      role       TEXT NOT NULL,
      services   TEXT NOT NULL,
      actions    TEXT NOT NULL,
      created_at INTEGER NOT NULL,
      expires_at INTEGER,
      revoked_at INTEGER
    ) WITHOUT ROWID;

    CREATE TABLE audit(
      number    INTEGER PRIMARY KEY,
      at        INTEGER NOT NULL,
      principal TEXT NOT NULL,
      address   TEXT NOT NULL,
      event     TEXT NOT NULL,
      outcome   TEXT NOT NULL,
      job       TEXT NOT NULL,
      services  TEXT NOT NULL,
      detail    TEXT NOT NULL,
      count     INTEGER NOT NULL,
      hash      TEXT NOT NULL
    );
    CREATE INDEX audit_by_principal ON audit(principal);
    CREATE INDEX audit_by_event ON audit(event);

    CREATE TABLE meta(
      name  TEXT PRIMARY KEY NOT NULL,
      value INTEGER NOT NULL
    ) WITHOUT ROWID;
    INSERT INTO meta VALUES('jobs', 0), ('probe', 0);
    )sql",
};
static_assert(std::size(migrations) == journal_schema_version);

Result<void> check_owner(sqlite::Connection& db) {
  const auto owner = db.integer("PRAGMA application_id");
  if (!owner) return std::unexpected(owner.error());
  if (*owner == application_id) return {};
  const auto tables = db.integer("SELECT count(*) FROM sqlite_schema");
  if (!tables) return std::unexpected(tables.error());
  if (*owner == 0 && *tables == 0) return {};
  const auto ours = db.integer(
      "SELECT count(*) FROM sqlite_schema WHERE name IN ('jobs', 'job_services', 'wanted', "
      "'audit')");
  if (ours && *ours == 4) {
    return std::unexpected(sqlite::damage("the journal is damaged: its first page is not its own"));
  }
  return fail(ErrorKind::journal_unavailable,
              "the journal's file is another program's database; move it away or point state_dir "
              "elsewhere");
}

Result<void> enter_wal_mode(sqlite::Connection& db) {
  sqlite::Cursor mode = db.query("PRAGMA journal_mode = WAL");
  if (!mode.next()) return mode.result();
  if (mode.view(0) == "wal") return {};
  return fail(ErrorKind::journal_unavailable,
              "the journal's file system does not take SQLite's WAL mode; put state_dir on a local "
              "disk");
}

Result<void> migrate_in_transaction(sqlite::Connection& db, std::span<const char* const> steps) {
  // Asked again now that nobody else can write: another process may have been faster.
  const auto version = db.integer("PRAGMA user_version");
  if (!version) return std::unexpected(version.error());
  for (auto step = static_cast<std::size_t>(*version); step < steps.size(); ++step) {
    if (auto done = db.execute(steps[step]); !done) return done;
  }
  const std::string marks = "PRAGMA application_id = " + std::to_string(application_id) +
                            "; PRAGMA user_version = " + std::to_string(steps.size());
  return db.execute(marks.c_str());
}

// Not the whole file (that takes as long as the history is): that each table is there with its
// columns, which also reads the pages everything else hangs on.
Result<void> check_tables(sqlite::Connection& db) {
  return db.execute(
      "SELECT id, action, outcome, restore_pending, finished_at, services, key_owner, key,"
      " fingerprint, body FROM jobs ORDER BY id DESC LIMIT 1;"
      "SELECT service, action, outcome, job FROM job_services LIMIT 1;"
      "SELECT service, up, job, by, at, boot FROM wanted LIMIT 1;"
      "SELECT is_on, by, reason, since FROM hold LIMIT 1;"
      "SELECT name, hash, role, services, actions, created_at, expires_at, revoked_at FROM tokens"
      " LIMIT 1;"
      "SELECT number, at, principal, address, event, outcome, job, services, detail, count, hash"
      " FROM audit ORDER BY number DESC LIMIT 1;"
      "SELECT name, value FROM meta LIMIT 1");
}

}  // namespace

std::span<const char* const> journal_migrations() {
  return migrations;
}

Result<void> migrate_journal(sqlite::Connection& db, std::span<const char* const> steps) {
  const auto newest = static_cast<std::int64_t>(steps.size());
  const auto version = db.integer("PRAGMA user_version");
  if (!version) return std::unexpected(version.error());
  if (*version > newest || *version < 0) {
    return fail(ErrorKind::journal_unavailable,
                "the journal was written by a newer noforce (schema " + std::to_string(*version) +
                    ", this one knows " + std::to_string(newest) +
                    "); run that version again, or restore the backup from before the upgrade");
  }
  if (*version == newest) return {};
  const auto tables = db.integer("SELECT count(*) FROM sqlite_schema");
  if (!tables) return std::unexpected(tables.error());
  if ((*version == 0) != (*tables == 0)) {
    return std::unexpected(
        sqlite::damage("the journal is damaged: it has " + std::to_string(*tables) +
                       " tables and indexes of schema " + std::to_string(*version)));
  }
  if (auto begun = db.execute("BEGIN IMMEDIATE"); !begun) return begun;
  auto done = migrate_in_transaction(db, steps);
  if (done) done = db.execute("COMMIT");
  if (!done) db.roll_back();
  return done;
}

Result<sqlite::Connection> open_journal_writer(const std::string& path) {
  auto db = sqlite::Connection::open(path, sqlite::Connection::Mode::read_write);
  if (!db) return db;
  // A copy made by `noforce backup` has no log. One that lies beside it is that of the journal which
  // was there before, and would be laid over it.
  std::error_code none;
  if (!db->is_marked_for_log() && std::filesystem::file_size(path + "-wal", none) > 0 && !none) {
    return fail(ErrorKind::journal_unavailable,
                "beside the journal lies the log of the one that was there before; move " + path +
                    "-wal and " + path + "-shm away, and start again");
  }
  // busy_timeout first: the mode changes under a lock. Autocheckpoint is only the backstop of the
  // writer's own checkpoints when it has nothing else to do.
  auto done = db->execute(
      "PRAGMA busy_timeout = 5000;"
      "PRAGMA foreign_keys = ON;"
      "PRAGMA trusted_schema = OFF;"
      "PRAGMA cell_size_check = ON;"
      "PRAGMA temp_store = MEMORY;"
      "PRAGMA cache_size = -2048");
  if (done) done = check_owner(*db);
  if (done) {
    done = enter_wal_mode(*db);
  }
  if (done) {
    done = db->execute(
        "PRAGMA journal_size_limit = 16777216;"
        "PRAGMA wal_autocheckpoint = 4000;"
        "PRAGMA synchronous = FULL");
  }
  if (done) done = migrate_journal(*db, migrations);
  if (done) done = check_tables(*db);
  if (!done) return std::unexpected(done.error());
  return db;
}

Result<void> check_journal(sqlite::Connection& db) {
  if (auto ours = check_owner(db); !ours) return ours;
  const auto version = db.integer("PRAGMA user_version");
  if (!version) return std::unexpected(version.error());
  if (*version != journal_schema_version) {
    return fail(ErrorKind::journal_unavailable,
                "the journal has schema " + std::to_string(*version) + ", and this noforce knows " +
                    std::to_string(journal_schema_version) + "; use the noforce that runs on it");
  }
  return check_tables(db);
}

Result<sqlite::Connection> open_journal_reader(const std::string& path) {
  auto db = sqlite::Connection::open(path, sqlite::Connection::Mode::read_only);
  if (!db) return db;
  const auto done = db->execute(
      "PRAGMA busy_timeout = 2000;"
      "PRAGMA query_only = ON;"
      "PRAGMA trusted_schema = OFF;"
      "PRAGMA cell_size_check = ON;"
      "PRAGMA temp_store = MEMORY;"
      "PRAGMA cache_size = -256");
  if (!done) return std::unexpected(done.error());
  return db;
}

}  // namespace noforce
