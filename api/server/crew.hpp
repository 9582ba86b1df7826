// The threads that serve: as many as there is work for at the same time, up to a maximum. One that
// has nothing to do for a while leaves.
#pragma once

#include <cstddef>
#include <functional>
#include <list>
#include <thread>

#include "core/thread_safety.hpp"

namespace noforce::api {

class Crew {
 public:
  // `work` is a thread's life; it must not throw.
  Crew(std::size_t most, std::function<void()> work) : most_(most), work_(std::move(work)) {}
  ~Crew() { join(); }
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  // One more thread, where the maximum and the system allow it. Any thread.
  void grow();
  // Asked by a thread of the crew that has nothing to do: it may leave, and has to then.
  [[nodiscard]] bool may_leave();
  // Waits for all to return from `work`; none comes any more. Idempotent; one thread.
  void join();

 private:
  using Threads = std::list<std::thread>;
  void live(Threads::iterator self);
  void join_finished();

  const std::size_t most_;
  const std::function<void()> work_;
  Mutex mutex_;
  Condition ended_;
  Threads threads_ NOFORCE_GUARDED_BY(mutex_);
  Threads finished_ NOFORCE_GUARDED_BY(mutex_);  // to be joined
  std::size_t staying_ NOFORCE_GUARDED_BY(mutex_) = 0;
  bool closed_ NOFORCE_GUARDED_BY(mutex_) = false;
};

}  // namespace noforce::api
