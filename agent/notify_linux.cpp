#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <string_view>

#include "agent/files.hpp"
#include "agent/notify.hpp"
#include "agent/opener.hpp"
#include "core/fd.hpp"

namespace noforce::agent {
namespace {

// What the variable says, which is then taken out; empty where it is not set.
std::string taken(const char* variable) {
  const char* value = ::getenv(variable);
  std::string text = value != nullptr ? value : "";
  ::unsetenv(variable);
  return text;
}

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t value = 0;
  const auto [rest, bad] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (bad != std::errc{} || rest != text.data() + text.size() || value <= 0) return std::nullopt;
  return value;
}

}  // namespace

Notifier Notifier::from_environment() {
  Notifier notifier(taken("NOTIFY_SOCKET"), nullptr);
  // As sd_watchdog_enabled(3): meant for this process, or for whoever reads it.
  const auto limit = number(taken("WATCHDOG_USEC"));
  const std::string pid = taken("WATCHDOG_PID");
  if (limit && (pid.empty() || number(pid) == ::getpid())) {
    notifier.watchdog_ = std::chrono::floor<Milliseconds>(std::chrono::microseconds(*limit));
  }
  return notifier;
}

Notifier Notifier::through(OpenerLine& opener) {
  Notifier notifier("", &opener);
  notifier.watchdog_ = opener.watchdog();
  return notifier;
}

void Notifier::ready(std::string_view status) const {
  send(Wish::ready, "READY=1\nSTATUS=" + std::string(status));
}

void Notifier::reloading() const {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  send(Wish::reloading,
       "RELOADING=1\nMONOTONIC_USEC=" +
           std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count()));
}

void Notifier::stopping(std::string_view status) const {
  send(Wish::stopping, "STOPPING=1\nSTATUS=" + std::string(status));
}

void Notifier::still_stopping(Milliseconds patience, std::string_view status) const {
  send(Wish::more_time,
       "EXTEND_TIMEOUT_USEC=" + std::to_string(std::chrono::microseconds(patience).count()) +
           "\nSTATUS=" + std::string(status));
}

void Notifier::alive() const {
  send(Wish::alive, "WATCHDOG=1");
}

void Notifier::send(Wish wish, const std::string& message) const {
  if (opener_ != nullptr) {
    (void)opener_->wish(wish);
    return;
  }
  sockaddr_un address{};
  if (socket_.empty() || socket_.size() >= sizeof(address.sun_path)) return;
  address.sun_family = AF_UNIX;
  ::memcpy(address.sun_path, socket_.data(), socket_.size());
  if (socket_.front() == '@') address.sun_path[0] = '\0';
  const Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!fd) return;
  // Nothing depends on whether it arrives.
  (void)::sendto(fd.get(), message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT,
                 // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): the sockets API
                 reinterpret_cast<const sockaddr*>(&address),
                 static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + socket_.size()));
}

}  // namespace noforce::agent
