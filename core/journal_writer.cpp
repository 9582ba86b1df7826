#include "core/journal_writer.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "core/log.hpp"

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

JournalWriter::JournalWriter(sqlite::Connection db, std::string path, const Clock& clock)
    : path_(std::move(path)), db_(std::move(db)), transaction_(db_, clock), reserve_(path_) {
  if (!reserve_.fill()) note_full();
  thread_ = std::thread([this] { loop(); });
}

JournalWriter::~JournalWriter() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    work_there_.notify_all();
  }
  thread_.join();
}

Result<void> JournalWriter::run(Durability durability, Need need, const Work& work) {
  Unit unit{.work = work,
            .durability = durability,
            .need = need,
            .outcome = {},
            .finished = false,
            .changed = {}};
  MutexLock lock(mutex_);
  if (damage_) return std::unexpected(*damage_);
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
    record(batch);
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
    if (damage_ || (!illness_ && !checkpoint_due_)) {
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

// One commit where the disk has room. Where it has none, what may use the reserve is tried again:
// in the space of what the log held, then with one portion of the reserve after the other.
void JournalWriter::record(const Batch& batch) {
  if (const auto damaged = damage()) {
    for (Unit* const unit : batch)
      unit->outcome = std::unexpected(*damaged);
    return;
  }
  Batch left = full_ ? without_new(batch) : batch;
  if (left.empty()) return;
  commit(left);
  const auto found_room = [](const Unit* unit) {
    return unit->outcome || !sqlite::is_out_of_space(unit->outcome.error());
  };
  std::erase_if(left, found_room);
  for (Unit* const unit : left)
    unit->outcome = std::unexpected(sqlite::out_of_space(reserve_.wanted_mib()));
  std::erase_if(left, [](const Unit* unit) { return unit->need != Need::reserve; });
  for (bool first = true; !left.empty(); first = false) {
    if (!first && !reserve_.release()) return;
    db_.checkpoint();
    commit(left);
    std::erase_if(left, found_room);
  }
}

// What is not new. The others are refused, unless there is room again.
JournalWriter::Batch JournalWriter::without_new(const Batch& batch) {
  look_for_room();
  if (!full_) return batch;
  Batch rest;
  for (Unit* const unit : batch) {
    if (unit->need == Need::reserve) {
      rest.push_back(unit);
    } else {
      unit->outcome = std::unexpected(sqlite::out_of_space(reserve_.wanted_mib()));
    }
  }
  return rest;
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
  if (sqlite::is_damage(error)) {
    note_damage(error);
  } else if (sqlite::is_out_of_space(error)) {
    note_full();
  } else {
    const MutexLock lock(mutex_);
    illness_ = error.detail;
  }
}

void JournalWriter::note_damage(const Error& error) {
  {
    const MutexLock lock(mutex_);
    if (damage_) return;
    damage_ = error;
    illness_ = error.detail;
  }
  log_error("journal", "Nothing is written to " + path_ + " and nothing is stopped any more: " +
                           error.detail + " (" + error.native_name + ")");
}

std::optional<Error> JournalWriter::damage() const {
  const MutexLock lock(mutex_);
  return damage_;
}

void JournalWriter::note_full() {
  full_ = true;
  const MutexLock lock(mutex_);
  if (!damage_) illness_ = sqlite::out_of_space(reserve_.wanted_mib()).detail;
}

void JournalWriter::note_success() {
  checkpoint_due_ = true;
  const MutexLock lock(mutex_);
  if (!full_ && !damage_) illness_.reset();
}

// A full disk counts as such until the reserve is whole and a little can be written.
void JournalWriter::look_for_room() {
  if (!reserve_.fill()) {
    note_full();  // how much is missing may have changed
    return;
  }
  full_ = false;
  if (probe()) {
    note_success();
  } else {
    full_ = true;
  }
}

// What is done while nobody waits.
void JournalWriter::tend() {
  if (full_) {
    look_for_room();
    return;
  }
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
