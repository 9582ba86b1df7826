#include "core/journal_reads.hpp"

#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "core/job_json.hpp"
#include "core/journal_rows.hpp"
#include "core/journal_schema.hpp"
#include "core/ulid.hpp"

namespace noforce {
namespace {

constexpr std::size_t most_connections = 4;
constexpr Seconds patience_for_connection{5};
// Jobs that one page may pass over because they may not be seen, before it ends short.
constexpr std::size_t most_passed_over = 2000;
// A ULID is made a moment before or after the job's created_at.
constexpr Seconds since_slack{2};
constexpr std::size_t most_looked_at_for_end = 100;
constexpr std::size_t most_looked_at_for_duration = 50;
constexpr std::size_t durations_wanted = 5;
constexpr std::array<std::string_view, 3> unfinished_outcomes = {"queued", "running", "cancelling"};

constexpr std::array<Action, 6> all_actions = {Action::stop,   Action::start, Action::restart,
                                               Action::reload, Action::pause, Action::resume};
constexpr std::array<JobResult, 6> all_results = {JobResult::succeeded, JobResult::unchanged,
                                                  JobResult::failed,    JobResult::timed_out,
                                                  JobResult::cancelled, JobResult::interrupted};

std::vector<std::string_view> done_outcomes() {
  std::vector<std::string_view> outcomes;
  outcomes.reserve(all_results.size());
  for (const JobResult result : all_results)
    outcomes.push_back(to_string(result));
  return outcomes;
}

// Many statements, one state of the journal.
class Snapshot {
 public:
  explicit Snapshot(sqlite::Connection& db) : db_(db), begun_(db.run("BEGIN")) {}
  ~Snapshot() { db_.roll_back(); }
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;
  [[nodiscard]] const Result<void>& begun() const { return begun_; }

 private:
  sqlite::Connection& db_;
  Result<void> begun_;
};

// What is asked of the list; an empty set is no restriction.
struct Selection {
  std::optional<std::string> service;
  std::vector<std::string_view> actions;
  std::vector<std::string_view> outcomes;
  std::string below;  // ids smaller than this
  std::string from;   // and not smaller than this
};

// The ids that match, newest first. An index holds them in order only for one service, action and
// outcome; so each combination that may match is a stream of its own, and the streams are merged.
// That costs some seeks a page and is the same whatever the history holds.
class JobIds {
 public:
  JobIds(sqlite::Connection& db, Selection selection) : db_(db), selection_(std::move(selection)) {
    if (!selection_.service && selection_.actions.empty() && selection_.outcomes.empty()) {
      streams_.push_back({});
      return;
    }
    if (selection_.actions.empty()) {
      for (const Action action : all_actions)
        selection_.actions.push_back(to_string(action));
    }
    if (selection_.outcomes.empty()) {
      selection_.outcomes = done_outcomes();
      selection_.outcomes.insert(selection_.outcomes.end(), unfinished_outcomes.begin(),
                                 unfinished_outcomes.end());
    }
    for (const std::string_view action : selection_.actions) {
      for (const std::string_view outcome : selection_.outcomes) {
        streams_.push_back({.action = action, .outcome = outcome, .head = {}});
      }
    }
  }

  // nullopt: no more.
  Result<std::optional<std::string>> next() {
    if (!started_) {
      started_ = true;
      for (Stream& stream : streams_) {
        stream.head = selection_.below;
        if (auto moved = advance(stream); !moved) return std::unexpected(moved.error());
      }
      drop_empty();
    }
    if (streams_.empty()) return std::nullopt;
    const auto newest = std::ranges::max_element(streams_, {}, &Stream::head);
    std::string id = newest->head;
    if (auto moved = advance(*newest); !moved) return std::unexpected(moved.error());
    if (newest->head.empty()) drop_empty();
    return id;
  }

 private:
  struct Stream {
    std::string_view action;
    std::string_view outcome;
    std::string head;  // empty: it has ended
  };

  Result<void> advance(Stream& stream) {
    sqlite::Cursor row =
        stream.action.empty()
            ? db_.query("SELECT id FROM jobs WHERE id < ? AND id >= ? ORDER BY id DESC LIMIT 1",
                        stream.head, selection_.from)
        : selection_.service
            ? db_.query(
                  "SELECT job FROM job_services WHERE service = ? AND action = ? AND"
                  " outcome = ? AND job < ? AND job >= ? ORDER BY job DESC LIMIT 1",
                  *selection_.service, stream.action, stream.outcome, stream.head, selection_.from)
            : db_.query(
                  "SELECT id FROM jobs INDEXED BY jobs_by_outcome WHERE action = ? AND"
                  " outcome = ? AND id < ? AND id >= ? ORDER BY id DESC LIMIT 1",
                  stream.action, stream.outcome, stream.head, selection_.from);
    std::string head = row.next() ? row.text(0) : std::string();
    stream.head = std::move(head);
    return row.result();
  }

  void drop_empty() {
    std::erase_if(streams_, [](const Stream& stream) { return stream.head.empty(); });
  }

  sqlite::Connection& db_;
  Selection selection_;
  std::vector<Stream> streams_;
  bool started_ = false;
};

// Greater than every ULID.
std::string above_all() {
  return "~";
}

Error lost_row(const std::string& id) {
  return sqlite::damage("the journal is damaged: job " + id + " is in an index, not in its table");
}

Result<Job> read_known_job(sqlite::Connection& db, const std::string& id) {
  auto job = read_job(db, id);
  if (!job) return std::unexpected(job.error());
  if (!*job) return std::unexpected(lost_row(id));
  return std::move(**job);
}

// nullopt: nothing can match.
std::optional<Selection> selection_of(const JobFilter& filter) {
  Selection selection;
  selection.service = filter.service;
  selection.below = filter.before.value_or(above_all());
  if (filter.since) selection.from = first_ulid_at(*filter.since - since_slack);
  if (filter.action) selection.actions = {to_string(*filter.action)};
  if (filter.result) {
    if (filter.state && *filter.state != JobState::done) return std::nullopt;
    selection.outcomes = {to_string(*filter.result)};
  } else if (filter.state) {
    selection.outcomes = *filter.state == JobState::done
                             ? done_outcomes()
                             : std::vector<std::string_view>{to_string(*filter.state)};
  }
  return selection;
}

// Whether a step of this job was carried out on the service.
bool worked_on(const Job& job, std::string_view service) {
  return std::ranges::any_of(job.steps, [&](const Step& step) {
    return step.service == service && step.state == StepState::done &&
           step.result != StepResult::skipped;
  });
}

struct Kind {
  std::string action;
  std::string outcome;
};

// Each action with each outcome that there is, also those that this version does not know. Two
// seeks for each: a comparison of both columns at once would walk the index.
Result<std::vector<Kind>> kinds_of_jobs(sqlite::Connection& db) {
  std::vector<Kind> kinds;
  Kind last;
  for (;;) {
    sqlite::Cursor same = db.query(
        "SELECT outcome FROM jobs INDEXED BY jobs_by_outcome WHERE action = ? AND outcome > ?"
        " ORDER BY outcome LIMIT 1",
        last.action, last.outcome);
    if (same.next()) {
      last.outcome = same.text(0);
      kinds.push_back(last);
      continue;
    }
    if (!same.ok()) return std::unexpected(same.error());
    sqlite::Cursor other = db.query(
        "SELECT action FROM jobs INDEXED BY jobs_by_outcome WHERE action > ?"
        " ORDER BY action LIMIT 1",
        last.action);
    if (!other.next()) {
      if (!other.ok()) return std::unexpected(other.error());
      return kinds;
    }
    last = {.action = other.text(0), .outcome = {}};
  }
}

// `unreadable` gets a line for each job that cannot be read.
Result<void> append_jobs(sqlite::Cursor rows, std::vector<Job>& jobs,
                         std::set<std::string>& unreadable) {
  while (rows.next()) {
    auto job = job_from_json(rows.view(1));
    if (job) {
      jobs.push_back(std::move(*job));
    } else {
      unreadable.insert(unreadable_job(rows.view(0), job.error()));
    }
  }
  return rows.result();
}

// A job that was left out would be a service that nobody brings back.
std::unexpected<Error> refuse_unreadable(const std::set<std::string>& unreadable) {
  std::string detail;
  for (const std::string& line : unreadable)
    detail += (detail.empty() ? "" : "; ") + line;
  return fail(ErrorKind::journal_unavailable,
              detail +
                  ". An unfinished job that cannot be read is neither guessed at nor left out: " +
                  std::string(unreadable_way_out));
}

}  // namespace

Result<JournalReaders::Lease> JournalReaders::borrow() {
  const MonoTime until = std::chrono::steady_clock::now() + patience_for_connection;
  MutexLock lock(mutex_);
  while (idle_.empty() && open_ == most_connections) {
    if (!returned_.wait_until(lock, until) && idle_.empty() && open_ == most_connections) {
      return fail(ErrorKind::journal_unavailable,
                  "too many are reading the journal at once; try again in a moment");
    }
  }
  if (!idle_.empty()) {
    Lease lease(*this, std::move(idle_.back()));
    idle_.pop_back();
    return lease;
  }
  ++open_;
  lock.unlock();
  auto db = open_journal_reader(path_);
  if (db) return Lease(*this, std::make_unique<sqlite::Connection>(std::move(*db)));
  lock.lock();
  --open_;
  returned_.notify_one();
  return std::unexpected(db.error());
}

void JournalReaders::give_back(std::unique_ptr<sqlite::Connection> db) {
  const MutexLock lock(mutex_);
  idle_.push_back(std::move(db));
  returned_.notify_one();
}

Result<JobPage> list_jobs(sqlite::Connection& db, const JobFilter& filter) {
  const auto selection = selection_of(filter);
  if (!selection) return JobPage{};
  const Snapshot snapshot(db);
  if (!snapshot.begun()) return std::unexpected(snapshot.begun().error());
  const std::size_t limit = std::clamp<std::size_t>(filter.limit, 1, 1000);
  JobIds ids(db, *selection);
  JobPage page;
  std::string last_seen;
  for (std::size_t passed_over = 0;;) {
    auto id = ids.next();
    if (!id) return std::unexpected(id.error());
    if (!*id) return page;
    if (passed_over == most_passed_over) {
      page.more = true;
      page.next_before = last_seen;
      return page;
    }
    last_seen = **id;
    auto job = read_known_job(db, last_seen);
    if (!job) return std::unexpected(job.error());
    if ((filter.since && job->created_at < *filter.since) ||
        (filter.visible && !filter.visible(*job))) {
      ++passed_over;
      continue;
    }
    if (page.jobs.size() == limit) {
      page.more = true;
      page.next_before = page.jobs.back()->id;
      return page;
    }
    page.jobs.push_back(std::make_shared<const Job>(std::move(*job)));
  }
}

Result<std::vector<Job>> unfinished_jobs(sqlite::Connection& db) {
  const Snapshot snapshot(db);
  if (!snapshot.begun()) return std::unexpected(snapshot.begun().error());
  std::vector<Job> jobs;
  std::set<std::string> unreadable;
  const auto kinds = kinds_of_jobs(db);
  if (!kinds) return std::unexpected(kinds.error());
  const auto ended = done_outcomes();
  for (const auto& [action, outcome] : *kinds) {
    if (std::ranges::find(ended, outcome) != ended.end()) continue;
    auto done = append_jobs(db.query("SELECT id, body FROM jobs INDEXED BY jobs_by_outcome"
                                     " WHERE action = ? AND outcome = ?",
                                     action, outcome),
                            jobs, unreadable);
    if (!done) return std::unexpected(done.error());
  }
  auto done = append_jobs(
      db.query("SELECT id, body FROM jobs INDEXED BY jobs_to_restore WHERE restore_pending <> 0"),
      jobs, unreadable);
  if (!done) return std::unexpected(done.error());
  if (!unreadable.empty()) return refuse_unreadable(unreadable);
  std::ranges::sort(jobs, {}, &Job::id);
  // A job may be both: restored later, and not done yet.
  const auto again = std::ranges::unique(jobs, {}, &Job::id);
  jobs.erase(again.begin(), again.end());
  return jobs;
}

Result<std::optional<WallTime>> last_end_of(sqlite::Connection& db, std::string_view service) {
  const Snapshot snapshot(db);
  if (!snapshot.begun()) return std::unexpected(snapshot.begun().error());
  JobIds ids(db, {.service = std::string(service),
                  .actions = {},
                  .outcomes = done_outcomes(),
                  .below = above_all(),
                  .from = {}});
  // Jobs on one service end in the order in which they began: the newest that did something to it
  // is the last that did.
  for (std::size_t n = 0; n < most_looked_at_for_end; ++n) {
    auto id = ids.next();
    if (!id) return std::unexpected(id.error());
    if (!*id) break;
    auto job = read_known_job(db, **id);
    if (!job) return std::unexpected(job.error());
    if (worked_on(*job, service)) return job->finished_at;
  }
  return std::nullopt;
}

Result<std::optional<Milliseconds>> typical_duration_of(sqlite::Connection& db, Action action,
                                                        const std::vector<std::string>& services) {
  if (services.empty()) return std::nullopt;
  const Snapshot snapshot(db);
  if (!snapshot.begun()) return std::unexpected(snapshot.begun().error());
  std::vector<std::string> wanted = services;
  std::ranges::sort(wanted);
  // Not the unchanged ones: they say nothing about how long the work takes.
  JobIds ids(db, {.service = services.front(),
                  .actions = {to_string(action)},
                  .outcomes = {to_string(JobResult::succeeded)},
                  .below = above_all(),
                  .from = {}});
  std::vector<Milliseconds> durations;
  for (std::size_t n = 0; n < most_looked_at_for_duration && durations.size() < durations_wanted;
       ++n) {
    auto id = ids.next();
    if (!id) return std::unexpected(id.error());
    if (!*id) break;
    auto job = read_known_job(db, **id);
    if (!job) return std::unexpected(job.error());
    std::ranges::sort(job->services);
    if (job->services == wanted && job->duration) durations.push_back(*job->duration);
  }
  if (durations.empty()) return std::nullopt;
  std::ranges::sort(durations);
  return durations[durations.size() / 2];
}

}  // namespace noforce
