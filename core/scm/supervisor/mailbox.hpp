// What other threads ask of the backend's one thread.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "core/fd.hpp"
#include "core/scm/port.hpp"
#include "core/scm/supervisor/spec.hpp"
#include "core/thread_safety.hpp"

namespace noforce::supervisor {

// A value that one thread gives and another waits for.
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

struct Redefine {
  std::vector<ServiceSpec> specs;
};
struct KeepServices {
  std::set<std::string> services;
};
struct LookAgain {
  std::vector<std::string> services;  // empty: all
};
struct EndKeeper {
  std::shared_ptr<Reply<Result<void>>> reply;
};
struct Leave {};
using Request = std::variant<Control, Redefine, KeepServices, LookAgain, EndKeeper, Leave>;

class Mailbox {
 public:
  Mailbox();

  void post(Request request);
  [[nodiscard]] std::vector<Request> take();
  // Readable while something is in it.
  [[nodiscard]] int fd() const { return wake_.get(); }

 private:
  Fd wake_;
  Mutex mutex_;
  std::vector<Request> requests_ NOFORCE_GUARDED_BY(mutex_);
};

}  // namespace noforce::supervisor
