// The journal on a disk that fails: a VFS between SQLite and the real one refuses the nth write,
// truncation or sync, once or from then on.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "core/journal.hpp"
#include "core/journal_schema.hpp"
#include "core/sqlite.hpp"
#include "tests/core/journal_samples.hpp"

namespace noforce {
namespace {

using test::accepted_entry;
using test::finished;
using test::queued_job;

enum class Fault { write_once, full_for_good, sync_once };

// What the VFS is told to do. Set while the journal is idle; read by its writer.
struct Plan {
  std::atomic<int> until_fault = -1;  // operations that still succeed; -1: all
  std::atomic<Fault> fault = Fault::write_once;
  std::atomic<int> faults = 0;

  // Whether this operation has to fail, and how.
  int judge(bool is_sync) {
    const Fault kind = fault;
    if (until_fault < 0 || is_sync != (kind == Fault::sync_once)) return SQLITE_OK;
    if (until_fault > 0) {
      --until_fault;
      return SQLITE_OK;
    }
    if (kind != Fault::full_for_good) until_fault = -1;
    ++faults;
    if (kind == Fault::full_for_good) return SQLITE_FULL;
    return is_sync ? SQLITE_IOERR_FSYNC : SQLITE_IOERR_WRITE;
  }
};

Plan the_plan;

struct FaultyFile {
  sqlite3_file base;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

sqlite3_file* real(sqlite3_file* file) {
  return reinterpret_cast<FaultyFile*>(file)->real();
}

int faulty_write(sqlite3_file* file, const void* data, int amount, sqlite3_int64 at) {
  if (const int code = the_plan.judge(false); code != SQLITE_OK) return code;
  return real(file)->pMethods->xWrite(real(file), data, amount, at);
}
int faulty_truncate(sqlite3_file* file, sqlite3_int64 size) {
  if (const int code = the_plan.judge(false); code != SQLITE_OK) return code;
  return real(file)->pMethods->xTruncate(real(file), size);
}
int faulty_sync(sqlite3_file* file, int flags) {
  if (const int code = the_plan.judge(true); code != SQLITE_OK) return code;
  return real(file)->pMethods->xSync(real(file), flags);
}

const sqlite3_io_methods faulty_methods = {
    3,
    [](sqlite3_file* f) { return real(f)->pMethods->xClose(real(f)); },
    [](sqlite3_file* f, void* data, int amount, sqlite3_int64 at) {
      return real(f)->pMethods->xRead(real(f), data, amount, at);
    },
    faulty_write,
    faulty_truncate,
    faulty_sync,
    [](sqlite3_file* f, sqlite3_int64* size) {
      return real(f)->pMethods->xFileSize(real(f), size);
    },
    [](sqlite3_file* f, int level) { return real(f)->pMethods->xLock(real(f), level); },
    [](sqlite3_file* f, int level) { return real(f)->pMethods->xUnlock(real(f), level); },
    [](sqlite3_file* f, int* out) { return real(f)->pMethods->xCheckReservedLock(real(f), out); },
    [](sqlite3_file* f, int op, void* argument) {
      return real(f)->pMethods->xFileControl(real(f), op, argument);
    },
    [](sqlite3_file* f) { return real(f)->pMethods->xSectorSize(real(f)); },
    [](sqlite3_file* f) { return real(f)->pMethods->xDeviceCharacteristics(real(f)); },
    [](sqlite3_file* f, int page, int size, int extend, void volatile** out) {
      return real(f)->pMethods->xShmMap(real(f), page, size, extend, out);
    },
    [](sqlite3_file* f, int offset, int n, int flags) {
      return real(f)->pMethods->xShmLock(real(f), offset, n, flags);
    },
    // Not the real one: its last call, into pthread, would seem to ThreadSanitizer to come from here.
    [](sqlite3_file*) { std::atomic_thread_fence(std::memory_order_seq_cst); },
    [](sqlite3_file* f, int remove) { return real(f)->pMethods->xShmUnmap(real(f), remove); },
    [](sqlite3_file*, sqlite3_int64, int, void** out) {
      *out = nullptr;
      return SQLITE_OK;
    },
    [](sqlite3_file*, sqlite3_int64, void*) { return SQLITE_OK; },
};

sqlite3_vfs* real_vfs() {
  return sqlite3_vfs_find("unix");
}

int open_faulty(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out) {
  auto* const faulty = reinterpret_cast<FaultyFile*>(file);
  faulty->base.pMethods = nullptr;
  const int code = real_vfs()->xOpen(real_vfs(), name, faulty->real(), flags, out);
  if (faulty->real()->pMethods != nullptr) faulty->base.pMethods = &faulty_methods;
  return code;
}

// While one lives, SQLite opens its files through the faulty VFS.
class FaultyDisk {
 public:
  FaultyDisk() {
    the_plan.until_fault = -1;
    the_plan.faults = 0;
    vfs_ = *real_vfs();
    vfs_.pNext = nullptr;
    vfs_.zName = "faulty";
    vfs_.szOsFile += static_cast<int>(sizeof(FaultyFile));
    vfs_.xOpen = open_faulty;
    sqlite3_vfs_register(&vfs_, 1);
  }
  ~FaultyDisk() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real_vfs(), 1);
  }
  FaultyDisk(const FaultyDisk&) = delete;
  FaultyDisk& operator=(const FaultyDisk&) = delete;

 private:
  sqlite3_vfs vfs_{};
};

std::string integrity_of(const std::string& path) {
  sqlite3* db = nullptr;
  std::string answer = "not opened";
  if (sqlite3_open(path.c_str(), &db) == SQLITE_OK) {
    sqlite3_exec(
        db, "PRAGMA integrity_check",
        [](void* out, int, char** row, char**) {
          *static_cast<std::string*>(out) = row[0];
          return 0;
        },
        &answer, nullptr);
  }
  sqlite3_close(db);
  return answer;
}

// What the callers were told.
struct Told {
  std::vector<Job> kept;     // as they were last accepted or written with success
  std::vector<Job> refused;  // never to be seen again
  std::uint64_t audit_rows = 0;
};

void accept_one(Journal& journal, UlidSource& ids, Told& told, std::size_t size) {
  Job job = queued_job(ids.next());
  // Large enough for some to need pages of their own.
  job.warnings = {std::string(size, 'x')};
  const auto accepted = journal.accept(job, accepted_entry(job), IdempotencyKey{"a", job.id, "f"});
  if (accepted) {
    told.kept.push_back(std::move(job));
    ++told.audit_rows;
  } else {
    EXPECT_EQ(accepted.error().kind, ErrorKind::journal_unavailable);
    EXPECT_TRUE(accepted.error().native_code);
    told.refused.push_back(std::move(job));
  }
}

void end_one(Journal& journal, Job& job, Told& told, Durability durability) {
  const JobPtr done = finished(job, JobResult::succeeded, job.created_at);
  if (journal.write({.jobs = {done}, .wanted = {}, .audit = {accepted_entry(job)}}, durability)) {
    job = *done;
    ++told.audit_rows;
  }
}

void expect_truth(Journal& journal, const Told& told) {
  for (const Job& job : told.kept) {
    const auto found = journal.job(job.id);
    ASSERT_TRUE(found) << found.error().detail;
    ASSERT_TRUE(*found) << "an accepted job is lost";
    EXPECT_EQ(**found, job);
    EXPECT_EQ(*journal.find_key({"a", job.id, "f"}), job.id);
  }
  for (const Job& job : told.refused) {
    EXPECT_EQ(*journal.job(job.id), std::nullopt) << "a refused job came back";
    EXPECT_EQ(*journal.find_key({"a", job.id, "f"}), std::nullopt);
  }
  EXPECT_EQ(*journal.count_jobs(), told.kept.size());
  EXPECT_EQ(journal.jobs({.service = "w3svc", .limit = 1000})->jobs.size(), told.kept.size());
  const auto verdict = journal.verify_audit();
  EXPECT_EQ(verdict->first_bad, std::nullopt) << verdict->sentence;
  EXPECT_EQ(verdict->rows, told.audit_rows);
}

// One run with the nth operation failing; false when the run had no nth operation.
bool survives(Fault fault, int nth) {
  const FaultyDisk disk;
  const test::TemporaryDirectory directory(test::memory());
  const std::string path = directory.file("noforce.db");
  UlidSource ids;
  Told told;
  {
    auto opened = Journal::open(path);
    EXPECT_TRUE(opened) << opened.error().detail;
    Journal& journal = **opened;
    accept_one(journal, ids, told, 10);
    the_plan.fault = fault;
    the_plan.until_fault = nth;
    accept_one(journal, ids, told, 6000);
    if (!told.kept.empty()) end_one(journal, told.kept.front(), told, Durability::power_loss);
    accept_one(journal, ids, told, 10);
    end_one(journal, told.kept.back(), told, Durability::process_death);
    accept_one(journal, ids, told, 200);
    the_plan.until_fault = -1;
    expect_truth(journal, told);
    accept_one(journal, ids, told, 10);
    EXPECT_TRUE(told.refused.empty() || told.refused.back().id < told.kept.back().id)
        << "the disk works again and a job is refused";
    EXPECT_TRUE(journal.healthy());
  }
  auto again = Journal::open(path);
  EXPECT_TRUE(again) << again.error().detail;
  expect_truth(**again, told);
  again->reset();
  EXPECT_EQ(integrity_of(path), "ok");
  return the_plan.faults > 0;
}

void expect_survival_of_each(Fault fault) {
  int nth = 0;
  while (survives(fault, nth) && !testing::Test::HasFailure())
    ++nth;
  EXPECT_FALSE(testing::Test::HasFailure()) << "with operation " << nth << " failing";
  EXPECT_GE(nth, 3);
}

TEST(AJournalOnABadDisk, KeepsItsWordWhicheverWriteFails) {
  expect_survival_of_each(Fault::write_once);
}

TEST(AJournalOnABadDisk, KeepsItsWordWhicheverSyncFails) {
  expect_survival_of_each(Fault::sync_once);
}

TEST(AJournalOnABadDisk, KeepsItsWordWhenTheDiskIsFullFromAnyWriteOn) {
  expect_survival_of_each(Fault::full_for_good);
}

// Migration ---------------------------------------------------------------------------------------

// A later version of the program: one that keeps who asked in a column of its own.
std::vector<const char*> later_migrations() {
  const auto today = journal_migrations();
  std::vector<const char*> steps(today.begin(), today.end());
  steps.push_back(
      "ALTER TABLE jobs ADD COLUMN asked_by TEXT;"
      "UPDATE jobs SET asked_by = json_extract(body, '$.requested_by');"
      "CREATE INDEX jobs_by_asked_by ON jobs(asked_by)");
  return steps;
}

// One migration with the nth operation failing; false when it had no nth operation.
bool is_migrated_or_as_it_was(Fault fault, int nth) {
  const FaultyDisk disk;
  const test::TemporaryDirectory directory(test::memory());
  const std::string path = directory.file("noforce.db");
  UlidSource ids;
  Told told;
  {
    const auto journal = Journal::open(path);
    for (int n = 0; n < 40; ++n)
      accept_one(**journal, ids, told, 300);
  }
  const auto steps = later_migrations();
  const auto newest = static_cast<std::int64_t>(steps.size());
  Result<void> migrated;
  {
    auto db = open_journal_writer(path);
    EXPECT_TRUE(db) << db.error().detail;
    the_plan.fault = fault;
    the_plan.until_fault = nth;
    migrated = migrate_journal(*db, steps);
    // As killed: what is closed in order would try to tidy up.
    if (fault != Fault::full_for_good) the_plan.until_fault = -1;
  }
  the_plan.until_fault = -1;
  EXPECT_EQ(integrity_of(path), "ok");
  auto db = sqlite::Connection::open(path, sqlite::Connection::Mode::read_write);
  EXPECT_TRUE(db) << db.error().detail;
  const auto version = db->integer("PRAGMA user_version");
  const auto columns =
      db->integer("SELECT count(*) FROM pragma_table_info('jobs') WHERE name = 'asked_by'");
  EXPECT_EQ(*version, migrated ? newest : newest - 1);
  EXPECT_EQ(*columns, migrated ? 1 : 0) << "half of a step";
  if (!migrated) {
    // The version before it goes on, and so does the next try.
    auto journal = Journal::open(path);
    EXPECT_TRUE(journal) << journal.error().detail;
    if (journal) expect_truth(**journal, told);
    const auto again = migrate_journal(*db, steps);
    EXPECT_TRUE(again) << again.error().detail;
  }
  EXPECT_EQ(*db->integer("SELECT count(*) FROM jobs WHERE asked_by = 'token:ci'"), 40);
  return the_plan.faults > 0;
}

void expect_migration_survives_each(Fault fault) {
  int nth = 0;
  while (is_migrated_or_as_it_was(fault, nth) && !testing::Test::HasFailure())
    ++nth;
  EXPECT_FALSE(testing::Test::HasFailure()) << "with operation " << nth << " failing";
  EXPECT_GE(nth, 1);
}

TEST(AnOlderJournal, IsMigratedOrAsItWasWhicheverWriteFails) {
  expect_migration_survives_each(Fault::write_once);
}

TEST(AnOlderJournal, IsMigratedOrAsItWasWhicheverSyncFails) {
  expect_migration_survives_each(Fault::sync_once);
}

TEST(AnOlderJournal, IsMigratedOrAsItWasWhenTheDiskIsFull) {
  expect_migration_survives_each(Fault::full_for_good);
}

TEST(AnOlderJournal, IsRefusedByTheVersionBeforeOnceItWasMigrated) {
  const test::TemporaryDirectory directory(test::memory());
  const std::string path = directory.file("noforce.db");
  (void)Journal::open(path);
  {
    auto db = open_journal_writer(path);
    ASSERT_TRUE(migrate_journal(*db, later_migrations()));
  }
  const auto opened = Journal::open(path);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().detail.find("newer noforce (schema 2, this one knows 1)"),
            std::string::npos)
      << opened.error().detail;
}

// Killed in the middle of it, the process leaves the log with a part of the migration.
TEST(AnOlderJournal, IsAsItWasWhenItsMigrationIsKilled) {
  const test::TemporaryDirectory directory(test::memory());
  const std::string path = directory.file("noforce.db");
  UlidSource ids;
  Told told;
  {
    const auto journal = Journal::open(path);
    for (int n = 0; n < 400; ++n)
      accept_one(**journal, ids, told, 6000);  // more than the cache holds: it spills into the log
  }
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto db = open_journal_writer(path);
    if (!db || !db->execute("BEGIN IMMEDIATE") || !db->execute(later_migrations().back())) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto journal = Journal::open(path);
  ASSERT_TRUE(journal) << journal.error().detail;
  expect_truth(**journal, told);
}

// The commit was in the log when its sync failed, and the process ends before anybody else writes.
TEST(AJournalOnABadDisk, DoesNotBringBackWhatItRefused) {
  const test::TemporaryDirectory directory(test::memory());
  const std::string path = directory.file("noforce.db");
  UlidSource ids;
  const Job refused = queued_job(ids.next());
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const FaultyDisk disk;
    auto journal = Journal::open(path);
    Told told;
    accept_one(**journal, ids, told, 10);
    the_plan.fault = Fault::sync_once;
    the_plan.until_fault = 0;
    const bool accepted =
        (*journal)->accept(refused, accepted_entry(refused), std::nullopt).has_value();
    ::_exit(accepted || the_plan.faults != 1 ? 1 : 0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto journal = Journal::open(path);
  ASSERT_TRUE(journal) << journal.error().detail;
  EXPECT_EQ(*(*journal)->job(refused.id), std::nullopt);
  EXPECT_EQ(*(*journal)->count_jobs(), 1U);
}

}  // namespace
}  // namespace noforce
