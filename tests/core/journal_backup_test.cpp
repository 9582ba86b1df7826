#include "core/journal_backup.hpp"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "core/journal.hpp"
#include "tests/core/journal_samples.hpp"

namespace noforce {
namespace {

using test::accepted_entry;
using test::finished;
using test::queued_job;

class ACopyOfTheJournal : public testing::Test {
 protected:
  std::unique_ptr<Journal> open(const std::string& path) {
    auto opened = Journal::open(path);
    EXPECT_TRUE(opened) << opened.error().detail;
    return opened ? std::move(*opened) : nullptr;
  }
  Job accept(Journal& journal) {
    const Job job = queued_job(ids_.next());
    EXPECT_TRUE(journal.accept(job, accepted_entry(job), IdempotencyKey{"a", job.id, "f"}));
    return job;
  }
  // The log stays as it is when a process is killed.
  void accept_and_die(int count) {
    const pid_t agent = ::fork();
    ASSERT_GE(agent, 0);
    if (agent == 0) {
      auto journal = Journal::open(path_);
      for (int n = 0; n < count; ++n) {
        const Job job = queued_job(ids_.next());
        if (!(*journal)->accept(job, accepted_entry(job), std::nullopt)) ::_exit(1);
      }
      ::_exit(0);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(agent, &status, 0), agent);
    ASSERT_EQ(status, 0);
  }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(copies_.file("")))
      names.push_back(entry.path().filename());
    return names;
  }

  test::TemporaryDirectory directory_{test::memory()};
  test::TemporaryDirectory copies_{test::memory()};
  const std::string path_ = directory_.file("noforce.db");
  const std::string copy_ = copies_.file("copy.db");
  UlidSource ids_;
};

TEST_F(ACopyOfTheJournal, HasEverythingThatWasDurableWhileOthersGoOnWriting) {
  const auto journal = open(path_);
  std::vector<Job> before;
  for (int n = 0; n < 300; ++n)
    before.push_back(accept(*journal));
  ASSERT_TRUE(journal->add_token({.name = "ci", .hash = std::string(64, 'a')}, {}));
  std::atomic<bool> over = false;
  std::atomic<int> written = 0;
  std::thread writer([&] {
    while (!over) {
      const Job job = accept(*journal);
      EXPECT_TRUE(journal->write({.jobs = {finished(job, JobResult::succeeded, job.created_at)},
                                  .wanted = {{.service = "w3svc", .up = true, .job = job.id}},
                                  .audit = {accepted_entry(job)}},
                                 Durability::process_death));
      ++written;
    }
  });
  while (written < 20)
    std::this_thread::yield();
  const auto made = copy_journal(path_, copy_);
  over = true;
  writer.join();

  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_GE(made->jobs, 320U);
  EXPECT_LE(made->jobs, *journal->count_jobs());
  EXPECT_GE(made->unfinished, 300U);
  const auto restored = open(copy_);
  EXPECT_EQ(*restored->count_jobs(), made->jobs);
  EXPECT_EQ(restored->unfinished()->size(), made->unfinished);
  EXPECT_EQ(restored->verify_audit()->head, made->audit.head);
  EXPECT_EQ(restored->tokens()->size(), 1U);
  for (const Job& job : before) {
    ASSERT_EQ(*restored->job(job.id), job);
    ASSERT_EQ(*restored->find_key({"a", job.id, "f"}), job.id);
  }
  accept(*restored);
}

TEST_F(ACopyOfTheJournal, IsForItsOwnerAlone) {
  (void)open(path_);
  ASSERT_TRUE(copy_journal(path_, copy_));
  struct stat status{};
  ASSERT_EQ(::stat(copy_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  EXPECT_EQ(files(), std::vector<std::string>{"copy.db"});
}

TEST_F(ACopyOfTheJournal, OverwritesNothing) {
  (void)open(path_);
  std::ofstream(copy_) << "precious";
  const auto made = copy_journal(path_, copy_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, ErrorKind::already_done);
  EXPECT_EQ(std::filesystem::file_size(copy_), 8U);
}

TEST_F(ACopyOfTheJournal, IsMadeOfWhatAKilledAgentLeft) {
  accept_and_die(50);
  const auto made = copy_journal(path_, copy_);
  ASSERT_TRUE(made) << made.error().detail;
  EXPECT_EQ(made->jobs, 50U);
  EXPECT_EQ(made->audit.rows, 50U);
  EXPECT_EQ(*open(path_)->count_jobs(), 50U);
}

TEST_F(ACopyOfTheJournal, IsNotMadeOfADamagedOne) {
  {
    const auto journal = open(path_);
    for (int n = 0; n < 200; ++n)
      accept(*journal);
  }
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(std::filesystem::file_size(path_) / 8192 * 4096));
  file << std::string(4096, '\x5a');
  file.close();
  const auto made = copy_journal(path_, copy_);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().detail.find("damaged"), std::string::npos) << made.error().detail;
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(ACopyOfTheJournal, IsNotMadeOfAChangedTrail) {
  {
    const auto journal = open(path_);
    for (int n = 0; n < 5; ++n)
      accept(*journal);
  }
  // One letter of a row, in place: the database is whole.
  std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), {});
  const std::size_t at = bytes.rfind("192.0.2.7");
  ASSERT_NE(at, std::string::npos);
  file.seekp(static_cast<std::streamoff>(at));
  file << "192.0.2.8";
  file.close();
  const auto made = copy_journal(path_, copy_);
  ASSERT_FALSE(made);
  EXPECT_NE(made.error().detail.find("audit trail, row "), std::string::npos)
      << made.error().detail;
  EXPECT_EQ(files(), std::vector<std::string>{});
}

TEST_F(ACopyOfTheJournal, IsNotMadeOfNothing) {
  const auto made = copy_journal(path_, copy_);
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, ErrorKind::not_found);
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ACopyOfTheJournal, IsNotMixedWithTheLogOfTheOneBefore) {
  accept_and_die(10);
  ASSERT_TRUE(copy_journal(path_, copy_));
  accept_and_die(10);
  ASSERT_GT(std::filesystem::file_size(path_ + "-wal"), 0U);
  std::filesystem::copy_file(copy_, path_, std::filesystem::copy_options::overwrite_existing);

  const auto mixed = Journal::open(path_);
  ASSERT_FALSE(mixed);
  EXPECT_NE(mixed.error().detail.find("-wal"), std::string::npos) << mixed.error().detail;

  std::filesystem::remove(path_ + "-wal");
  std::filesystem::remove(path_ + "-shm");
  EXPECT_EQ(*open(path_)->count_jobs(), 10U);
}

}  // namespace
}  // namespace noforce
