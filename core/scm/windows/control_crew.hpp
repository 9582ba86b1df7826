// The threads on which controls are sent, because ControlService and StartService may block for 30 s
// and longer: while one service is busy the others get theirs.
//
// At most `kMost` threads, made when they are needed; at most one control a service is under way, the
// next one waits for it. What found no thread within kLongestWait was not sent (1061, busy).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/clock.hpp"
#include "core/scm/port.hpp"
#include "core/scm/windows/calls.hpp"

namespace noforce::windows {

// One control, as it goes to the manager.
struct Order {
  ControlToken token;
  ControlOp op = ControlOp::stop;
  std::string service;
  // The process that is meant; 0 for a start. Looked at again right before the control is sent; a
  // pid cannot be used anew meanwhile, since the one who orders holds a handle of its process.
  std::uint32_t pid = 0;
  std::string comment;  // for the reason of a stop
};

struct Carried {
  Order order;
  Code code = code::success;
};

// Opens the service with the one right that the control needs, looks whether it is still the
// process that is meant (1062 when not, and then nothing is sent), and sends. Blocks as the call
// does.
[[nodiscard]] Code carry_out(Calls& calls, const Order& order);

// As a reason may hold it: at most kMostComment characters, whole ones (UTF-8).
[[nodiscard]] std::string cut_comment(const std::string& comment);

class ControlCrew {
 public:
  static constexpr std::size_t kMost = 16;
  static constexpr Milliseconds kLongestWait{60'000};

  // `done` is called on the crew's threads; never after dismiss() returned.
  ControlCrew(std::shared_ptr<Calls> calls, std::function<void(Carried)> done,
              const Clock& clock = system_clock());
  ~ControlCrew();
  ControlCrew(const ControlCrew&) = delete;
  ControlCrew& operator=(const ControlCrew&) = delete;

  // Any thread.
  void send(Order order);
  // Takes no more, forgets what was not sent, and joins whoever is not in a call. A thread that is
  // in one cannot be called back; it ends by itself when the call returns, and touches nothing
  // else.
  void dismiss();

 private:
  struct Shared;
  static void work(const std::shared_ptr<Shared>& shared, std::size_t number);

  std::shared_ptr<Shared> shared_;
};

}  // namespace noforce::windows
