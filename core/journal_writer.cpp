#include "core/journal_writer.hpp"

#include <algorithm>
#include <exception>
#include <utility>

namespace noforce {
namespace {

// How many units one commit takes: enough for every client that may wait, few enough that the
// last of them does not wait long and the dirty pages stay in memory.
constexpr std::size_t largest_batch = 128;
// With nothing to do for this long, the writer moves the log into the database.
constexpr Milliseconds idle_before_checkpoint{250};
// How often an ill journal tries whether it can write again.
constexpr Milliseconds probe_interval{1000};

Error shutting_down() {
  Error error;
  error.kind = ErrorKind::journal_unavailable;
  error.detail = "the journal is being closed; try again when the agent is back";
  return error;
}

}  // namespace

JournalWriter::JournalWriter(sqlite::Connection db, const Clock& clock)
    : db_(std::move(db)), transaction_(db_, clock), thread_([this] { loop(); }) {}

JournalWriter::~JournalWriter() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    work_there_.notify_all();
  }
  thread_.join();
}

Result<void> JournalWriter::run(Durability durability, const Work& work) {
  Unit unit{
      .work = work, .durability = durability, .outcome = {}, .finished = false, .changed = {}};
  MutexLock lock(mutex_);
  if (stopping_) return std::unexpected(shutting_down());
  queue_.push_back(&unit);
  if (queue_.size() == 1) work_there_.notify_one();
  while (!unit.finished)
    unit.changed.wait(lock);
  return std::move(unit.outcome);
}

bool JournalWriter::healthy(std::string* why) const {
  const MutexLock lock(mutex_);
  if (illness_ && why != nullptr) *why = *illness_;
  return !illness_;
}

void JournalWriter::loop() {
  MutexLock lock(mutex_);
  for (;;) {
    wait_for_work(lock);
    if (queue_.empty()) return;
    const std::size_t count = std::min(queue_.size(), largest_batch);
    const auto taken = queue_.begin() + static_cast<std::ptrdiff_t>(count);
    const Batch batch(queue_.begin(), taken);
    queue_.erase(queue_.begin(), taken);
    lock.unlock();
    commit(batch);
    lock.lock();
    for (Unit* const unit : batch) {
      unit->finished = true;
      unit->changed.notify_one();  // with the lock held: the unit is gone once its owner has it
    }
  }
}

// Returns with work in the queue, or when there will be none any more.
void JournalWriter::wait_for_work(MutexLock& lock) {
  while (queue_.empty() && !stopping_) {
    if (!illness_ && !checkpoint_due_) {
      work_there_.wait(lock);
      continue;
    }
    const Milliseconds patience = illness_ ? probe_interval : idle_before_checkpoint;
    if (work_there_.wait_until(lock, std::chrono::steady_clock::now() + patience)) continue;
    mutex_.unlock();
    tend();
    mutex_.lock();
  }
}

void JournalWriter::commit(const Batch& batch) {
  storage_failed_ = false;
  const std::int64_t changes_before = db_.total_changes();
  Result<void> outcome = begin(batch);
  if (outcome) outcome = work(batch);
  if (outcome) outcome = transaction_.write_count();
  if (outcome) outcome = db_.run("COMMIT");
  if (outcome) {
    if (!storage_failed_ && db_.total_changes() != changes_before) note_success();
    return;
  }
  db_.roll_back();
  head_known_ = false;
  note_failure(outcome.error());
  for (Unit* const unit : batch)
    unit->outcome = outcome;
  // The commit may have reached the log before it failed; the next process would take it for good.
  // Whatever is written now stands in its place; that so little could be is no proof of health.
  if (storage_failed_) (void)probe();
}

Result<void> JournalWriter::begin(const Batch& batch) {
  const auto strongest = std::ranges::max(batch, {}, &Unit::durability)->durability;
  if (synchronous_ != strongest) {
    auto done = db_.execute(strongest == Durability::power_loss ? "PRAGMA synchronous = FULL"
                                                                : "PRAGMA synchronous = NORMAL");
    if (!done) return done;
    synchronous_ = strongest;
  }
  if (auto begun = db_.run("BEGIN IMMEDIATE"); !begun) return begun;
  // Another process may have written since: then the chain's head is not what is remembered.
  const auto version = db_.integer("PRAGMA data_version");
  if (!version) return std::unexpected(version.error());
  if (head_known_ && *version == data_version_) return {};
  data_version_ = *version;
  transaction_.put_back({});
  auto read = transaction_.read_head();
  head_known_ = read.has_value();
  return read;
}

// An error here is the whole batch's: the transaction is not there any more.
Result<void> JournalWriter::work(const Batch& batch) {
  for (Unit* const unit : batch) {
    if (auto marked = db_.run("SAVEPOINT unit"); !marked) return marked;
    const JournalTransaction::Kept kept = transaction_.kept();
    unit->outcome = do_unit(*unit);
    if (!unit->outcome) {
      // A full disk, among others, ends the transaction by itself.
      if (db_.in_autocommit()) return unit->outcome;
      if (auto undone = db_.run("ROLLBACK TO unit"); !undone) return undone;
      transaction_.put_back(kept);
      note_failure(unit->outcome.error());
    }
    if (auto released = db_.run("RELEASE unit"); !released) return released;
  }
  return {};
}

Result<void> JournalWriter::do_unit(Unit& unit) {
  try {
    return unit.work(transaction_);
  } catch (const std::exception& problem) {
    return fail(ErrorKind::internal, std::string("writing the journal: ") + problem.what());
  }
}

void JournalWriter::note_failure(const Error& error) {
  if (!sqlite::is_storage_failure(error)) return;
  storage_failed_ = true;
  const MutexLock lock(mutex_);
  illness_ = error.detail;
}

void JournalWriter::note_success() {
  checkpoint_due_ = true;
  const MutexLock lock(mutex_);
  illness_.reset();
}

// What is done while nobody waits.
void JournalWriter::tend() {
  if (!healthy(nullptr)) {
    if (probe()) note_success();
    return;
  }
  checkpoint_due_ = false;
  db_.checkpoint();
  db_.shrink();
}

// Whether a little can be written.
bool JournalWriter::probe() {
  return db_.run("UPDATE meta SET value = value + 1 WHERE name = 'probe'").has_value();
}

}  // namespace noforce
