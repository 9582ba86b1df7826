#include "tests/services/common/notify.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "tests/services/common/fd.hpp"
#include "tests/services/common/log.hpp"

namespace services {

Notify::Notify() {
  const char* const socket = std::getenv("NOTIFY_SOCKET");
  if (socket == nullptr) return;
  address_ = socket;
  if (address_.starts_with('@')) address_.front() = '\0';
}

void Notify::ready(std::string_view status) const {
  send("READY=1\nSTATUS=" + std::string(status));
}

void Notify::stopping(std::string_view status) const {
  send("STOPPING=1\nSTATUS=" + std::string(status));
}

void Notify::progress(std::string_view status, std::chrono::milliseconds next_step) const {
  const std::chrono::microseconds usec = next_step;
  send("STATUS=" + std::string(status) + "\nEXTEND_TIMEOUT_USEC=" + std::to_string(usec.count()));
}

void Notify::send(std::string_view state) const {
  if (address_.empty()) return;
  sockaddr_un to{};
  if (address_.size() >= sizeof(to.sun_path)) {
    log("NOTIFY_SOCKET is longer than a socket's address may be");
    return;
  }
  to.sun_family = AF_UNIX;
  std::memcpy(to.sun_path, address_.data(), address_.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  const Fd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket || ::sendto(socket.get(), state.data(), state.size(), MSG_NOSIGNAL,
                          reinterpret_cast<const sockaddr*>(&to), length) < 0)
    log("nobody takes the notification: %s", std::strerror(errno));
}

}  // namespace services
