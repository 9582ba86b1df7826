// The journal's writer: one thread, one connection, one commit for all who wait at the same time.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/journal.hpp"
#include "core/journal_rows.hpp"
#include "core/sqlite.hpp"
#include "core/thread_safety.hpp"

namespace noforce {

// Any thread.
class JournalWriter {
 public:
  // Runs on the writer's thread. What fails, or throws, leaves nothing behind.
  using Work = std::function<Result<void>(JournalTransaction&)>;

  JournalWriter(sqlite::Connection db, const Clock& clock);
  ~JournalWriter();  // does what is queued, then joins
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  // Returns when the work is as durable as was asked for, or undone.
  [[nodiscard]] Result<void> run(Durability durability, const Work& work);
  [[nodiscard]] bool healthy(std::string* why) const;

 private:
  // Lives on the stack of the one who waits.
  struct Unit {
    const Work& work;
    Durability durability;
    Result<void> outcome;
    bool finished = false;
    Condition changed;
  };
  using Batch = std::vector<Unit*>;

  void loop();
  void wait_for_work(MutexLock& lock) NOFORCE_REQUIRES(mutex_);
  // The writer's thread, without the lock.
  void commit(const Batch& batch);
  [[nodiscard]] Result<void> begin(const Batch& batch);
  [[nodiscard]] Result<void> work(const Batch& batch);
  [[nodiscard]] Result<void> do_unit(Unit& unit);
  void note_failure(const Error& error);
  void note_success();
  void tend();
  [[nodiscard]] bool probe();

  sqlite::Connection db_;           // the writer's thread, after construction
  JournalTransaction transaction_;  // likewise, as all up to the mutex
  bool head_known_ = false;
  std::int64_t data_version_ = 0;
  std::optional<Durability> synchronous_;
  bool checkpoint_due_ = false;
  bool storage_failed_ = false;  // in the batch at hand

  mutable Mutex mutex_;
  Condition work_there_;
  Batch queue_ NOFORCE_GUARDED_BY(mutex_);
  bool stopping_ NOFORCE_GUARDED_BY(mutex_) = false;
  std::optional<std::string> illness_ NOFORCE_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace noforce
