// What other threads ask of the backend's one thread.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/scm/mailbox.hpp"
#include "core/scm/port.hpp"
#include "core/wake_event.hpp"

namespace noforce::systemd {

struct Prepare {
  std::string job;
  std::vector<std::string> services;
  std::shared_ptr<Reply<Result<void>>> done;
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

using Mailbox = noforce::Mailbox<Request, WakeEvent>;

}  // namespace noforce::systemd
