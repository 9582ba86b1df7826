#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

#include <chrono>

#include "agent/files.hpp"
#include "agent/notify.hpp"

namespace noforce::agent {

Notifier Notifier::from_environment() {
  const char* socket = ::getenv("NOTIFY_SOCKET");
  Notifier notifier(socket != nullptr ? socket : "");
  ::unsetenv("NOTIFY_SOCKET");
  return notifier;
}

void Notifier::ready(std::string_view status) const {
  send("READY=1\nSTATUS=" + std::string(status));
}

void Notifier::reloading() const {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  send("RELOADING=1\nMONOTONIC_USEC=" +
       std::to_string(std::chrono::duration_cast<std::chrono::microseconds>(now).count()));
}

void Notifier::stopping(std::string_view status) const {
  send("STOPPING=1\nSTATUS=" + std::string(status));
}

void Notifier::still_stopping(Milliseconds patience, std::string_view status) const {
  send("EXTEND_TIMEOUT_USEC=" + std::to_string(std::chrono::microseconds(patience).count()) +
       "\nSTATUS=" + std::string(status));
}

void Notifier::send(const std::string& message) const {
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
