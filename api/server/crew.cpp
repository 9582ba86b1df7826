#include "api/server/crew.hpp"

#include <malloc.h>

#include <exception>
#include <utility>

#include <openssl/crypto.h>

namespace noforce::api {
namespace {

// These stay also when there is nothing to do.
constexpr std::size_t kLeast = 2;

// Threads leave after a rush; what its connections held is free by then, and scattered.
void give_memory_back() {
#if defined(__GLIBC__)
  // One at a time: it goes through all threads' heaps. And where a sanitizer allocates in the place of
  // glibc, the first call sets glibc's allocator up, which it does for one thread only.
  static Mutex one_at_a_time;
  const MutexLock lock(one_at_a_time);
  (void)::malloc_trim(0);
#endif
}

}  // namespace

void Crew::grow() {
  join_finished();
  const MutexLock lock(mutex_);
  if (closed_ || staying_ >= most_) return;
  Threads made;
  try {
    made.emplace_front();
    const auto self = made.begin();
    // The thread waits for mutex_, which is held here, before it looks at itself.
    *self = std::thread([this, self] { live(self); });
    threads_.splice(threads_.begin(), made);
    ++staying_;
  } catch (const std::exception&) {
    made.clear();  // no thread to be had, or no memory: those that are there have to do
  }
}

void Crew::live(Threads::iterator self) {
  work_();
  OPENSSL_thread_stop();
  give_memory_back();
  const MutexLock lock(mutex_);
  finished_.splice(finished_.begin(), threads_, self);
  ended_.notify_all();
}

bool Crew::may_leave() {
  const MutexLock lock(mutex_);
  if (staying_ <= kLeast) return false;
  --staying_;
  return true;
}

void Crew::join_finished() {
  Threads finished;
  {
    const MutexLock lock(mutex_);
    finished.swap(finished_);
  }
  for (std::thread& thread : finished)
    thread.join();
}

void Crew::join() {
  {
    MutexLock lock(mutex_);
    closed_ = true;
    while (!threads_.empty())
      ended_.wait(lock);
  }
  join_finished();
}

}  // namespace noforce::api
