// What other threads ask of the backend's one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/scm/port.hpp"
#include "core/scm/windows/calls.hpp"
#include "core/scm/windows/control_crew.hpp"
#include "core/thread_safety.hpp"

namespace noforce::windows {

// A value that one thread gives and another waits for; the first one counts.
template <typename T>
class Reply {
 public:
  void give(T value) {
    MutexLock lock(mutex_);
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

struct LookAgain {
  std::vector<std::string> services;  // empty: all
};
struct Watch {
  std::vector<std::string> services;
};
struct Prepare {
  std::string job;
  std::vector<std::string> services;
  std::shared_ptr<Reply<Result<void>>> reply;
};
struct Release {
  std::string job;
};
struct Leave {};
using Request = std::variant<Control, Carried, LookAgain, Watch, Prepare, Release, Leave>;

class Mailbox {
 public:
  explicit Mailbox(std::shared_ptr<Calls> calls) : calls_(std::move(calls)) {}

  void post(Request request) {
    {
      MutexLock lock(mutex_);
      requests_.push_back(std::move(request));
    }
    calls_->wake();
  }
  [[nodiscard]] std::vector<Request> take() {
    MutexLock lock(mutex_);
    return std::exchange(requests_, {});
  }

 private:
  std::shared_ptr<Calls> calls_;
  Mutex mutex_;
  std::vector<Request> requests_ NOFORCE_GUARDED_BY(mutex_);
};

}  // namespace noforce::windows
