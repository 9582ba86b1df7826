// Clang's thread-safety analysis (-Wthread-safety) for our locks; nothing for other compilers.
// libstdc++'s mutexes carry no annotations, so the ones that guard members are these.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <shared_mutex>

#if defined(__clang__)
#define NOFORCE_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define NOFORCE_THREAD_ATTRIBUTE(x)
#endif

#define NOFORCE_CAPABILITY(name) NOFORCE_THREAD_ATTRIBUTE(capability(name))
#define NOFORCE_SCOPED_CAPABILITY NOFORCE_THREAD_ATTRIBUTE(scoped_lockable)
// A member that may be touched only with this lock held.
#define NOFORCE_GUARDED_BY(lock) NOFORCE_THREAD_ATTRIBUTE(guarded_by(lock))
// A pointer whose target may be touched only with this lock held.
#define NOFORCE_PT_GUARDED_BY(lock) NOFORCE_THREAD_ATTRIBUTE(pt_guarded_by(lock))
// A function that its caller may call only with, or without, these locks.
#define NOFORCE_REQUIRES(...) NOFORCE_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define NOFORCE_REQUIRES_SHARED(...) \
  NOFORCE_THREAD_ATTRIBUTE(requires_shared_capability(__VA_ARGS__))
#define NOFORCE_EXCLUDES(...) NOFORCE_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define NOFORCE_ACQUIRE(...) NOFORCE_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define NOFORCE_ACQUIRE_SHARED(...) NOFORCE_THREAD_ATTRIBUTE(acquire_shared_capability(__VA_ARGS__))
#define NOFORCE_RELEASE(...) NOFORCE_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define NOFORCE_RELEASE_SHARED(...) NOFORCE_THREAD_ATTRIBUTE(release_shared_capability(__VA_ARGS__))
#define NOFORCE_RELEASE_GENERIC(...) \
  NOFORCE_THREAD_ATTRIBUTE(release_generic_capability(__VA_ARGS__))
#define NOFORCE_NO_THREAD_SAFETY_ANALYSIS NOFORCE_THREAD_ATTRIBUTE(no_thread_safety_analysis)

namespace noforce {

class NOFORCE_CAPABILITY("mutex") Mutex {
 public:
  void lock() NOFORCE_ACQUIRE() { mutex_.lock(); }
  void unlock() NOFORCE_RELEASE() { mutex_.unlock(); }

 private:
  friend class MutexLock;
  std::mutex mutex_;
};

// Holds a Mutex for a scope; may be let go and taken again within it.
class NOFORCE_SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) NOFORCE_ACQUIRE(mutex) : lock_(mutex.mutex_) {}
  ~MutexLock() NOFORCE_RELEASE() {}
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

  void lock() NOFORCE_ACQUIRE() { lock_.lock(); }
  void unlock() NOFORCE_RELEASE() { lock_.unlock(); }

 private:
  friend class Condition;
  std::unique_lock<std::mutex> lock_;
};

// A condition variable for MutexLock. Without predicates: the loop stands in the caller, where the
// analysis sees that the lock is held.
class Condition {
 public:
  void wait(MutexLock& lock) { condition_.wait(lock.lock_); }
  // False when `until` has passed.
  bool wait_until(MutexLock& lock, std::chrono::steady_clock::time_point until) {
    return condition_.wait_until(lock.lock_, until) == std::cv_status::no_timeout;
  }
  void notify_one() { condition_.notify_one(); }
  void notify_all() { condition_.notify_all(); }

 private:
  std::condition_variable condition_;
};

class NOFORCE_CAPABILITY("shared mutex") SharedMutex {
 public:
  void lock() NOFORCE_ACQUIRE() { mutex_.lock(); }
  void unlock() NOFORCE_RELEASE() { mutex_.unlock(); }
  void lock_shared() NOFORCE_ACQUIRE_SHARED() { mutex_.lock_shared(); }
  void unlock_shared() NOFORCE_RELEASE_SHARED() { mutex_.unlock_shared(); }

 private:
  std::shared_mutex mutex_;
};

class NOFORCE_SCOPED_CAPABILITY ExclusiveLock {
 public:
  explicit ExclusiveLock(SharedMutex& mutex) NOFORCE_ACQUIRE(mutex) : mutex_(mutex) {
    mutex_.lock();
  }
  ~ExclusiveLock() NOFORCE_RELEASE() { mutex_.unlock(); }
  ExclusiveLock(const ExclusiveLock&) = delete;
  ExclusiveLock& operator=(const ExclusiveLock&) = delete;

 private:
  SharedMutex& mutex_;
};

class NOFORCE_SCOPED_CAPABILITY SharedLock {
 public:
  explicit SharedLock(SharedMutex& mutex) NOFORCE_ACQUIRE_SHARED(mutex) : mutex_(mutex) {
    mutex_.lock_shared();
  }
  ~SharedLock() NOFORCE_RELEASE_GENERIC() { mutex_.unlock_shared(); }
  SharedLock(const SharedLock&) = delete;
  SharedLock& operator=(const SharedLock&) = delete;

 private:
  SharedMutex& mutex_;
};

}  // namespace noforce
