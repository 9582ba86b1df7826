#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "api/server/sockets.hpp"

namespace noforce::api {
namespace {

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
  } else if (address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
      ::inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, sizeof text);
    else
      ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
  }
  return text;
}

}  // namespace

// SO_REUSEADDR alone: with SO_REUSEPORT two agents could share a port without noticing.
void claim_port_alone(int socket) {
  const int on = 1;
  ::setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
}

void begin_to_listen(int socket, int backlog) {
  ::listen(socket, backlog);
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) | O_NONBLOCK);
}

Accepted accept_one(int listener) {
  using What = Accepted::What;
  Accepted out;
  out.socket = Socket(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (out.socket) {
    const int on = 1;
    ::setsockopt(out.socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    out.what = What::somebody;
  } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
    out.what = What::no_room;
  } else if (errno != EAGAIN && errno != EINVAL && errno != EBADF) {
    out.what = What::again;
  }
  return out;
}

void end_listening(int listener) {
  ::shutdown(listener, SHUT_RDWR);
}

std::string peer_address(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return address_text(address);
}

std::string local_address(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return address_text(address);
}

void send_what_fits(int socket, std::string_view bytes) {
  (void)::send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

Received receive(int socket, char* into, std::size_t size) {
  for (;;) {
    const auto count = ::recv(socket, into, size, 0);
    if (count > 0) return {.size = static_cast<std::size_t>(count), .ended = false};
    if (count < 0 && errno == EINTR) continue;
    return {.size = 0, .ended = count == 0 || errno != EAGAIN};
  }
}

void end_sending(int socket) {
  ::shutdown(socket, SHUT_WR);
}

void cut_off(int socket) {
  ::shutdown(socket, SHUT_RDWR);
}

bool is_hung_up(int socket) {
  pollfd entry{.fd = socket, .events = POLLRDHUP, .revents = 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace noforce::api
