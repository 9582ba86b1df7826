#include "core/scm/supervisor/event_loop.hpp"

#include <algorithm>
#include <array>
#include <cerrno>

namespace noforce::supervisor {
namespace {

constexpr std::size_t kEventsPerTurn = 64;

// Rounded up: waking a moment too early would only turn once more for nothing.
int timeout_ms(std::optional<MonoTime> until) {
  if (!until) return -1;
  const auto left = std::chrono::ceil<Milliseconds>(*until - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
}

}  // namespace

EventLoop::EventLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {}

EventLoop::Id EventLoop::watch(int fd, std::uint32_t events, Ready ready) {
  const Id id = next_++;
  auto shared = std::make_shared<Ready>(std::move(ready));
  watches_.emplace(id, Watch{.fd = fd, .ready = std::move(shared)});
  epoll_event event{.events = events, .data = {.u64 = id}};
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    watches_.erase(id);
    return 0;
  }
  return id;
}

void EventLoop::rewatch(Id id, std::uint32_t events) {
  const auto found = watches_.find(id);
  if (found == watches_.end()) return;
  epoll_event event{.events = events, .data = {.u64 = id}};
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, found->second.fd, &event);
}

void EventLoop::forget(Id& id) {
  const auto found = watches_.find(id);
  id = 0;
  if (found == watches_.end()) return;
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->second.fd, nullptr);
  watches_.erase(found);
}

bool EventLoop::turn(std::optional<MonoTime> until) {
  std::array<epoll_event, kEventsPerTurn> events;
  const int got =
      ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout_ms(until));
  if (got < 0) return errno == EINTR;
  for (int i = 0; i < got; ++i) {
    const epoll_event event = events[static_cast<std::size_t>(i)];
    const Id id = event.data.u64;  // a copy: the kernel's structure is packed
    const auto found = watches_.find(id);
    if (found == watches_.end()) continue;
    const std::shared_ptr<Ready> ready = found->second.ready;
    (*ready)(event.events);
  }
  return true;
}

}  // namespace noforce::supervisor
