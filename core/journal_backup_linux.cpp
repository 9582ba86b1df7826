#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "core/fd.hpp"
#include "core/journal_backup.hpp"
#include "core/journal_reads.hpp"
#include "core/journal_schema.hpp"
#include "core/sqlite.hpp"

namespace noforce {
namespace {

// Copied and synchronized at once: 2 MiB. An agent's commit never waits behind more than that.
constexpr int pages_at_once = 512;

std::unexpected<Error> failed(const std::string& what, int problem) {
  Error error{.kind = ErrorKind::journal_unavailable,
              .detail = what + ": " + std::strerror(problem),
              .native_code = problem};
  if (const char* const name = ::strerrorname_np(problem)) error.native_name = name;
  return std::unexpected(std::move(error));
}

// A file beside the one that is to be made, gone with this unless it was kept.
class Unfinished {
 public:
  explicit Unfinished(const std::string& goal)
      : goal_(goal),
        path_(goal + ".part" + std::to_string(::getpid())),
        file_(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)),
        problem_(file_ ? 0 : errno) {}
  ~Unfinished() {
    if (file_) ::unlink(path_.c_str());
    ::unlink((path_ + "-journal").c_str());
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Result<void> made() const {
    if (file_) return {};
    return failed("cannot make " + path_, problem_);
  }
  [[nodiscard]] Result<void> synchronize() const {
    if (::fsync(file_.get()) == 0) return {};
    return failed("cannot write " + path_, errno);
  }
  // Gives it its name, for good. A link, unlike a rename, replaces nothing.
  [[nodiscard]] Result<void> keep() const {
    if (auto done = synchronize(); !done) return done;
    if (::link(path_.c_str(), goal_.c_str()) != 0) {
      if (errno == EEXIST) return fail(ErrorKind::already_done, goal_ + " is there already");
      return failed("cannot make " + goal_, errno);
    }
    const std::filesystem::path parent = std::filesystem::path(goal_).parent_path();
    const Fd folder(
        ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (folder && ::fsync(folder.get()) == 0) return {};
    return failed("cannot write the directory of " + goal_, errno);
  }

 private:
  std::string goal_;
  std::string path_;
  Fd file_;
  int problem_;
};

Result<void> copy_pages(sqlite::Connection& from, sqlite::Connection& to, const Unfinished& file) {
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
  struct stat status{};
  if (::lstat(to.c_str(), &status) == 0) {
    return fail(ErrorKind::already_done, to + " is there already; nothing is overwritten");
  }
  if (::stat(from.c_str(), &status) != 0 && errno == ENOENT) {
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

  const Unfinished file(to);
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
