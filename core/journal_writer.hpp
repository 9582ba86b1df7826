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
#include "core/journal_reserve.hpp"
#include "core/journal_rows.hpp"
#include "core/sqlite.hpp"
#include "core/thread_safety.hpp"

namespace noforce {

// What a unit of work is to a full disk.
enum class Need : std::uint8_t {
  room,     // refused until there is room again: what is new, and what is only noted
  reserve,  // may use what is kept for it: what was accepted goes on and ends, what must be safe
};

// Any thread.
class JournalWriter {
 public:
  // Runs on the writer's thread, more than once if the first try fails. What fails, or throws,
  // leaves nothing behind.
  using Work = std::function<Result<void>(JournalTransaction&)>;

  // `path`: of the file that `db` has open.
  JournalWriter(sqlite::Connection db, std::string path, const Clock& clock);
  ~JournalWriter();  // does what is queued, then joins
  JournalWriter(const JournalWriter&) = delete;
  JournalWriter& operator=(const JournalWriter&) = delete;

  // Returns when the work is as durable as was asked for, or undone.
  [[nodiscard]] Result<void> run(Durability durability, Need need, const Work& work);
  [[nodiscard]] bool healthy(std::string* why) const;
  // Whoever finds the file damaged says so here: from then on nothing is written any more, until
  // another agent opens it.
  void note_damage(const Error& error);

 private:
  // Lives on the stack of the one who waits.
  struct Unit {
    const Work& work;
    Durability durability;
    Need need;
    Result<void> outcome;
    bool finished = false;
    Condition changed;
  };
  using Batch = std::vector<Unit*>;

  void loop();
  void wait_for_work(MutexLock& lock) NOFORCE_REQUIRES(mutex_);
  // The writer's thread, without the lock.
  void record(const Batch& batch);
  [[nodiscard]] Batch without_new(const Batch& batch);
  void commit(const Batch& batch);
  [[nodiscard]] Result<void> begin(const Batch& batch);
  [[nodiscard]] Result<void> work(const Batch& batch);
  [[nodiscard]] Result<void> do_unit(Unit& unit);
  void note_failure(const Error& error);
  void note_success();
  void note_full();
  void look_for_room();
  [[nodiscard]] std::optional<Error> damage() const;
  void tend();
  [[nodiscard]] bool probe();

  const std::string path_;
  sqlite::Connection db_;           // the writer's thread, after construction
  JournalTransaction transaction_;  // likewise, as all up to the mutex
  JournalReserve reserve_;
  bool full_ = false;  // a write found no room; until the reserve is whole again
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
  std::optional<Error> damage_ NOFORCE_GUARDED_BY(mutex_);

  std::thread thread_;
};

}  // namespace noforce
