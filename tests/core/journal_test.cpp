#include "core/journal.hpp"

#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <fstream>
#include <set>
#include <thread>

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "tests/core/journal_samples.hpp"

namespace noforce {
namespace {

using test::accepted_entry;
using test::finished;
using test::HandClock;
using test::queued_job;

// Does something to the file that the journal itself would not.
void run_sql(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  char* problem = nullptr;
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &problem), SQLITE_OK)
      << (problem == nullptr ? "" : problem);
  sqlite3_free(problem);
  sqlite3_close(db);
}

std::vector<std::string> ids_of(const std::vector<JobPtr>& jobs) {
  std::vector<std::string> ids;
  ids.reserve(jobs.size());
  for (const JobPtr& job : jobs)
    ids.push_back(job->id);
  return ids;
}

class AJournal : public testing::Test {
 protected:
  void SetUp() override { open(); }

  void open() {
    journal_.reset();
    auto opened = Journal::open(path_, clock_);
    ASSERT_TRUE(opened) << opened.error().detail;
    journal_ = std::move(*opened);
  }

  Job make(Action action = Action::restart, const std::vector<std::string>& services = {"w3svc"}) {
    clock_.advance(Milliseconds{1});
    return queued_job(ids_.next(), clock_, action, services);
  }
  Job accept(const Job& job, const std::optional<IdempotencyKey>& key = std::nullopt) {
    const auto accepted = journal_->accept(job, accepted_entry(job), key);
    EXPECT_TRUE(accepted) << accepted.error().detail;
    return job;
  }
  void end(const Job& job, JobResult result, Milliseconds duration = Milliseconds{1500}) {
    write(finished(job, result, clock_.wall() + Milliseconds{1}, duration));
  }
  void write(JobPtr job) {
    const auto written = journal_->write({.jobs = {std::move(job)}, .wanted = {}, .audit = {}},
                                         Durability::process_death);
    EXPECT_TRUE(written) << written.error().detail;
  }
  JobPage page(const JobFilter& filter) {
    auto found = journal_->jobs(filter);
    EXPECT_TRUE(found) << found.error().detail;
    return found ? *found : JobPage{};
  }

  // The number of the first thing that was not as it should be; 0 when everything was.
  int live_through_a_full_disk() {
    auto opened = Journal::open(path_, clock_);
    if (!opened || !(*opened)->healthy()) return 1;
    const Job small = queued_job(ids_.next(), clock_);
    if (!(*opened)->accept(small, accepted_entry(small), std::nullopt)) return 2;
    ::signal(SIGXFSZ, SIG_IGN);
    rlimit limit{};
    ::getrlimit(RLIMIT_FSIZE, &limit);
    const rlim_t free = limit.rlim_cur;
    limit.rlim_cur = 400'000;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    Job large = queued_job(ids_.next(), clock_);
    large.warnings = {std::string(1'000'000, 'x')};
    const auto refused = (*opened)->accept(large, accepted_entry(large), std::nullopt);
    if (refused || refused.error().kind != ErrorKind::journal_unavailable) return 3;
    std::string why;
    if ((*opened)->healthy(&why) || why.empty()) return 4;
    if (!*(*opened)->job(small.id) || *(*opened)->job(large.id)) return 5;
    limit.rlim_cur = free;
    ::setrlimit(RLIMIT_FSIZE, &limit);
    // Nobody writes; it finds out by itself.
    for (int n = 0; n < 100 && !(*opened)->healthy(); ++n) {
      std::this_thread::sleep_for(Milliseconds{50});
    }
    if (!(*opened)->healthy()) return 6;
    const auto taken = (*opened)->accept(large, accepted_entry(large), std::nullopt);
    return taken ? 0 : 7;
  }

  test::TemporaryDirectory directory_{test::memory()};
  const std::string path_ = directory_.file("noforce.db");
  HandClock clock_;
  UlidSource ids_{clock_};
  std::unique_ptr<Journal> journal_;
};

TEST_F(AJournal, GivesBackWhatItTook) {
  const Job job = accept(make());
  const auto found = journal_->job(job.id);
  ASSERT_TRUE(found);
  EXPECT_EQ(**found, job);
  EXPECT_EQ(*journal_->job("01ARYZ6S41TSV4RRFFQ69G5FAV"), std::nullopt);
  EXPECT_EQ(*journal_->count_jobs(), 1U);
  EXPECT_EQ(*journal_->newest_job_id(), job.id);
  EXPECT_TRUE(journal_->healthy());
}

TEST_F(AJournal, IsEmptyAtFirst) {
  EXPECT_EQ(*journal_->newest_job_id(), std::nullopt);
  EXPECT_EQ(*journal_->count_jobs(), 0U);
  EXPECT_TRUE(journal_->unfinished()->empty());
  EXPECT_TRUE(journal_->wanted()->empty());
  EXPECT_TRUE(journal_->tokens()->empty());
  EXPECT_FALSE(journal_->hold()->on);
  EXPECT_TRUE(page({}).jobs.empty());
  EXPECT_EQ(journal_->verify_audit()->rows, 0U);
  EXPECT_EQ(*journal_->last_end("w3svc"), std::nullopt);
  EXPECT_EQ(*journal_->typical_duration(Action::restart, {"w3svc"}), std::nullopt);
}

TEST_F(AJournal, KeepsItsFileToItself) {
  accept(make());
  for (const char* const suffix : {"", "-wal", "-shm"}) {
    struct stat status{};
    ASSERT_EQ(::stat((path_ + suffix).c_str(), &status), 0) << suffix;
    EXPECT_EQ(status.st_mode & 0777U, 0600U) << suffix;
  }
}

TEST_F(AJournal, HasEverythingAfterItWasOpenedAgain) {
  const Job first = accept(make());
  const Job second = accept(make());
  end(first, JobResult::failed);
  open();
  EXPECT_EQ((*journal_->job(first.id))->result, JobResult::failed);
  EXPECT_EQ(**journal_->job(second.id), second);
  EXPECT_EQ(*journal_->count_jobs(), 2U);
  EXPECT_EQ(journal_->verify_audit()->rows, 2U);
}

TEST_F(AJournal, ReplacesAJobAndMakesOneThatIsNew) {
  Job job = accept(make());
  job.state = JobState::running;
  job.revision = 7;
  job.touches = {"antispam"};
  const Job follow_up = make();
  JournalChange change;
  change.jobs = {std::make_shared<const Job>(job), std::make_shared<const Job>(follow_up)};
  change.audit = {accepted_entry(follow_up)};
  ASSERT_TRUE(journal_->write(change, Durability::power_loss));
  EXPECT_EQ(**journal_->job(job.id), job);
  EXPECT_EQ(**journal_->job(follow_up.id), follow_up);
  EXPECT_EQ(*journal_->count_jobs(), 2U);
  EXPECT_EQ(page({.service = "antispam"}).jobs.size(), 1U);
  EXPECT_EQ(page({.state = JobState::running, .service = "w3svc"}).jobs.size(), 1U);
  EXPECT_EQ(page({.state = JobState::queued, .service = "w3svc"}).jobs.size(), 1U);
}

TEST_F(AJournal, WritesAllOfAChangeOrNothing) {
  const Job job = accept(make());
  run_sql(path_,
          "CREATE TRIGGER no_wanted BEFORE INSERT ON wanted BEGIN SELECT RAISE(FAIL, 'no'); END");
  JournalChange change;
  change.jobs = {finished(job, JobResult::succeeded, clock_.wall())};
  change.audit = {accepted_entry(job)};
  change.wanted = {
      {.service = "w3svc", .up = true, .job = job.id, .by = "x", .at = {}, .boot = {}}};
  const auto written = journal_->write(change, Durability::power_loss);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::journal_unavailable);
  EXPECT_EQ(written.error().native_name, "SQLITE_CONSTRAINT");
  EXPECT_EQ(**journal_->job(job.id), job);

  run_sql(path_, "DROP TRIGGER no_wanted");
  ASSERT_TRUE(journal_->write(change, Durability::power_loss));
  EXPECT_EQ((*journal_->job(job.id))->state, JobState::done);
  EXPECT_EQ(journal_->wanted()->size(), 1U);
  EXPECT_EQ(journal_->verify_audit()->rows, 2U);
  EXPECT_EQ(journal_->verify_audit()->first_bad, std::nullopt);
}

TEST_F(AJournal, SparesTheOthersWhenOneOfACommitFails) {
  run_sql(path_,
          "CREATE TRIGGER no_bad BEFORE INSERT ON wanted WHEN new.service LIKE 'bad%' BEGIN"
          " SELECT RAISE(FAIL, 'no'); END");
  std::atomic<int> good = 0;
  std::atomic<int> bad = 0;
  std::vector<std::thread> threads;
  threads.reserve(32);
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      for (int n = 0; n < 25; ++n) {
        JournalChange change;
        change.audit = {{.principal = "p", .address = {}, .event = "e"}};
        change.wanted = {{.service = (t % 2 == 0 ? "bad" : "good") + std::to_string(t * 100 + n)}};
        (journal_->write(change, Durability::process_death) ? good : bad)++;
      }
    });
  }
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(good, 100);
  EXPECT_EQ(bad, 100);
  EXPECT_EQ(journal_->wanted()->size(), 100U);
  const auto verdict = journal_->verify_audit();
  EXPECT_EQ(verdict->rows, 100U);
  EXPECT_EQ(verdict->first_bad, std::nullopt) << verdict->sentence;
}

TEST_F(AJournal, LetsManyThreadsShareTheirCommits) {
  constexpr int thread_count = 16;
  constexpr int per_thread = 40;
  std::vector<std::thread> threads;
  threads.reserve(32);
  for (int t = 0; t < thread_count; ++t) {
    threads.emplace_back([this] {
      for (int n = 0; n < per_thread; ++n)
        accept(queued_job(ids_.next(), clock_));
    });
  }
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(*journal_->count_jobs(), static_cast<std::uint64_t>(thread_count * per_thread));
  EXPECT_EQ(journal_->unfinished()->size(), static_cast<std::size_t>(thread_count * per_thread));
  EXPECT_EQ(journal_->verify_audit()->first_bad, std::nullopt);
}

// Keys -------------------------------------------------------------------------------------------

TEST_F(AJournal, GivesTheSameJobForTheSameKey) {
  const IdempotencyKey key{.credential = "token:ci", .key = "deploy-1", .fingerprint = "f1"};
  EXPECT_EQ(*journal_->find_key(key), std::nullopt);
  const Job first = accept(make(), key);
  EXPECT_EQ(*journal_->find_key(key), first.id);

  const Job second = make();
  auto again = journal_->accept(second, accepted_entry(second), key);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->job, first.id);
  EXPECT_EQ(*journal_->job(second.id), std::nullopt);
  EXPECT_EQ(journal_->verify_audit()->rows, 1U);

  open();
  again = journal_->accept(second, accepted_entry(second), key);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->replayed);
}

TEST_F(AJournal, RefusesAKeyForAnotherRequest) {
  IdempotencyKey key{.credential = "token:ci", .key = "deploy-1", .fingerprint = "f1"};
  accept(make(), key);
  key.fingerprint = "f2";
  const Job second = make();
  const auto accepted = journal_->accept(second, accepted_entry(second), key);
  ASSERT_FALSE(accepted);
  EXPECT_EQ(accepted.error().kind, ErrorKind::idempotency_mismatch);
  EXPECT_EQ(journal_->find_key(key).error().kind, ErrorKind::idempotency_mismatch);
  EXPECT_TRUE(journal_->healthy());
}

TEST_F(AJournal, KeepsTheKeysOfCredentialsApart) {
  const Job first = accept(make(), IdempotencyKey{"token:a", "k", "f1"});
  const Job second = accept(make(), IdempotencyKey{"token:b", "k", "f2"});
  EXPECT_EQ(*journal_->find_key({"token:a", "k", "f1"}), first.id);
  EXPECT_EQ(*journal_->find_key({"token:b", "k", "f2"}), second.id);
}

TEST_F(AJournal, MakesOneJobOfManyRacingWithOneKey) {
  std::vector<std::thread> threads;
  threads.reserve(32);
  std::vector<std::string> named(16);
  std::atomic<int> fresh = 0;
  for (auto& mine : named) {
    threads.emplace_back([this, &mine, &fresh] {
      const Job job = queued_job(ids_.next(), clock_);
      const auto accepted =
          journal_->accept(job, accepted_entry(job), IdempotencyKey{"token:a", "k", "f"});
      ASSERT_TRUE(accepted);
      mine = accepted->job;
      if (!accepted->replayed) ++fresh;
    });
  }
  for (auto& thread : threads)
    thread.join();
  EXPECT_EQ(fresh, 1);
  EXPECT_EQ(std::set<std::string>(named.begin(), named.end()).size(), 1U);
  EXPECT_EQ(*journal_->count_jobs(), 1U);
}

// Lists ------------------------------------------------------------------------------------------

TEST_F(AJournal, PagesWithoutGapsWhileNewJobsArrive) {
  std::vector<std::string> expected;
  JournalChange change;
  for (int n = 0; n < 450; ++n) {
    const Job job = make();
    change.jobs.push_back(std::make_shared<const Job>(job));
    expected.insert(expected.begin(), job.id);
  }
  ASSERT_TRUE(journal_->write(change, Durability::process_death));

  std::vector<std::string> seen;
  JobFilter filter{.limit = 100};
  for (bool more = true; more;) {
    const JobPage found = page(filter);
    for (auto& id : ids_of(found.jobs))
      seen.push_back(std::move(id));
    more = found.more;
    filter.before = found.next_before;
    accept(make());
  }
  EXPECT_EQ(seen, expected);
}

TEST_F(AJournal, AnswersEveryCombinationOfFilters) {
  const std::vector<std::vector<std::string>> sets = {{"a"}, {"b"}, {"a", "b"}, {"c"}};
  std::vector<Job> all;
  for (int n = 0; n < 240; ++n) {
    const auto action = static_cast<Action>(n % 6);
    Job job = accept(make(action, sets[static_cast<std::size_t>(n / 6) % sets.size()]));
    if (n % 5 == 0) {
      job.state = n % 2 == 0 ? JobState::running : JobState::cancelling;
      write(std::make_shared<const Job>(job));
    } else if (n % 5 < 4) {
      job = *finished(job, static_cast<JobResult>(n % 6), clock_.wall());
      write(std::make_shared<const Job>(job));
    }
    all.insert(all.begin(), job);
  }
  const WallTime middle = all[120].created_at;
  const std::vector<std::optional<JobState>> states = {std::nullopt, JobState::queued,
                                                       JobState::running, JobState::done};
  const std::vector<std::optional<JobResult>> results = {std::nullopt, JobResult::succeeded,
                                                         JobResult::interrupted};
  const std::vector<std::optional<Action>> actions = {std::nullopt, Action::stop, Action::resume};
  const std::vector<std::optional<std::string>> services = {std::nullopt, "a", "c", "none"};
  const std::vector<std::optional<WallTime>> times = {std::nullopt, middle};
  for (const auto& state : states) {
    for (const auto& result : results) {
      for (const auto& action : actions) {
        for (const auto& service : services) {
          for (const auto& since : times) {
            std::vector<std::string> expected;
            for (const Job& job : all) {
              if ((!state || job.state == *state) && (!result || job.result == *result) &&
                  (!action || job.action == *action) && (!since || job.created_at >= *since) &&
                  (!service || std::ranges::count(job.services, *service) != 0)) {
                expected.push_back(job.id);
              }
            }
            JobFilter filter{.state = state,
                             .result = result,
                             .action = action,
                             .service = service,
                             .since = since,
                             .limit = 7};
            std::vector<std::string> seen;
            for (bool more = true; more;) {
              const JobPage found = page(filter);
              for (auto& id : ids_of(found.jobs))
                seen.push_back(std::move(id));
              more = found.more;
              ASSERT_TRUE(!more || !found.next_before.empty());
              filter.before = found.next_before;
            }
            ASSERT_EQ(seen, expected);
          }
        }
      }
    }
  }
}

TEST_F(AJournal, FindsAJobByWhatItsStepsTouch) {
  Job job = accept(make(Action::restart, {"iisadmin"}));
  job.state = JobState::running;
  job.touches = {"iisadmin", "w3svc"};
  Step step;
  step.service = "late";
  job.steps.push_back(step);
  write(std::make_shared<const Job>(job));
  for (const char* const service : {"iisadmin", "w3svc", "late"}) {
    EXPECT_EQ(page({.service = service}).jobs.size(), 1U) << service;
  }
  EXPECT_EQ(page({.service = "antispam"}).jobs.size(), 0U);
}

TEST_F(AJournal, PassesOverWhatMayNotBeSeen) {
  std::vector<std::string> expected;
  for (int n = 0; n < 60; ++n) {
    const Job job = accept(make(Action::stop, {n % 3 == 0 ? "mine" : "theirs"}));
    if (n % 3 == 0) expected.insert(expected.begin(), job.id);
  }
  JobFilter filter{.limit = 5, .visible = [](const Job& job) { return job.services[0] == "mine"; }};
  std::vector<std::string> seen;
  for (bool more = true; more;) {
    const JobPage found = page(filter);
    for (auto& id : ids_of(found.jobs))
      seen.push_back(std::move(id));
    more = found.more;
    filter.before = found.next_before;
  }
  EXPECT_EQ(seen, expected);
}

TEST_F(AJournal, LooksAtABoundedNumberOfJobsForAPage) {
  JournalChange change;
  for (int n = 0; n < 2500; ++n) {
    const Job job = make(Action::stop, {n == 0 ? "mine" : "theirs"});
    change.jobs.push_back(std::make_shared<const Job>(job));
  }
  ASSERT_TRUE(journal_->write(change, Durability::process_death));
  std::size_t looked_at = 0;
  JobFilter filter{.limit = 5};
  filter.visible = [&looked_at](const Job& job) {
    ++looked_at;
    return job.services[0] == "mine";
  };
  const JobPage first = page(filter);
  EXPECT_TRUE(first.jobs.empty());
  EXPECT_TRUE(first.more);
  EXPECT_EQ(looked_at, 2000U);
  filter.before = first.next_before;
  const JobPage second = page(filter);
  EXPECT_EQ(second.jobs.size(), 1U);
  EXPECT_FALSE(second.more);
  EXPECT_EQ(looked_at, 2500U);
}

// What recovery and planning ask -----------------------------------------------------------------

TEST_F(AJournal, NamesWhatIsUnfinishedOldestFirst) {
  const Job queued = accept(make());
  Job running = accept(make(Action::stop));
  const Job done = accept(make());
  const Job pending = accept(make());
  const Job last = accept(make(Action::resume));
  running.state = JobState::cancelling;
  write(std::make_shared<const Job>(running));
  end(done, JobResult::succeeded);
  Job restoring = *finished(pending, JobResult::timed_out, clock_.wall());
  restoring.restored = Restored::pending;
  write(std::make_shared<const Job>(restoring));

  auto unfinished = journal_->unfinished();
  ASSERT_TRUE(unfinished);
  std::vector<std::string> ids;
  for (const Job& job : *unfinished)
    ids.push_back(job.id);
  EXPECT_EQ(ids, (std::vector<std::string>{queued.id, running.id, pending.id, last.id}));

  restoring.restored = Restored::complete;
  write(std::make_shared<const Job>(restoring));
  EXPECT_EQ(journal_->unfinished()->size(), 3U);
}

TEST_F(AJournal, KnowsWhenAServiceWasLastWorkedOn) {
  const Job first = accept(make(Action::restart, {"a", "b"}));
  end(first, JobResult::failed);
  const auto end_of_first = (*journal_->job(first.id))->finished_at;
  ASSERT_TRUE(end_of_first);

  // Cancelled before it began: it did nothing to the service.
  Job cancelled = accept(make(Action::restart, {"a"}));
  cancelled.state = JobState::done;
  cancelled.result = JobResult::cancelled;
  cancelled.finished_at = clock_.wall() + Seconds{60};
  write(std::make_shared<const Job>(cancelled));
  accept(make(Action::restart, {"a"}));
  EXPECT_EQ(*journal_->last_end("a"), end_of_first);
  EXPECT_EQ(*journal_->last_end("b"), end_of_first);
  EXPECT_EQ(*journal_->last_end("c"), std::nullopt);
}

TEST_F(AJournal, EstimatesFromWhatWasDoneBefore) {
  for (const int duration : {9000, 100, 300, 200, 500, 400}) {
    end(accept(make(Action::restart, {"b", "a"})), JobResult::succeeded, Milliseconds{duration});
  }
  end(accept(make(Action::restart, {"a"})), JobResult::succeeded, Milliseconds{7});
  end(accept(make(Action::restart, {"a", "b"})), JobResult::failed, Milliseconds{8});
  end(accept(make(Action::restart, {"a", "b"})), JobResult::unchanged, Milliseconds{0});
  // The median of the last five.
  EXPECT_EQ(*journal_->typical_duration(Action::restart, {"a", "b"}), Milliseconds{300});
  EXPECT_EQ(*journal_->typical_duration(Action::restart, {"a"}), Milliseconds{7});
  EXPECT_EQ(*journal_->typical_duration(Action::stop, {"a", "b"}), std::nullopt);
  EXPECT_EQ(*journal_->typical_duration(Action::restart, {}), std::nullopt);
}

TEST_F(AJournal, RemembersWhatIsWanted) {
  const Wanted up{.service = "w3svc",
                  .up = true,
                  .job = "01ARYZ6S41TSV4RRFFQ69G5FAV",
                  .by = "token:ci",
                  .at = clock_.wall(),
                  .boot = "b1"};
  Wanted down = up;
  down.up = false;
  down.boot = "b2";
  Wanted other = up;
  other.service = "antispam";
  ASSERT_TRUE(
      journal_->write({.jobs = {}, .wanted = {up, other}, .audit = {}}, Durability::process_death));
  ASSERT_TRUE(journal_->write({.jobs = {}, .wanted = {down}, .audit = {}}, Durability::power_loss));
  open();
  EXPECT_EQ(*journal_->wanted(), (std::vector<Wanted>{other, down}));
}

TEST_F(AJournal, RemembersTheHold) {
  const HoldRecord on{.on = true, .by = "local:root", .reason = "audit", .since = clock_.wall()};
  ASSERT_TRUE(journal_->set_hold(on, {.principal = "local:root", .event = "hold.on"}));
  open();
  EXPECT_TRUE(journal_->hold()->on);
  EXPECT_EQ(journal_->hold()->by, "local:root");
  EXPECT_EQ(journal_->hold()->reason, "audit");
  EXPECT_EQ(journal_->hold()->since, on.since);
  ASSERT_TRUE(journal_->set_hold({}, {.principal = "local:root", .event = "hold.off"}));
  EXPECT_FALSE(journal_->hold()->on);
  EXPECT_EQ(journal_->hold()->since, std::nullopt);
}

// Retention --------------------------------------------------------------------------------------

TEST_F(AJournal, ForgetsWhatEndedLongAgoAndNothingElse) {
  const WallTime start = clock_.wall();
  const Job unfinished = accept(make());
  const Job pending = accept(make());
  Job restoring = *finished(pending, JobResult::timed_out, clock_.wall());
  restoring.restored = Restored::pending;
  write(std::make_shared<const Job>(restoring));
  for (int n = 0; n < 450; ++n) {
    end(accept(make(), IdempotencyKey{"token:a", "k" + std::to_string(n), "f"}),
        JobResult::succeeded);
  }
  const Job late = accept(make());
  clock_.advance(std::chrono::hours{1});
  end(late, JobResult::succeeded);
  const WallTime border = start + std::chrono::minutes{30};
  const Job recent = accept(make(), IdempotencyKey{"token:a", "recent", "f"});
  end(recent, JobResult::succeeded);

  const auto forgotten = journal_->forget_jobs(border);
  ASSERT_TRUE(forgotten);
  EXPECT_EQ(*forgotten, 450U);
  EXPECT_EQ(*journal_->count_jobs(), 4U);
  EXPECT_EQ(ids_of(page({}).jobs),
            (std::vector<std::string>{recent.id, late.id, pending.id, unfinished.id}));
  EXPECT_EQ(ids_of(page({.service = "w3svc"}).jobs).size(), 4U);
  EXPECT_EQ(*journal_->find_key({"token:a", "k7", "f"}), std::nullopt);
  EXPECT_EQ(*journal_->find_key({"token:a", "recent", "f"}), recent.id);
  EXPECT_EQ(journal_->verify_audit()->rows, 454U);
  EXPECT_EQ(*journal_->forget_jobs(border), 0U);
}

TEST_F(AJournal, ForgetsADayAtATimeWhenTheClockWasSetAhead) {
  for (int day = 0; day < 30; ++day) {
    end(accept(make()), JobResult::succeeded);
    end(accept(make()), JobResult::succeeded);
    clock_.advance(std::chrono::days{1});
  }
  const WallTime years_ahead = clock_.wall() + std::chrono::years{5};
  for (std::uint64_t left = 58; left >= 50; left -= 2) {
    EXPECT_EQ(*journal_->forget_jobs(years_ahead), 2U);
    EXPECT_EQ(*journal_->count_jobs(), left);
  }
  // With the clock right again, what is not old enough stays.
  EXPECT_EQ(*journal_->forget_jobs(clock_.wall() - std::chrono::days{90}), 0U);
}

// The writer's turns are what the others wait for.
TEST_F(AJournal, ForgetsWithoutMakingTheOthersWait) {
  for (int n = 0; n < 3000; n += 500) {
    JournalChange change;
    for (int m = 0; m < 500; ++m)
      change.jobs.push_back(finished(make(), JobResult::succeeded, clock_.wall()));
    ASSERT_TRUE(journal_->write(change, Durability::process_death));
  }
  clock_.advance(std::chrono::hours{1});
  std::atomic<bool> over = false;
  std::thread forgets([&] {
    EXPECT_EQ(*journal_->forget_jobs(clock_.wall()), 3000U);
    over = true;
  });
  while (!over && *journal_->count_jobs() == 3000U)
    std::this_thread::yield();
  // The first portion of fifteen is gone. Each of these gets its turn between two others: there would
  // be no time for more than one if it had to wait for all of them.
  int turns = 0;
  for (; !over; ++turns)
    ASSERT_TRUE(journal_->audit({.principal = "a", .event = "denied"}));
  forgets.join();
  EXPECT_GE(turns, 10);
}

// Opening ----------------------------------------------------------------------------------------

TEST_F(AJournal, RefusesANewerSchema) {
  journal_.reset();
  run_sql(path_, "PRAGMA user_version = 99");
  const auto opened = Journal::open(path_, clock_);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::journal_unavailable);
  EXPECT_NE(opened.error().detail.find("newer noforce (schema 99"), std::string::npos);
}

TEST_F(AJournal, RefusesASymbolicLink) {
  const std::string link = directory_.file("link.db");
  std::filesystem::create_symlink(path_, link);
  const auto opened = Journal::open(link, clock_);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().detail.find("symbolic link"), std::string::npos);
}

TEST_F(AJournal, FollowsALinkedDirectory) {
  journal_.reset();
  const std::string link = directory_.file("linked");
  std::filesystem::create_directory_symlink(".", link);
  const auto opened = Journal::open(link + "/noforce.db", clock_);
  EXPECT_TRUE(opened) << opened.error().detail;
}

TEST_F(AJournal, RefusesWhatIsNoFileOrHasTwoNames) {
  std::filesystem::create_directory(directory_.file("folder.db"));
  EXPECT_FALSE(Journal::open(directory_.file("folder.db"), clock_));
  EXPECT_FALSE(Journal::open(directory_.file("no/such/noforce.db"), clock_));
  std::filesystem::create_hard_link(path_, directory_.file("second.db"));
  EXPECT_FALSE(Journal::open(directory_.file("second.db"), clock_));
}

TEST_F(AJournal, RefusesAnotherUsersFile) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  journal_.reset();
  ASSERT_EQ(::chown(path_.c_str(), 65534, 65534), 0);
  const auto opened = Journal::open(path_, clock_);
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().detail.find("belongs to another user"), std::string::npos);
}

TEST_F(AJournal, ClosesAFileThatOthersCouldRead) {
  journal_.reset();
  std::filesystem::permissions(path_, std::filesystem::perms{0644});
  open();
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(AJournal, RefusesWhatIsNoJournal) {
  const std::string text = directory_.file("text.db");
  std::ofstream(text) << std::string(8192, 'x');
  const auto no_database = Journal::open(text, clock_);
  ASSERT_FALSE(no_database);
  EXPECT_EQ(no_database.error().native_name, "SQLITE_NOTADB");

  const std::string other = directory_.file("other.db");
  run_sql(other, "CREATE TABLE recipes(name)");
  const auto others = Journal::open(other, clock_);
  ASSERT_FALSE(others);
  EXPECT_NE(others.error().detail.find("another program's"), std::string::npos);
}

TEST_F(AJournal, RefusesAFileThatLostATable) {
  journal_.reset();
  run_sql(path_, "DROP TABLE wanted");
  EXPECT_FALSE(Journal::open(path_, clock_));
}

TEST_F(AJournal, SaysWhichJobCannotBeRead) {
  const Job job = accept(make());
  run_sql(path_, "UPDATE jobs SET body = '{\"id\":7}'");
  const auto read = journal_->job(job.id);
  ASSERT_FALSE(read);
  EXPECT_NE(read.error().detail.find(job.id), std::string::npos);
  EXPECT_FALSE(journal_->unfinished());
  EXPECT_FALSE(journal_->jobs({}));
}

TEST_F(AJournal, SharesItsFileWithAnother) {
  auto other = Journal::open(path_, clock_);
  ASSERT_TRUE(other) << other.error().detail;
  std::thread theirs([&] {
    for (int n = 0; n < 50; ++n) {
      const Job job = queued_job(ids_.next(), clock_);
      EXPECT_TRUE((*other)->accept(job, accepted_entry(job), std::nullopt));
    }
  });
  for (int n = 0; n < 50; ++n)
    accept(queued_job(ids_.next(), clock_));
  theirs.join();
  EXPECT_EQ(*journal_->count_jobs(), 100U);
  const auto verdict = (*other)->verify_audit();
  EXPECT_EQ(verdict->rows, 100U);
  EXPECT_EQ(verdict->first_bad, std::nullopt) << verdict->sentence;
}

// Failure ----------------------------------------------------------------------------------------

TEST_F(AJournal, HasEachAcceptedJobAfterTheProcessWasKilled) {
  journal_.reset();
  int channel[2];
  ASSERT_EQ(::pipe(channel), 0);
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto opened = Journal::open(path_, clock_);
    if (!opened) ::_exit(1);
    for (;;) {
      const Job job = queued_job(ids_.next(), clock_);
      if (!(*opened)->accept(job, accepted_entry(job), IdempotencyKey{"a", job.id, "f"})) {
        ::_exit(2);
      }
      if (::write(channel[1], job.id.data(), job.id.size()) < 0) ::_exit(3);
    }
  }
  ::close(channel[1]);
  std::string promised;
  char buffer[260];
  while (promised.size() < 100 * 26U) {
    const ssize_t got = ::read(channel[0], buffer, sizeof buffer);
    ASSERT_GT(got, 0);
    promised.append(buffer, static_cast<std::size_t>(got));
  }
  // never-kills: the test's own child, to see what it leaves behind.
  ASSERT_EQ(::kill(child, SIGKILL), 0);
  for (ssize_t got = 1; got > 0;) {
    got = ::read(channel[0], buffer, sizeof buffer);
    if (got > 0) promised.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(channel[0]);
  ASSERT_EQ(::waitpid(child, nullptr, 0), child);

  open();
  for (std::size_t at = 0; at + 26 <= promised.size(); at += 26) {
    const std::string id = promised.substr(at, 26);
    const auto job = journal_->job(id);
    ASSERT_TRUE(job) << job.error().detail;
    ASSERT_TRUE(*job) << id;
    ASSERT_EQ(*journal_->find_key({"a", id, "f"}), id);
  }
  EXPECT_EQ(*journal_->count_jobs(), journal_->unfinished()->size());
  EXPECT_EQ(journal_->verify_audit()->rows, journal_->unfinished()->size());
}

TEST_F(AJournal, SaysThatItIsIllUntilItCanWriteAgain) {
  // A limit on the file's size stands in for a full disk.
  accept(make());
  journal_.reset();
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) ::_exit(live_through_a_full_disk());
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  open();
  EXPECT_EQ(*journal_->count_jobs(), 3U);
  EXPECT_EQ(journal_->verify_audit()->first_bad, std::nullopt);
}

}  // namespace
}  // namespace noforce
