#include "core/scm/supervisor/notify_socket.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>

#include "core/scm/supervisor/notify.hpp"

namespace noforce::supervisor {

std::string NotifySocket::new_address() {
  std::array<unsigned char, 16> random{};
  // Cannot fail for 16 bytes once the machine has booted; zeros would only be guessable.
  (void)::getrandom(random.data(), random.size(), 0);
  std::string address = "noforce/";
  constexpr std::string_view kDigits = "0123456789abcdef";
  for (const unsigned char byte : random) {
    address += kDigits[byte >> 4];
    address += kDigits[byte & 15];
  }
  return address;
}

std::expected<NotifySocket, int> NotifySocket::bind(const std::string& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  if (address.empty() || address.size() + 1 > sizeof name.sun_path) {
    return std::unexpected(EINVAL);
  }
  Fd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return std::unexpected(errno);
  const int on = 1;
  // Before the name exists: no message without credentials can be waiting.
  if (::setsockopt(fd.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) {
    return std::unexpected(errno);
  }
  std::memcpy(name.sun_path + 1, address.data(), address.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + address.size());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), size) != 0) {
    return std::unexpected(errno);
  }
  return NotifySocket(std::move(fd));
}

Fd NotifySocket::duplicate() const {
  return Fd(::fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
}

std::optional<NotifySocket::Received> NotifySocket::peek() {
  std::array<char, kMaxNotify> buffer;
  // Room for the credentials and no more: descriptors that a service hands over (FDSTORE, BARRIER)
  // are not made in this process. They stay with the message and are closed with it.
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control;
  iovec part{.iov_base = buffer.data(), .iov_len = buffer.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t got = 0;
  do {
    got = ::recvmsg(fd_.get(), &header, MSG_PEEK | MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got < 0) return std::nullopt;
  Received received;
  for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS) continue;
    if (c->cmsg_len != CMSG_LEN(sizeof(ucred))) continue;
    ucred credentials{};
    std::memcpy(&credentials, CMSG_DATA(c), sizeof credentials);
    received.sender = credentials.pid;
  }
  if ((header.msg_flags & MSG_TRUNC) == 0) {
    received.text.assign(buffer.data(), static_cast<std::size_t>(got));
  }
  return received;
}

void NotifySocket::drop() {
  // The kernel closes what came with a message for which there is no room. A barrier waits for that.
  while (::recv(fd_.get(), nullptr, 0, MSG_DONTWAIT) < 0 && errno == EINTR) {
  }
}

}  // namespace noforce::supervisor
