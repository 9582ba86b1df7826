// The journal on a small disk that really is full: a tmpfs of its own, in a mount namespace that
// goes away with the process.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "core/fd.hpp"
#include "core/journal.hpp"
#include "core/journal_backup.hpp"
#include "core/journal_reserve.hpp"
#include "tests/core/journal_samples.hpp"

namespace noforce {
namespace {

using test::accepted_entry;
using test::finished;
using test::queued_job;

constexpr off_t disk_size = off_t{24} * 1024 * 1024;

// What went wrong, said by the child; empty: nothing.
using Story = std::string (*)(const std::string& disk);

std::string enter_private_mounts(const std::string& at) {
  const auto user = std::to_string(::geteuid());
  const auto group = std::to_string(::getegid());
  if (::geteuid() == 0) {
    if (::unshare(CLONE_NEWNS) != 0) return "unshare: " + std::string(::strerror(errno));
  } else {
    if (::unshare(CLONE_NEWNS | CLONE_NEWUSER) != 0) {
      return "unshare: " + std::string(::strerror(errno));
    }
    std::ofstream("/proc/self/setgroups") << "deny";
    std::ofstream("/proc/self/uid_map") << "0 " + user + " 1";
    std::ofstream("/proc/self/gid_map") << "0 " + group + " 1";
  }
  if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    return "private mounts: " + std::string(::strerror(errno));
  }
  const std::string options = "mode=700,size=" + std::to_string(disk_size);
  if (::mount("none", at.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    return "mount a tmpfs: " + std::string(::strerror(errno));
  }
  return {};
}

// Tells `story` to a child that has a small disk.
void expect_good(Story story) {
  const test::TemporaryDirectory directory;
  const std::string disk = directory.file("disk");
  std::filesystem::create_directory(disk);
  int channel[2];
  ASSERT_EQ(::pipe(channel), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    std::string wrong = enter_private_mounts(disk);
    if (wrong.empty()) wrong = story(disk);
    (void)!::write(channel[1], wrong.data(), wrong.size());
    ::_exit(0);
  }
  ::close(channel[1]);
  std::string said;
  char buffer[1024];
  for (ssize_t got = 1; got > 0;) {
    got = ::read(channel[0], buffer, sizeof buffer);
    if (got > 0) said.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(channel[0]);
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(said, "");
}

// Somebody else's file on the same disk.
class Neighbour {
 public:
  explicit Neighbour(const std::string& disk) : path_(disk + "/neighbour") {}
  // Takes all that is left.
  void take_all() const {
    const Fd file(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const std::string block(4096, 'x');
    while (::write(file.get(), block.data(), block.size()) > 0) {
    }
  }
  void give_back() const { std::filesystem::remove(path_); }

 private:
  std::string path_;
};

off_t reserved(const std::string& journal) {
  struct stat status{};
  return ::stat(JournalReserve::path_of(journal).c_str(), &status) == 0 ? status.st_size : -1;
}

bool becomes_healthy(const Journal& journal) {
  for (int n = 0; n < 200 && !journal.healthy(); ++n)
    std::this_thread::sleep_for(Milliseconds{50});
  return journal.healthy();
}

// Everything is there and nothing besides; empty when it is so.
std::string wrong_with(Journal& journal, const std::string& path, std::size_t jobs) {
  if (*journal.count_jobs() != jobs) return "jobs: " + std::to_string(*journal.count_jobs());
  const auto verdict = journal.verify_audit();
  if (!verdict) return verdict.error().detail;
  if (verdict->first_bad) return verdict->sentence;
  std::string answer = "not opened";
  sqlite3* db = nullptr;
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
  return answer == "ok" ? "" : answer;
}

struct Kept {
  std::unique_ptr<Journal> journal;
  std::vector<Job> jobs;
  UlidSource ids;

  explicit Kept(const std::string& path) {
    auto opened = Journal::open(path);
    if (opened) journal = std::move(*opened);
  }
  bool accept() {
    const Job job = queued_job(ids.next());
    if (!journal->accept(job, accepted_entry(job), std::nullopt)) return false;
    jobs.push_back(job);
    return true;
  }
  Result<void> end(const Job& job) {
    return journal->write({.jobs = {finished(job, JobResult::succeeded, job.created_at)},
                           .wanted = {{.service = "w3svc", .up = true, .job = job.id}},
                           .audit = {accepted_entry(job)}},
                          Durability::power_loss);
  }
};

std::string what_was_accepted_ends(const std::string& disk) {
  const std::string path = disk + "/noforce.db";
  Kept kept(path);
  if (!kept.journal || !kept.journal->healthy()) return "not opened in health";
  const auto whole = reserved(path);
  TokenRecord token{.name = "ci", .hash = std::string(64, 'a'), .role = Role::operator_};
  if (!kept.journal->add_token(token, {})) return "no token";
  for (int n = 0; n < 200; ++n) {
    if (!kept.accept()) return "not accepted";
  }
  const Neighbour neighbour(disk);
  neighbour.take_all();

  const Job refused = queued_job(kept.ids.next());
  for (bool full = false; !full;) {  // what the log and the database still have room for
    const auto accepted =
        kept.journal->accept(queued_job(kept.ids.next()), accepted_entry(refused), std::nullopt);
    full = !accepted;
    if (full && accepted.error().native_name != "SQLITE_FULL") return accepted.error().detail;
    if (accepted) kept.jobs.push_back(refused);
  }
  std::string why;
  if (kept.journal->healthy(&why)) return "healthy on a full disk";
  if (why.find("disk that holds the journal is full; free at least 1 MiB") == std::string::npos) {
    return why;
  }
  for (int n = 0; n < 100; ++n) {
    if (kept.journal->audit(accepted_entry(refused))) return "a denial found room";
  }
  token.name = "new";
  token.hash = std::string(64, 'b');
  if (kept.journal->add_token(token, {})) return "a new token found room";
  if (reserved(path) != whole) return "what is new took of the reserve";

  for (int n = 0; n < 200; ++n) {
    if (const auto ended = kept.end(kept.jobs[static_cast<std::size_t>(n)]); !ended) {
      return "job " + std::to_string(n) + " cannot end: " + ended.error().detail;
    }
  }
  if (!kept.journal->set_hold({.on = true, .by = "a", .reason = "full"}, {})) return "no hold";
  if (!kept.journal->revoke_token("ci", {})) return "a token cannot be revoked";
  Job restoring = queued_job(kept.ids.next());
  restoring.requested_by = kAgentPrincipal;
  if (const auto taken = kept.journal->accept(restoring, {}, std::nullopt); !taken) {
    return "nothing is brought back: " + taken.error().detail;
  }
  kept.jobs.push_back(restoring);
  if (reserved(path) == whole) return "the reserve was not needed: this test shows nothing";
  if (kept.journal->healthy()) return "healthy without its reserve";

  neighbour.give_back();
  if (!becomes_healthy(*kept.journal)) return "does not see the room";
  if (reserved(path) != whole) return "healthy without its reserve";
  if (!kept.accept()) return "not accepted with room";
  return wrong_with(*kept.journal, path, kept.jobs.size());
}

TEST(AJournalOnAFullDisk, LetsWhatWasAcceptedEndAndNothingNewBegin) {
  expect_good(what_was_accepted_ends);
}

std::string greedy_neighbour(const std::string& disk) {
  const std::string path = disk + "/noforce.db";
  Kept kept(path);
  for (int n = 0; n < 100; ++n) {
    if (!kept.accept()) return "not accepted";
  }
  const Neighbour neighbour(disk);
  std::atomic<bool> over = false;
  neighbour.take_all();
  std::thread greedy([&] {
    while (!over)
      neighbour.take_all();
  });
  std::string wrong;
  for (const Job& job : kept.jobs) {
    if (const auto ended = kept.end(job); !ended) {
      wrong = "job " + job.id + " cannot end: " + ended.error().detail;
      break;
    }
  }
  over = true;
  greedy.join();
  return wrong.empty() ? wrong_with(*kept.journal, path, 100) : wrong;
}

TEST(AJournalOnAFullDisk, KeepsItsReserveFromWhoeverTakesEachFreeByte) {
  expect_good(greedy_neighbour);
}

std::string opened_when_full(const std::string& disk, bool killed) {
  const std::string path = disk + "/noforce.db";
  const pid_t agent = ::fork();
  if (agent == 0) {
    Kept kept(path);
    for (int n = 0; n < 100; ++n) {
      if (!kept.accept()) ::_exit(1);
    }
    if (!killed) kept.journal.reset();
    ::_exit(0);  // as if it was killed, unless its journal was closed
  }
  int status = 0;
  if (::waitpid(agent, &status, 0) != agent || status != 0) return "not accepted";
  const Neighbour neighbour(disk);
  neighbour.take_all();

  auto opened = Journal::open(path);
  if (!opened) return opened.error().detail;
  Kept kept(path);
  if (!kept.journal) return "not opened";
  std::string why;
  if (kept.journal->healthy(&why)) return "healthy on a full disk";
  if (why.find("full; free at least ") == std::string::npos) return why;
  const auto unfinished = kept.journal->unfinished();
  if (!unfinished || unfinished->size() != 100) return "lost an accepted job";
  for (const Job& job : *unfinished) {
    if (const auto ended = kept.end(job); !ended) return "cannot end: " + ended.error().detail;
  }
  neighbour.give_back();
  if (!becomes_healthy(*kept.journal)) return "does not see the room";
  return wrong_with(*kept.journal, path, 100);
}

TEST(AJournalOnAFullDisk, IsOpenedAfterItsAgentWasKilled) {
  expect_good([](const std::string& disk) { return opened_when_full(disk, true); });
}

TEST(AJournalOnAFullDisk, IsOpenedAfterItWasClosed) {
  expect_good([](const std::string& disk) { return opened_when_full(disk, false); });
}

std::string copied_when_full(const std::string& disk) {
  const std::string path = disk + "/noforce.db";
  Kept kept(path);
  for (int n = 0; n < 100; ++n) {
    if (!kept.accept()) return "not accepted";
  }
  const Neighbour neighbour(disk);
  neighbour.take_all();
  const auto here = copy_journal(path, disk + "/copy.db");
  if (here) return "copied to a full disk";
  for (const auto& entry : std::filesystem::directory_iterator(disk)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("copy")) return "left " + name + " behind";
  }
  const test::TemporaryDirectory elsewhere(test::memory());
  const auto there = copy_journal(path, elsewhere.file("copy.db"));
  if (!there) return there.error().detail;
  return there->jobs == 100 ? "" : "a copy of something else";
}

TEST(AJournalOnAFullDisk, IsCopiedToWhereThereIsRoom) {
  expect_good(copied_when_full);
}

std::string begun_when_full(const std::string& disk) {
  const Neighbour neighbour(disk);
  neighbour.take_all();
  const auto opened = Journal::open(disk + "/noforce.db");
  if (opened) return "made a journal out of nothing";
  const std::string& detail = opened.error().detail;
  return detail.find("full") != std::string::npos || detail.find("space") != std::string::npos
             ? ""
             : detail;
}

TEST(AJournalOnAFullDisk, SaysSoWhenItCannotEvenBeMade) {
  expect_good(begun_when_full);
}

}  // namespace
}  // namespace noforce
