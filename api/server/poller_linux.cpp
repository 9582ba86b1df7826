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

namespace noforce::api {

Poller::Poller()
    : poll_(::epoll_create1(EPOLL_CLOEXEC)),
      timer_(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  epoll_event on_alarm{.events = EPOLLIN | EPOLLET, .data = {.u64 = kAlarm}};
  epoll_event on_wake{.events = EPOLLIN | EPOLLET, .data = {.u64 = kWoken}};
  if (!poll_ || !timer_ || !wake_ ||
      ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, timer_.get(), &on_alarm) != 0 ||
      ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, wake_.get(), &on_wake) != 0)
    failure_ = errno;
}

Result<void> Poller::is_usable() const {
  if (failure_ == 0) return {};
  Error error{
      .kind = ErrorKind::internal,
      .detail = std::string("Connections cannot be watched: ") + std::strerror(failure_) + "."};
  error.native_code = failure_;
  return std::unexpected(std::move(error));
}

bool Poller::arm(int socket, std::uint64_t token, For what) {
  const std::uint32_t events = what == For::read ? EPOLLIN | EPOLLRDHUP : EPOLLOUT;
  epoll_event event{.events = events | EPOLLONESHOT, .data = {.u64 = token}};
  if (::epoll_ctl(poll_.get(), EPOLL_CTL_MOD, socket, &event) == 0) return true;
  return errno == ENOENT && ::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, socket, &event) == 0;
}

void Poller::set_alarm(MonoTime at) {
  const auto since = std::max(at.time_since_epoch(), MonoTime::duration(1));
  const auto seconds = std::chrono::duration_cast<Seconds>(since);
  const auto rest = std::chrono::duration_cast<std::chrono::nanoseconds>(since - seconds);
  const itimerspec when{
      .it_interval = {},
      .it_value = {.tv_sec = seconds.count(), .tv_nsec = static_cast<long>(rest.count())}};
  (void)::timerfd_settime(timer_.get(), TFD_TIMER_ABSTIME, &when, nullptr);
}

void Poller::wake() {
  const std::uint64_t one = 1;
  (void)!::write(wake_.get(), &one, sizeof one);
}

std::optional<std::uint64_t> Poller::wait(std::optional<Milliseconds> patience) {
  epoll_event event{};
  const int timeout = patience ? static_cast<int>(patience->count()) : -1;
  if (::epoll_wait(poll_.get(), &event, 1, timeout) != 1) return std::nullopt;
  const std::uint64_t token = event.data.u64;
  return token;
}

}  // namespace noforce::api
