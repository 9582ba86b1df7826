// What other threads ask of the backend's one thread.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/scm/mailbox.hpp"
#include "core/scm/port.hpp"
#include "core/scm/windows/calls.hpp"
#include "core/scm/windows/control_crew.hpp"

namespace noforce::windows {

struct LookAgain {
  std::vector<std::string> services;  // empty: all
  std::shared_ptr<Reply<bool>> done;  // null, or told once the picture shows them
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

// By the table: the thread that looks waits in Calls::wait().
struct WakeByCalls {
  std::shared_ptr<Calls> calls;

  void wake() const { calls->wake(); }
  void calm() const {}  // wait() has done so
};
using Mailbox = noforce::Mailbox<Request, WakeByCalls>;

}  // namespace noforce::windows
