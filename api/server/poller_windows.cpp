#include <winsock2.h>
#include <ws2tcpip.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "api/server/poller.hpp"
#include "core/socket.hpp"
#include "core/thread_safety.hpp"

namespace noforce::api {
namespace {

MonoTime now() {
  return std::chrono::steady_clock::now();
}

// A socket that sends to itself: a byte in it ends a WSAPoll.
Socket make_bell() {
  start_sockets();
  const SOCKET made = ::WSASocketW(AF_INET, SOCK_DGRAM, IPPROTO_UDP, nullptr, 0,
                                   WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
  if (made == INVALID_SOCKET) return {};
  Socket bell(static_cast<int>(made));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int size = sizeof address;
  u_long on = 1;
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  // Connected to itself it takes nobody else's bytes.
  if (::bind(made, generic, size) != 0 || ::getsockname(made, generic, &size) != 0 ||
      ::connect(made, generic, size) != 0 ||
      ::ioctlsocket(made, static_cast<long>(FIONBIO), &on) != 0) {
    return {};
  }
  return bell;
}

}  // namespace

// WSAPoll takes all sockets at every call and is for one thread. So one of the threads that wait leads:
// it polls for all, puts what is ready into a queue, and goes away with the first of it; the next one
// leads then. Whoever arms a socket or sets an earlier alarm while somebody polls rings the bell, so
// that it is polled for as well.
class Poller::System {
 public:
  System() : bell_(make_bell()), failure_(bell_ ? 0 : last_socket_error()) {}

  [[nodiscard]] int failure() const { return failure_; }

  bool arm(int socket, std::uint64_t token, For what) {
    const MutexLock lock(mutex_);
    armed_[socket] = {.token = token, .what = what};
    ring();
    return true;
  }

  void set_alarm(MonoTime at) {
    const MutexLock lock(mutex_);
    const bool earlier = at < alarm_;
    alarm_ = at;
    if (earlier) ring();
  }

  void wake() {
    const MutexLock lock(mutex_);
    if (std::ranges::find(ready_, kWoken) == ready_.end()) ready_.push_back(kWoken);
    changed_.notify_one();
    ring();
  }

  std::optional<std::uint64_t> wait(std::optional<Milliseconds> patience) {
    const MonoTime until = patience ? now() + *patience : MonoTime::max();
    MutexLock lock(mutex_);
    for (;;) {
      if (!ready_.empty()) {
        const std::uint64_t token = ready_.front();
        ready_.pop_front();
        // For what is left, or to lead.
        if (!ready_.empty() || !led_) changed_.notify_one();
        return token;
      }
      if (now() >= until) {
        if (!led_) changed_.notify_one();
        return std::nullopt;
      }
      if (led_) {
        wait_for_change(lock, until);
        continue;
      }
      led_ = true;
      poll_once(lock, until);
      led_ = false;
    }
  }

 private:
  struct Armed {
    std::uint64_t token = 0;
    For what = For::read;
  };

  void wait_for_change(MutexLock& lock, MonoTime until) NOFORCE_REQUIRES(mutex_) {
    if (until == MonoTime::max()) {
      changed_.wait(lock);
    } else {
      (void)changed_.wait_until(lock, until);
    }
  }

  void ring() NOFORCE_REQUIRES(mutex_) {
    if (!polling_ || rung_) return;
    rung_ = true;
    const char byte = 0;
    (void)::send(static_cast<SOCKET>(bell_.get()), &byte, 1, 0);
  }

  void poll_once(MutexLock& lock, MonoTime until) NOFORCE_REQUIRES(mutex_) {
    polled_.clear();
    polled_.push_back({.fd = static_cast<SOCKET>(bell_.get()), .events = POLLRDNORM, .revents = 0});
    tokens_.assign(1, kWoken);
    for (const auto& [socket, armed] : armed_) {
      const short events = armed.what == For::read ? POLLRDNORM : POLLWRNORM;
      polled_.push_back({.fd = static_cast<SOCKET>(socket), .events = events, .revents = 0});
      tokens_.push_back(armed.token);
    }
    const int timeout = milliseconds_to(std::min(until, alarm_));
    polling_ = true;
    lock.unlock();
    const int ready = ::WSAPoll(polled_.data(), static_cast<ULONG>(polled_.size()), timeout);
    lock.lock();
    polling_ = false;
    if (std::exchange(rung_, false)) empty_bell();
    if (ready < 0) mark_closed();
    if (ready != 0) collect();
    if (now() >= alarm_) {
      alarm_ = MonoTime::max();
      ready_.push_back(kAlarm);
    }
  }

  // One that was closed meanwhile shows as POLLNVAL and is told as well: nobody asks for it any more,
  // or its number has a new owner, which has armed it anew.
  void collect() NOFORCE_REQUIRES(mutex_) {
    for (std::size_t i = 1; i < polled_.size(); ++i) {
      if (polled_[i].revents == 0) continue;
      const auto armed = armed_.find(static_cast<int>(polled_[i].fd));
      if (armed == armed_.end() || armed->second.token != tokens_[i]) continue;
      ready_.push_back(tokens_[i]);
      armed_.erase(armed);
    }
  }

  // Where none of many sockets can be polled because of one that was closed meanwhile.
  void mark_closed() {
    for (WSAPOLLFD& each : polled_) {
      int type = 0;
      int size = sizeof type;
      const bool is_open =
          ::getsockopt(each.fd, SOL_SOCKET, SO_TYPE, reinterpret_cast<char*>(&type), &size) == 0;
      each.revents = is_open ? 0 : POLLNVAL;
    }
  }

  void empty_bell() const {
    char bytes[16];
    while (::recv(static_cast<SOCKET>(bell_.get()), bytes, sizeof bytes, 0) > 0) {
    }
  }

  static int milliseconds_to(MonoTime until) {
    if (until == MonoTime::max()) return -1;
    const auto left = std::chrono::ceil<Milliseconds>(until - now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
  }

  const Socket bell_;
  const int failure_;  // Windows' number
  Mutex mutex_;
  Condition changed_;
  std::unordered_map<int, Armed> armed_ NOFORCE_GUARDED_BY(mutex_);
  std::deque<std::uint64_t> ready_ NOFORCE_GUARDED_BY(mutex_);
  MonoTime alarm_ NOFORCE_GUARDED_BY(mutex_) = MonoTime::max();
  bool led_ NOFORCE_GUARDED_BY(mutex_) = false;      // somebody leads
  bool polling_ NOFORCE_GUARDED_BY(mutex_) = false;  // and is in WSAPoll
  bool rung_ NOFORCE_GUARDED_BY(mutex_) = false;
  // The leader's own; what it polls for, and the tokens beside it.
  std::vector<WSAPOLLFD> polled_;
  std::vector<std::uint64_t> tokens_;
};

Poller::Poller() : system_(std::make_unique<System>()) {}
Poller::~Poller() = default;

Result<void> Poller::is_usable() const {
  if (system_->failure() == 0) return {};
  Error error{
      .kind = ErrorKind::internal,
      .detail = "Connections cannot be watched: " + socket_error_text(system_->failure()) + "."};
  error.native_code = system_->failure();
  error.native_name = socket_error_name(system_->failure());
  return std::unexpected(std::move(error));
}

bool Poller::arm(int socket, std::uint64_t token, For what) {
  return system_->arm(socket, token, what);
}

void Poller::set_alarm(MonoTime at) {
  system_->set_alarm(at);
}

void Poller::wake() {
  system_->wake();
}

std::optional<std::uint64_t> Poller::wait(std::optional<Milliseconds> patience) {
  return system_->wait(patience);
}

}  // namespace noforce::api
