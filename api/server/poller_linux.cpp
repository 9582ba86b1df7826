#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "api/server/poller.hpp"
#include "core/fd.hpp"

namespace noforce::api {

class Poller::System {
 public:
  System()
      : poll(::epoll_create1(EPOLL_CLOEXEC)),
        timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
        wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    epoll_event on_alarm{.events = EPOLLIN | EPOLLET, .data = {.u64 = kAlarm}};
    epoll_event on_wake{.events = EPOLLIN | EPOLLET, .data = {.u64 = kWoken}};
    if (!poll || !timer || !wake ||
        ::epoll_ctl(poll.get(), EPOLL_CTL_ADD, timer.get(), &on_alarm) != 0 ||
        ::epoll_ctl(poll.get(), EPOLL_CTL_ADD, wake.get(), &on_wake) != 0)
      failure = errno;
  }

  Fd poll;
  Fd timer;
  Fd wake;
  int failure = 0;  // errno's
};

Poller::Poller() : system_(std::make_unique<System>()) {}
Poller::~Poller() = default;

Result<void> Poller::is_usable() const {
  if (system_->failure == 0) return {};
  Error error{.kind = ErrorKind::internal,
              .detail = std::string("Connections cannot be watched: ") +
                        std::strerror(system_->failure) + "."};
  error.native_code = system_->failure;
  return std::unexpected(std::move(error));
}

bool Poller::arm(int socket, std::uint64_t token, For what) {
  const std::uint32_t events = what == For::read ? EPOLLIN | EPOLLRDHUP : EPOLLOUT;
  epoll_event event{.events = events | EPOLLONESHOT, .data = {.u64 = token}};
  if (::epoll_ctl(system_->poll.get(), EPOLL_CTL_MOD, socket, &event) == 0) return true;
  return errno == ENOENT && ::epoll_ctl(system_->poll.get(), EPOLL_CTL_ADD, socket, &event) == 0;
}

void Poller::set_alarm(MonoTime at) {
  const auto since = std::max(at.time_since_epoch(), MonoTime::duration(1));
  const auto seconds = std::chrono::duration_cast<Seconds>(since);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds);
  const itimerspec when{
      .it_interval = {},
      .it_value = {.tv_sec = seconds.count(), .tv_nsec = static_cast<long>(rest.count())}};
  (void)::timerfd_settime(system_->timer.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Poller::wake() {
  const std::uint64_t one = 1;
  (void)!::write(system_->wake.get(), &one, sizeof one);
}

std::optional<std::uint64_t> Poller::wait(std::optional<Milliseconds> patience) {
  epoll_event event{};
  const int timeout = patience ? static_cast<int>(patience->count()) : -1;
  if (::epoll_wait(system_->poll.get(), &event, 1, timeout) != 1) return std::nullopt;
  const std::uint64_t token = event.data.u64;
  return token;
}

}  // namespace noforce::api
