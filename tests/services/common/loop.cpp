#include "tests/services/common/loop.hpp"

#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <limits>

#include "tests/services/common/log.hpp"

namespace services {

Loop::Loop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll_) die("epoll_create1");
  ::signal(SIGPIPE, SIG_IGN);
}

void Loop::on_signal(int signal, Handler handler) {
  signal_handlers_[signal] = std::move(handler);
  sigset_t mask;
  ::sigemptyset(&mask);
  for (const auto& [each, unused] : signal_handlers_)
    ::sigaddset(&mask, each);
  ::sigprocmask(SIG_BLOCK, &mask, nullptr);
  ::signal(signal, SIG_DFL);  // an inherited SIG_IGN would swallow it
  const bool first = !signals_;
  const int fd = ::signalfd(signals_.get(), &mask, SFD_NONBLOCK | SFD_CLOEXEC);
  if (fd < 0) die("signalfd");
  if (!first) return;
  signals_ = Fd(fd);
  on_fd(fd, EPOLLIN, [this](std::uint32_t) { read_signals(); });
}

void Loop::on_fd(int fd, std::uint32_t events, FdHandler handler) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  const int operation = fd_handlers_.contains(fd) ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  if (::epoll_ctl(epoll_.get(), operation, fd, &event) < 0) die("epoll_ctl");
  fd_handlers_[fd] = std::move(handler);
}

void Loop::forget(int fd) {
  if (fd_handlers_.erase(fd) != 0) ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
}

Loop::Timer Loop::after(Milliseconds delay, Handler handler) {
  const Timer timer{std::chrono::steady_clock::now() + delay, next_timer_++};
  timers_.emplace(timer, std::move(handler));
  return timer;
}

void Loop::cancel(const Timer& timer) {
  timers_.erase(timer);
}

int Loop::run() {
  while (!stopped_) {
    std::array<epoll_event, 64> events{};
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   next_timeout_ms());
    if (count < 0 && errno != EINTR) die("epoll_wait");
    for (int i = 0; i < count && !stopped_; ++i) {
      const epoll_event& event = events[static_cast<std::size_t>(i)];
      const auto found = fd_handlers_.find(event.data.fd);
      if (found == fd_handlers_.end()) continue;  // forgotten by a handler before it
      const FdHandler handler = found->second;    // it may forget itself
      handler(event.events);
    }
    if (!stopped_) fire_timers();
  }
  if (signals_) read_signals();  // a second stop in the last moment is to be told of as well
  return exit_status_;
}

void Loop::stop(int exit_status) {
  stopped_ = true;
  exit_status_ = exit_status;
}

void Loop::fire_timers() {
  while (!timers_.empty() && !stopped_ &&
         timers_.begin()->first.first <= std::chrono::steady_clock::now()) {
    const Handler handler = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    handler();
  }
}

void Loop::read_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    const auto found = signal_handlers_.find(static_cast<int>(info.ssi_signo));
    if (found != signal_handlers_.end()) found->second();
  }
}

int Loop::next_timeout_ms() const {
  if (timers_.empty()) return -1;
  const auto left = std::chrono::ceil<Milliseconds>(timers_.begin()->first.first -
                                                    std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<long long>(left.count(), 0, std::numeric_limits<int>::max()));
}

}  // namespace services
