// What other threads ask of the backend's one thread.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "core/scm/mailbox.hpp"
#include "core/scm/port.hpp"
#include "core/scm/supervisor/spec.hpp"
#include "core/wake_event.hpp"

namespace noforce::supervisor {

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

using Mailbox = noforce::Mailbox<Request, WakeEvent>;

}  // namespace noforce::supervisor
