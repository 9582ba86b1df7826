// What the journal costs, beside SQLite's own figures in the same run.
//
//   bench_journal_bench [DIRECTORY [JOBS]]
//
// 1. Jobs accepted by 32 threads, against single WAL+FULL commits of one row with the same body:
//    interleaved rounds, medians, the ratio.
// 2. A page of the job list, filtered and not, and recovery, with 100 jobs and with JOBS
//    (default 1 000 000) in the history.
// 3. How long one who accepts a job waits, with JOBS in the history: while nothing else goes on,
//    while old jobs are forgotten, while the journal is copied. And how long those take.
// Each figure is a median, with the least and the most of its samples behind it.
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <sqlite3.h>

#include "core/job_json.hpp"
#include "core/journal.hpp"
#include "core/journal_backup.hpp"
#include "core/ulid.hpp"

namespace noforce {
namespace {

constexpr int rounds = 7;
constexpr int threads_in_all = 32;
constexpr int accepted_by_each = 60;
constexpr int single_commits = 600;

double seconds_of(const std::function<void()>& work) {
  const auto before = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - before).count();
}

double quantile(std::vector<double> values, double part) {
  std::ranges::sort(values);
  return values[std::min(values.size() - 1,
                         static_cast<std::size_t>(static_cast<double>(values.size()) * part))];
}

double median(const std::vector<double>& values) {
  return quantile(values, 0.5);
}

// "12.3 (11.9 - 14.0)"
std::string figure(const std::vector<double>& values) {
  char text[80];
  (void)std::snprintf(text, sizeof text, "%.1f (%.1f - %.1f)", median(values),
                      *std::ranges::min_element(values), *std::ranges::max_element(values));
  return text;
}

[[noreturn]] void give_up(const std::string& why) {
  std::fprintf(stderr, "journal_bench: %s\n", why.c_str());
  std::exit(1);
}

template <typename T>
T must(Result<T> result) {
  if (!result) give_up(result.error().detail);
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

Job job_of_tree(const std::string& id, std::size_t n) {
  Job job;
  job.id = id;
  job.action = n % 10 == 0 ? Action::stop : Action::restart;
  job.services = {"service-" + std::to_string(n % 50)};
  job.touches = job.services;
  job.requested_by = "token:ci-deploy";
  job.options.reason = "deploy " + std::to_string(n);
  job.plan_digest = "sha256:" + std::string(64, 'a');
  job.consented = job.services;
  job.created_at = system_clock().wall();
  for (const Operation operation : {Operation::stop, Operation::start}) {
    Step step;
    step.service = job.services.front();
    step.operation = operation;
    job.steps.push_back(step);
  }
  return job;
}

JobPtr ended(Job job, std::size_t n) {
  job.state = JobState::done;
  job.result = n % 7 == 0 ? JobResult::failed : JobResult::succeeded;
  job.started_at = job.finished_at = job.created_at;
  job.duration = Milliseconds{4210};
  for (Step& step : job.steps) {
    step.state = StepState::done;
    step.result = StepResult::succeeded;
    step.started_at = step.finished_at = job.created_at;
    step.duration = Milliseconds{2000};
    step.pid_before = 4711;
  }
  return std::make_shared<const Job>(std::move(job));
}

AuditEntry audit_of(const Job& job) {
  AuditEntry entry;
  entry.principal = job.requested_by;
  entry.address = "192.0.2.7";
  entry.event = "job.accepted";
  entry.outcome = "ok";
  entry.job = job.id;
  entry.services = job.services;
  return entry;
}

// One connection, one row a commit: what a program without a journal of its own would do.
class SingleCommits {
 public:
  explicit SingleCommits(const std::string& path) {
    if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) give_up("cannot open " + path);
    run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"
        "CREATE TABLE jobs(id TEXT PRIMARY KEY, body TEXT)");
    sqlite3_prepare_v2(db_, "INSERT INTO jobs VALUES(?,?)", -1, &insert_, nullptr);
  }
  ~SingleCommits() {
    sqlite3_finalize(insert_);
    sqlite3_close(db_);
  }
  SingleCommits(const SingleCommits&) = delete;
  SingleCommits& operator=(const SingleCommits&) = delete;

  void insert(const std::string& id, const std::string& body) {
    sqlite3_bind_text(insert_, 1, id.data(), static_cast<int>(id.size()), SQLITE_STATIC);
    sqlite3_bind_text(insert_, 2, body.data(), static_cast<int>(body.size()), SQLITE_STATIC);
    if (sqlite3_step(insert_) != SQLITE_DONE) give_up(sqlite3_errmsg(db_));
    sqlite3_reset(insert_);
  }

 private:
  void run(const char* sql) {
    if (sqlite3_exec(db_, sql, nullptr, nullptr, nullptr) != SQLITE_OK) {
      give_up(sqlite3_errmsg(db_));
    }
  }
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

void accept_from_many(Journal& journal, UlidSource& ids) {
  std::vector<std::thread> threads;
  threads.reserve(threads_in_all);
  for (int t = 0; t < threads_in_all; ++t) {
    threads.emplace_back([&] {
      for (int n = 0; n < accepted_by_each; ++n) {
        const Job job = job_of_tree(ids.next(), static_cast<std::size_t>(n));
        (void)must(journal.accept(job, audit_of(job), std::nullopt));
      }
    });
  }
  for (std::thread& thread : threads)
    thread.join();
}

void bench_acceptance(const std::string& directory) {
  UlidSource ids;
  const auto journal = must(Journal::open(directory + "/accept.db"));
  SingleCommits single(directory + "/single.db");
  const std::string body = job_to_json(job_of_tree(ids.next(), 1));
  std::vector<double> ours;
  std::vector<double> theirs;
  for (int round = 0; round < rounds; ++round) {
    theirs.push_back(single_commits / seconds_of([&] {
                       for (int n = 0; n < single_commits; ++n)
                         single.insert(ids.next(), body);
                     }));
    ours.push_back(threads_in_all * accepted_by_each /
                   seconds_of([&] { accept_from_many(*journal, ids); }));
  }
  std::printf("accepted by %d threads     %8.0f jobs/s   (%zu bytes a job)\n", threads_in_all,
              median(ours), body.size());
  std::printf("SQLite, one row a commit   %8.0f commits/s\n", median(theirs));
  std::printf("ratio                      %8.2f   (goal 2)\n", median(ours) / median(theirs));
}

void fill(Journal& journal, UlidSource& ids, std::size_t count) {
  for (std::size_t done = 0; done < count;) {
    JournalChange change;
    for (; change.jobs.size() < 1000 && done < count; ++done) {
      change.jobs.push_back(ended(job_of_tree(ids.next(), done), done));
    }
    must(journal.write(change, Durability::process_death));
  }
}

struct Question {
  const char* name;
  JobFilter filter;
};

std::vector<double> microseconds_a_page(Journal& journal, const JobFilter& filter) {
  std::vector<double> times;
  times.reserve(101);
  for (int n = 0; n < 101; ++n) {
    times.push_back(1e6 * seconds_of([&] { (void)must(journal.jobs(filter)); }));
  }
  return times;
}

// What an agent that starts asks before it goes on; in milliseconds.
std::vector<double> milliseconds_of_recovery(const std::string& path) {
  std::vector<double> times;
  times.reserve(rounds);
  for (int round = 0; round < rounds; ++round) {
    times.push_back(1e3 * seconds_of([&] {
                      const auto journal = must(Journal::open(path));
                      (void)must(journal->unfinished());
                      (void)must(journal->newest_job_id());
                      (void)must(journal->wanted());
                    }));
  }
  return times;
}

// A history with some jobs that have not ended, in a file of its own.
std::string make_history(const std::string& directory, std::size_t count) {
  const std::string path = directory + "/history-" + std::to_string(count) + ".db";
  UlidSource ids;
  const auto journal = must(Journal::open(path));
  const double took = seconds_of([&] { fill(*journal, ids, count); });
  for (int n = 0; n < 20; ++n) {
    const Job job = job_of_tree(ids.next(), 1);
    (void)must(journal->accept(job, audit_of(job), std::nullopt));
  }
  if (count > 1000) std::printf("\n%zu jobs written in %.0f s\n", count, took);
  return path;
}

void bench_pages(const std::string& few_path, const std::string& many_path, std::size_t many) {
  const std::vector<Question> questions = {
      {"newest 20", {.limit = 20}},
      {"newest 100", {.limit = 100}},
      {"of a service", {.service = "service-1", .limit = 20}},
      {"succeeded", {.result = JobResult::succeeded, .limit = 20}},
      {"done", {.state = JobState::done, .limit = 20}},
      {"queued", {.state = JobState::queued, .limit = 20}},
      {"running (none)", {.state = JobState::running, .limit = 20}},
      {"a failed stop of one",
       {.result = JobResult::failed, .action = Action::stop, .service = "service-20", .limit = 1}},
  };
  std::printf("\n%-22s %24s %24s   ratio (goal 1.2)\n", "page of jobs, us", "100 jobs",
              std::to_string(many).c_str());
  const auto few = must(Journal::open(few_path));
  const auto lots = must(Journal::open(many_path));
  for (const Question& question : questions) {
    const auto with_few = microseconds_a_page(*few, question.filter);
    const auto with_many = microseconds_a_page(*lots, question.filter);
    std::printf("%-22s %24s %24s   %.2f\n", question.name, figure(with_few).c_str(),
                figure(with_many).c_str(), median(with_many) / median(with_few));
  }
}

// Accepts a job every few milliseconds until `over`; how long each took, in milliseconds.
std::vector<double> accept_until(Journal& journal, UlidSource& ids, const std::atomic<bool>& over) {
  std::vector<double> waits;
  for (std::size_t n = 0; !over; ++n) {
    const Job job = job_of_tree(ids.next(), n);
    waits.push_back(
        1e3 * seconds_of([&] { (void)must(journal.accept(job, audit_of(job), std::nullopt)); }));
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
  }
  return waits;
}

void print_waits(const char* meanwhile, Journal& journal, UlidSource& ids,
                 const std::function<void()>& work) {
  std::atomic<bool> over = false;
  double took = 0;
  std::thread worker([&] {
    took = seconds_of(work);
    over = true;
  });
  const auto waits = accept_until(journal, ids, over);
  worker.join();
  std::printf("%-22s %10.2f %10.2f %10.2f   %6.1f s\n", meanwhile, median(waits),
              quantile(waits, 0.99), quantile(waits, 1), took);
}

void bench_upkeep(const std::string& directory, const std::string& path) {
  UlidSource ids;
  const auto journal = must(Journal::open(path));
  ids.start_after(*must(journal->newest_job_id()));
  std::printf("\n%-22s %10s %10s %10s   %8s\n", "wait of a job, ms", "median", "99 %", "most",
              "work");
  print_waits("nothing else", *journal, ids,
              [] { std::this_thread::sleep_for(std::chrono::seconds(5)); });
  std::uint64_t forgotten = 0;
  print_waits("while some are forgotten", *journal, ids, [&] {
    for (int call = 0; call < 3; ++call)
      forgotten += must(journal->forget_jobs(system_clock().wall()));
  });
  std::printf("%22s %llu jobs\n", "", static_cast<unsigned long long>(forgotten));
  print_waits("while it is copied", *journal, ids,
              [&] { (void)must(copy_journal(path, directory + "/copy.db")); });
  std::printf("%22s %.0f MB\n", "",
              static_cast<double>(std::filesystem::file_size(directory + "/copy.db")) / 1e6);
}

void bench_history(const std::string& directory, std::size_t many) {
  const std::string few_path = make_history(directory, 100);
  const std::string many_path = make_history(directory, many);
  bench_pages(few_path, many_path, many);
  std::printf("%-22s %24s %24s   ms (goal 200)\n", "open and recovery",
              figure(milliseconds_of_recovery(few_path)).c_str(),
              figure(milliseconds_of_recovery(many_path)).c_str());
  bench_upkeep(directory, many_path);
}

}  // namespace
}  // namespace noforce

int main(int argc, char** argv) {
  std::string pattern =
      (argc > 1 ? std::filesystem::path(argv[1]) : std::filesystem::temp_directory_path()) /
      "journal-bench-XXXXXX";
  if (::mkdtemp(pattern.data()) == nullptr) {
    std::perror("journal_bench");
    return 1;
  }
  noforce::bench_acceptance(pattern);
  noforce::bench_history(pattern, argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1'000'000);
  std::filesystem::remove_all(pattern);
  return 0;
}
