// One thread's event loop: descriptors, timers and signals. Sleeps until one of them has news.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <utility>

#include "tests/services/common/fd.hpp"

namespace services {

class Loop {
 public:
  using Milliseconds = std::chrono::milliseconds;
  using Handler = std::function<void()>;
  using FdHandler = std::function<void(std::uint32_t events)>;
  // What cancel() takes. A timer that has fired or was cancelled may be cancelled again.
  using Timer = std::pair<std::chrono::steady_clock::time_point, std::uint64_t>;

  Loop();

  // The signal is blocked and read here from now on, whatever the parent had done to it.
  void on_signal(int signal, Handler handler);
  // `events` are epoll's; calling it again for the same descriptor changes both.
  void on_fd(int fd, std::uint32_t events, FdHandler handler);
  // Must be called before the descriptor is closed. A handler may forget its own descriptor.
  void forget(int fd);
  Timer after(Milliseconds delay, Handler handler);
  void cancel(const Timer& timer);

  // Runs until stop(); returns what it was given.
  int run();
  void stop(int exit_status);

 private:
  void fire_timers();
  void read_signals();
  [[nodiscard]] int next_timeout_ms() const;

  Fd epoll_;
  Fd signals_;
  std::map<int, Handler> signal_handlers_;
  std::map<int, FdHandler> fd_handlers_;
  std::map<Timer, Handler> timers_;
  std::uint64_t next_timer_ = 0;
  bool stopped_ = false;
  int exit_status_ = 0;
};

}  // namespace services
