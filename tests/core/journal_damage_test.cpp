// The journal's file torn, overwritten, cut off, taken away or somebody else's. Whatever is done to
// it: what is read is what was written, or it is said that the file is damaged and what to do; nothing
// is guessed, and nothing more is written.
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <iostream>
#include <thread>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "core/journal.hpp"
#include "core/sqlite.hpp"
#include "tests/core/journal_samples.hpp"

namespace noforce {
namespace {

using test::accepted_entry;
using test::finished;
using test::queued_job;

constexpr std::size_t page_size = 4096;

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// In place: what has the file open sees it.
void overwrite(const std::string& path, std::size_t at, const std::string& bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(at));
  file << bytes;
}

bool says(const Error& error, const std::string& text) {
  return error.detail.find(text) != std::string::npos;
}

// What whoever runs the machine has to be told: what is wrong with what, and what to do.
void expect_useful(const Error& error) {
  EXPECT_EQ(error.kind, ErrorKind::journal_unavailable);
  EXPECT_TRUE(says(error, "journal")) << error.detail;
  EXPECT_TRUE(says(error, "noforce backup") || says(error, "move") ||
              says(error, "newer noforce") || says(error, "give the agent's user"))
      << error.detail;
}

class ADamagedJournal : public testing::Test {
 protected:
  void SetUp() override {
    {
      const auto journal = open();
      ASSERT_TRUE(journal);
      for (int n = 0; n < 30; ++n) {
        Job job = queued_job(ids_.next());
        job.warnings = {std::string(n % 10 == 0 ? 9000 : 10, 'w')};  // some need pages of their own
        ASSERT_TRUE(journal->accept(job, accepted_entry(job), IdempotencyKey{"a", job.id, "f"}));
        if (n % 2 == 0) job = *finished(job, JobResult::succeeded, job.created_at);
        ASSERT_TRUE(journal->write({.jobs = {std::make_shared<const Job>(job)},
                                    .wanted = {{.service = "s" + std::to_string(n), .job = job.id}},
                                    .audit = {}},
                                   Durability::process_death));
        jobs_.push_back(job);
        TokenRecord token{.name = "t" + std::to_string(n), .hash = std::string(64, 'a')};
        token.hash.replace(0, job.id.size(), job.id);
        ASSERT_TRUE(journal->add_token(token, accepted_entry(job)));
      }
      ASSERT_TRUE(journal->set_hold({.on = true, .by = "a", .reason = "r"}, {}));
      wanted_ = *journal->wanted();
      tokens_ = names_of(*journal->tokens());
      head_ = journal->verify_audit()->head;
    }
    good_ = bytes_of(path_);
  }

  static std::vector<std::string> names_of(const std::vector<TokenRecord>& tokens) {
    std::vector<std::string> names;
    names.reserve(tokens.size());
    for (const TokenRecord& token : tokens)
      names.push_back(token.name + token.hash);
    return names;
  }

  std::unique_ptr<Journal> open() {
    auto opened = Journal::open(path_);
    EXPECT_TRUE(opened) << opened.error().detail;
    return opened ? std::move(*opened) : nullptr;
  }

  // The file as it was, with nothing beside it.
  void restore() {
    for (const char* const more : {"-wal", "-shm"})
      std::filesystem::remove(path_ + more);
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << good_;
  }

  // True: it was said that it is damaged.
  template <typename T>
  static bool said_by(const Result<T>& answer) {
    if (!answer) expect_useful(answer.error());
    return !answer;
  }

  // Each answer is the right one or says what is wrong. True: something was said.
  bool reads_right_or_says_so(Journal& journal) {
    bool said = false;
    for (const Job& job : jobs_) {
      const auto read = journal.job(job.id);
      if (said_by(read)) {
        said = true;
      } else if (*read) {
        EXPECT_TRUE(**read == job);
      }
    }
    const auto unfinished = journal.unfinished();
    if (said_by(unfinished)) {
      said = true;
    } else {
      EXPECT_EQ(unfinished->size(), jobs_.size() / 2);
    }
    const auto wanted = journal.wanted();
    if (said_by(wanted)) {
      said = true;
    } else {
      EXPECT_TRUE(*wanted == wanted_);
    }
    const auto tokens = journal.tokens();
    if (said_by(tokens)) {
      said = true;
    } else {
      EXPECT_TRUE(names_of(*tokens) == tokens_);
    }
    const auto hold = journal.hold();
    if (said_by(hold)) {
      said = true;
    } else {
      EXPECT_TRUE(hold->on);
    }
    const auto page = journal.jobs({.service = "w3svc", .limit = 1000});
    if (said_by(page)) {
      said = true;
    } else {
      EXPECT_EQ(page->jobs.size(), jobs_.size());
    }
    const auto verdict = journal.verify_audit();
    if (said_by(verdict) || verdict->first_bad) {
      said = true;
    } else {
      EXPECT_EQ(verdict->head, head_);
    }
    return said;
  }

  // Opens what was made of the file. True: something was said, and nothing wrong was taken for true.
  bool is_noticed() {
    const std::string before = bytes_of(path_);
    auto opened = Journal::open(path_);
    if (!opened) {
      expect_useful(opened.error());
      EXPECT_TRUE(says(opened.error(), path_)) << opened.error().detail;
      EXPECT_EQ(bytes_of(path_), before) << "it was written to";
      return true;
    }
    const bool said = reads_right_or_says_so(**opened);
    std::string why;
    if ((*opened)->healthy(&why)) return said;
    EXPECT_NE(why.find("damaged"), std::string::npos) << why;
    const Job job = queued_job(ids_.next());
    const auto accepted = (*opened)->accept(job, accepted_entry(job), std::nullopt);
    EXPECT_FALSE(accepted);
    if (!accepted) expect_useful(accepted.error());
    EXPECT_FALSE((*opened)->write({.jobs = {std::make_shared<const Job>(jobs_.front())}},
                                  Durability::process_death));
    return said;
  }

  // The first page of each table and index.
  std::vector<std::pair<std::string, std::size_t>> roots() {
    std::vector<std::pair<std::string, std::size_t>> all;
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
    sqlite3_exec(
        db, "SELECT name, rootpage FROM sqlite_schema WHERE rootpage > 0",
        [](void* out, int, char** row, char**) {
          static_cast<decltype(all)*>(out)->emplace_back(row[0], std::stoul(row[1]));
          return 0;
        },
        &all, nullptr);
    sqlite3_close(db);
    return all;
  }

  test::TemporaryDirectory directory_{test::memory()};
  const std::string path_ = directory_.file("noforce.db");
  UlidSource ids_;
  std::vector<Job> jobs_;
  std::vector<Wanted> wanted_;
  std::vector<std::string> tokens_;
  std::string head_;
  std::string good_;
};

// Found at rest ----------------------------------------------------------------------------------

TEST_F(ADamagedJournal, IsNotTakenForAnythingElseWhicheverByteOfItsHeaderIsWrong) {
  for (std::size_t at = 0; at < 100 && !HasFailure(); ++at) {
    for (const int mask : {0x01, 0xff}) {
      restore();
      overwrite(path_, at, std::string(1, static_cast<char>(good_[at] ^ mask)));
      (void)is_noticed();
      EXPECT_FALSE(HasFailure()) << "byte " << at << ", mask " << mask;
    }
  }
}

TEST_F(ADamagedJournal, IsNoticedWhicheverTableIsOverwritten) {
  const auto tables = roots();
  ASSERT_GE(tables.size(), 12U);
  for (const auto& [name, page] : tables) {
    for (const char fill : {'\0', '\x5a'}) {
      restore();
      overwrite(path_, (page - 1) * page_size, std::string(page_size, fill));
      const bool noticed = is_noticed();
      // Nothing is asked here of what only speeds a lookup of keys, principals or events up.
      const bool asked = name != "jobs_by_key" && !name.starts_with("audit_by_") &&
                         name != "sqlite_autoindex_tokens_2" && name != "jobs_to_restore";
      EXPECT_TRUE(noticed || !asked) << name;
      EXPECT_FALSE(HasFailure()) << name << ", filled with " << int{fill};
      if (HasFailure()) return;
    }
  }
}

TEST_F(ADamagedJournal, IsNeverReadWronglyWhicheverPageIsGarbage) {
  std::string garbage(page_size, '\0');
  std::size_t noticed = 0;
  const std::size_t pages = good_.size() / page_size;
  for (std::size_t page = 0; page < pages && !HasFailure(); ++page) {
    std::uint32_t state = static_cast<std::uint32_t>(page) + 1;
    for (char& byte : garbage) {
      state = state * 1'664'525 + 1'013'904'223;
      byte = static_cast<char>(state >> 24);
    }
    restore();
    overwrite(path_, page * page_size, garbage);
    if (is_noticed()) ++noticed;
    EXPECT_FALSE(HasFailure()) << "page " << page + 1;
  }
  EXPECT_GT(noticed, pages / 2);
}

TEST_F(ADamagedJournal, IsNoticedWhereverItIsCutOff) {
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{50}, std::size_t{512}, page_size,
        good_.size() / 2, good_.size() - page_size, good_.size() - 1}) {
    restore();
    std::filesystem::resize_file(path_, size);
    EXPECT_TRUE(is_noticed()) << size;
  }
}

TEST_F(ADamagedJournal, IsNoticedWhenSomethingElseIsInItsPlace) {
  const auto expect_refused = [this](const std::string& what) {
    EXPECT_TRUE(is_noticed()) << what;
  };
  std::ofstream(path_, std::ios::trunc) << std::string(100'000, 'x');
  expect_refused("text");
  std::ofstream(path_, std::ios::trunc).flush();
  expect_refused("an empty file");
  std::filesystem::remove(path_);
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  sqlite3_exec(db, "CREATE TABLE recipes(name)", nullptr, nullptr, nullptr);
  sqlite3_close(db);
  expect_refused("another program's database");
}

TEST_F(ADamagedJournal, IsNoticedWhenItIsGoneAndItsLogIsNot) {
  std::filesystem::remove(path_);
  std::ofstream(path_ + "-wal") << std::string(5000, 'x');
  const auto opened = Journal::open(path_);
  ASSERT_FALSE(opened);
  EXPECT_TRUE(says(opened.error(), "is gone, and its log")) << opened.error().detail;
  expect_useful(opened.error());
  EXPECT_FALSE(std::filesystem::exists(path_));
}

// Whoever moves all of it away wants a new one.
TEST_F(ADamagedJournal, IsMadeAnewOnceItWasMovedAway) {
  for (const char* const more : {"", "-wal", "-shm", "-reserve"})
    std::filesystem::remove(path_ + more);
  EXPECT_EQ(*open()->count_jobs(), 0U);
}

TEST_F(ADamagedJournal, IsNotWrittenByWhoMayOnlyReadIt) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    // Root may write everything.
    if (::geteuid() == 0) {
      for (const auto& entry : std::filesystem::directory_iterator(directory_.file("")))
        (void)!::chown(entry.path().c_str(), 65534, 65534);
      (void)!::chown(directory_.file("").c_str(), 65534, 65534);
      if (::setgid(65534) != 0 || ::setuid(65534) != 0) ::_exit(1);
    }
    if (::chmod(path_.c_str(), 0400) != 0) ::_exit(2);
    const auto opened = Journal::open(path_);
    if (opened) ::_exit(3);
    if (says(opened.error(), "give the agent's user the right to write it")) ::_exit(0);
    std::cerr << opened.error().detail << "\n";
    ::_exit(4);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// The log -----------------------------------------------------------------------------------------

// What SQLite cannot tell from a commit that never was is lost with the log. What is left fits
// together, and nothing of it is half there.
TEST_F(ADamagedJournal, IsWholeWithoutTheEndOfItsLog) {
  // Somebody reads what was there before: so nothing of the log is moved into the database, however
  // slow this machine is.
  std::optional<sqlite::Connection> reader;
  if (auto opened = sqlite::Connection::open(path_, sqlite::Connection::Mode::read_only)) {
    reader = std::move(*opened);
  }
  ASSERT_TRUE(reader);
  ASSERT_TRUE(reader->execute("BEGIN; SELECT count(*) FROM jobs"));
  const pid_t agent = ::fork();
  ASSERT_GE(agent, 0);
  if (agent == 0) {
    auto journal = Journal::open(path_);
    for (int n = 0; n < 100; ++n) {
      const Job job = queued_job(ids_.next());
      if (!(*journal)->accept(job, accepted_entry(job), std::nullopt)) ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(agent, &status, 0), agent);
  ASSERT_EQ(status, 0);
  const std::string log = bytes_of(path_ + "-wal");
  ASSERT_GT(log.size(), 50 * page_size);
  const std::string database = bytes_of(path_);
  reader.reset();

  const std::vector<std::function<void(const std::string&)>> harms = {
      [](const std::string& at) { std::filesystem::remove(at); },
      [](const std::string& at) { std::filesystem::resize_file(at, 0); },
      [](const std::string& at) {
        std::filesystem::resize_file(at, std::filesystem::file_size(at) / 2);
      },
      [](const std::string& at) { overwrite(at, 0, std::string(32, 'x')); },
      [](const std::string& at) { overwrite(at, 40 * page_size, std::string(page_size, 'x')); },
      [](const std::string& at) { overwrite(at, 0, std::string(200'000, 'x')); },
  };
  for (const auto& harm : harms) {
    std::filesystem::remove(path_ + "-shm");
    std::ofstream(path_ + "-wal", std::ios::binary | std::ios::trunc) << log;
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << database;
    harm(path_ + "-wal");
    const auto journal = open();
    ASSERT_TRUE(journal);
    const std::size_t count = *journal->count_jobs();
    EXPECT_GE(count, jobs_.size());
    EXPECT_LE(count, jobs_.size() + 100);
    EXPECT_EQ(journal->jobs({.limit = 1000})->jobs.size(), count);
    EXPECT_EQ(journal->jobs({.service = "w3svc", .limit = 1000})->jobs.size(), count);
    const auto verdict = journal->verify_audit();
    EXPECT_EQ(verdict->first_bad, std::nullopt) << verdict->sentence;
    EXPECT_EQ(verdict->rows, count + jobs_.size() + 1);
    const Job job = queued_job(ids_.next());
    EXPECT_TRUE(journal->accept(job, accepted_entry(job), std::nullopt));
  }
}

// Found while it is used --------------------------------------------------------------------------

TEST_F(ADamagedJournal, IsNotWrittenAnyMoreOnceAReaderFoundOut) {
  const auto journal = open();
  ASSERT_TRUE(journal->healthy());
  overwrite(path_, page_size, std::string(good_.size() - page_size, '\x5a'));
  EXPECT_TRUE(reads_right_or_says_so(*journal));
  std::string why;
  EXPECT_FALSE(journal->healthy(&why));
  EXPECT_NE(why.find("damaged"), std::string::npos) << why;

  const std::string before = bytes_of(path_ + "-wal");
  const Job job = queued_job(ids_.next());
  const auto refused = journal->accept(job, accepted_entry(job), std::nullopt);
  ASSERT_FALSE(refused);
  expect_useful(refused.error());
  EXPECT_FALSE(
      journal->write({.jobs = {std::make_shared<const Job>(job)}}, Durability::power_loss));
  EXPECT_FALSE(journal->set_hold({.on = false}, {}));
  EXPECT_FALSE(journal->audit(accepted_entry(job)));
  EXPECT_FALSE(journal->forget_jobs(system_clock().wall()));
  EXPECT_EQ(bytes_of(path_ + "-wal"), before);
  std::this_thread::sleep_for(Milliseconds{1500});  // longer than it takes to try again
  EXPECT_FALSE(journal->healthy()) << "it does not heal by itself";
}

TEST_F(ADamagedJournal, IsNotWrittenAnyMoreOnceAWriteFoundOut) {
  const auto journal = open();
  overwrite(path_, page_size, std::string(good_.size() - page_size, '\x5a'));
  const Job job = queued_job(ids_.next());
  const auto refused = journal->accept(job, accepted_entry(job), std::nullopt);
  ASSERT_FALSE(refused);
  expect_useful(refused.error());
  EXPECT_FALSE(journal->healthy());
  EXPECT_FALSE(journal->set_hold({.on = false}, {}));
}

// Rows that no version of the program would have written -------------------------------------------

TEST_F(ADamagedJournal, NamesEachUnfinishedJobThatCannotBeRead) {
  const std::string& text = jobs_[1].id;
  const std::string& action = jobs_[3].id;
  const std::string& outcome = jobs_[5].id;
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &db), SQLITE_OK);
  const std::string harm =
      "UPDATE jobs SET body = '{' WHERE id = '" + text +
      "'; UPDATE jobs SET action = 'hibernate', body = replace(body, 'restart', 'hibernate')"
      " WHERE id = '" +
      action +
      "'; UPDATE jobs SET outcome = 'dreaming', body = replace(body, 'queued', 'dreaming')"
      " WHERE id = '" +
      outcome + "'";
  EXPECT_EQ(sqlite3_exec(db, harm.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(db);

  const auto journal = open();
  const auto unfinished = journal->unfinished();
  ASSERT_FALSE(unfinished) << "a job was left out";
  for (const std::string& id : {text, action, outcome})
    EXPECT_TRUE(says(unfinished.error(), id)) << unfinished.error().detail;
  EXPECT_TRUE(says(unfinished.error(), "noforce backup")) << unfinished.error().detail;
  EXPECT_TRUE(journal->healthy()) << "the file itself is whole";
}

}  // namespace
}  // namespace noforce
