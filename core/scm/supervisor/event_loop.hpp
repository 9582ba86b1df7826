// One thread's epoll: descriptors and what to do when they are ready.
#pragma once

#include <sys/epoll.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>

#include "core/clock.hpp"
#include "core/fd.hpp"

namespace noforce::supervisor {

class EventLoop {
 public:
  // Of one watch; never reused, so that an event that is already on its way for a descriptor that
  // was forgotten (and whose number is someone else's by now) meets nobody.
  using Id = std::uint64_t;
  using Ready = std::function<void(std::uint32_t events)>;

  EventLoop();

  // 0 on failure (errno). Level-triggered: what is left over comes again in the next turn.
  [[nodiscard]] Id watch(int fd, std::uint32_t events, Ready ready);
  void rewatch(Id id, std::uint32_t events);
  // Call before the descriptor is closed. Safe from within its own callback.
  void forget(Id& id);

  // Waits until something is ready or `until` has come, and calls what is ready; each gets one
  // call a turn, so that a busy descriptor does not starve the others. False when the wait failed.
  bool turn(std::optional<MonoTime> until);

 private:
  struct Watch {
    int fd = -1;
    std::shared_ptr<Ready> ready;  // shared: a callback may forget itself
  };

  Fd epoll_;
  Id next_ = 1;
  std::unordered_map<Id, Watch> watches_;
};

}  // namespace noforce::supervisor
