// How other threads speak to a backend's one thread: what they ask of it lies in a mailbox, and who
// waits for an answer holds a reply.
#pragma once

#include <optional>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/thread_safety.hpp"

namespace noforce {

// A value that one thread gives and another waits for; the first one counts.
template <typename T>
class Reply {
 public:
  void give(T value) {
    const MutexLock lock(mutex_);
    if (!value_) value_ = std::move(value);
    given_.notify_all();
  }
  // Nothing when `until` passed.
  [[nodiscard]] std::optional<T> wait(MonoTime until) {
    MutexLock lock(mutex_);
    while (!value_) {
      if (!given_.wait_until(lock, until)) break;
    }
    return value_;
  }

 private:
  Mutex mutex_;
  Condition given_;
  std::optional<T> value_ NOFORCE_GUARDED_BY(mutex_);
};

// Any thread posts, the backend's own takes. `Wake` makes that one look: wake(), any thread, after each
// post; calm(), the backend's thread, before it takes.
template <typename Request, typename Wake>
class Mailbox {
 public:
  explicit Mailbox(Wake wake = Wake()) : wake_(std::move(wake)) {}

  void post(Request request) {
    {
      const MutexLock lock(mutex_);
      requests_.push_back(std::move(request));
    }
    wake_.wake();
  }
  [[nodiscard]] std::vector<Request> take() {
    wake_.calm();
    const MutexLock lock(mutex_);
    return std::exchange(requests_, {});
  }
  [[nodiscard]] const Wake& wake() const { return wake_; }

 private:
  Wake wake_;
  Mutex mutex_;
  std::vector<Request> requests_ NOFORCE_GUARDED_BY(mutex_);
};

}  // namespace noforce
