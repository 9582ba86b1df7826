#include <errno.h>
#include <signal.h>
#include <time.h>

#include <chrono>

#include "agent/signals.hpp"

namespace noforce::agent {
namespace {

sigset_t awaited() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGHUP);
  return set;
}

}  // namespace

Signals::Signals() {
  const sigset_t set = awaited();
  ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

std::optional<Told> Signals::wait(Milliseconds patience) const {
  const sigset_t set = awaited();
  const MonoTime until = system_clock().mono() + patience;
  for (;;) {
    const auto left = std::max(until - system_clock().mono(), MonoTime::duration::zero());
    const auto seconds = std::chrono::floor<Seconds>(left);
    const timespec time{.tv_sec = seconds.count(),
                        .tv_nsec = std::chrono::nanoseconds(left - seconds).count()};
    const int signal = ::sigtimedwait(&set, nullptr, &time);
    if (signal == SIGHUP) return Told::reload;
    if (signal > 0) return Told::end;
    if (errno != EINTR) return std::nullopt;
  }
}

}  // namespace noforce::agent
