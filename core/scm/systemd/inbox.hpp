// What other threads ask of the backend's one thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "core/fd.hpp"
#include "core/scm/port.hpp"
#include "core/thread_safety.hpp"

namespace noforce::systemd {

// An answer that one thread gives and another waits for. Given once; what comes after is ignored.
class Promise {
 public:
  void give(Result<void> answer);
  // Nothing when `until` passed.
  [[nodiscard]] std::optional<Result<void>> wait(MonoTime until);

 private:
  Mutex mutex_;
  Condition given_;
  std::optional<Result<void>> answer_ NOFORCE_GUARDED_BY(mutex_);
};

struct Prepare {
  std::string job;
  std::vector<std::string> services;
  std::shared_ptr<Promise> done;
};
struct Release {
  std::string job;
};
struct LookAgain {
  std::vector<std::string> services;
};
struct Watch {
  std::vector<std::string> services;
};
struct Leave {};
using Request = std::variant<Control, Prepare, Release, LookAgain, Watch, Leave>;

class Inbox {
 public:
  Inbox();

  void post(Request request);
  [[nodiscard]] std::vector<Request> take();
  // Readable while something is in it.
  [[nodiscard]] int fd() const { return wake_.get(); }

 private:
  Fd wake_;
  Mutex mutex_;
  std::vector<Request> requests_ NOFORCE_GUARDED_BY(mutex_);
};

}  // namespace noforce::systemd
