#include <winsock2.h>
#include <ws2tcpip.h>

#include <algorithm>
#include <climits>

#include "api/server/sockets.hpp"

namespace noforce::api {
namespace {

SOCKET handle(int socket) {
  return static_cast<SOCKET>(socket);
}

void do_not_wait(SOCKET socket) {
  u_long on = 1;
  ::ioctlsocket(socket, static_cast<long>(FIONBIO), &on);
}

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

// SO_REUSEADDR would let another program take the port away on Windows.
void claim_port_alone(int socket) {
  const int on = 1;
  ::setsockopt(handle(socket), SOL_SOCKET, SO_EXCLUSIVEADDRUSE, reinterpret_cast<const char*>(&on),
               sizeof on);
}

void begin_to_listen(int socket, int backlog) {
  ::listen(handle(socket), backlog);
  do_not_wait(handle(socket));
}

Accepted accept_one(int listener) {
  using What = Accepted::What;
  Accepted out;
  const SOCKET accepted = ::accept(handle(listener), nullptr, nullptr);
  if (accepted != INVALID_SOCKET) {
    out.socket = Socket(static_cast<int>(accepted));
    ::SetHandleInformation(reinterpret_cast<HANDLE>(accepted), HANDLE_FLAG_INHERIT, 0);
    do_not_wait(accepted);
    const int on = 1;
    ::setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, reinterpret_cast<const char*>(&on), sizeof on);
    out.what = What::somebody;
    return out;
  }
  switch (::WSAGetLastError()) {
    case WSAEMFILE:
    case WSAENOBUFS:
      out.what = What::no_room;
      break;
    case WSAECONNRESET:
    case WSAECONNABORTED:
    case WSAEINTR:
      out.what = What::again;
      break;
    default:
      out.what = What::nobody;
  }
  return out;
}

// A listener cannot be shut down on Windows; it is closed once nobody uses it any more.
void end_listening(int) {}

std::string peer_address(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(handle(socket), reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return address_text(address);
}

std::string local_address(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getsockname(handle(socket), reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return address_text(address);
}

void send_what_fits(int socket, std::string_view bytes) {
  (void)::send(handle(socket), bytes.data(), static_cast<int>(bytes.size()), 0);
}

Received receive(int socket, char* into, std::size_t size) {
  const int most = static_cast<int>(std::min<std::size_t>(size, INT_MAX));
  const int count = ::recv(handle(socket), into, most, 0);
  if (count > 0) return {.size = static_cast<std::size_t>(count), .ended = false};
  return {.size = 0, .ended = count == 0 || ::WSAGetLastError() != WSAEWOULDBLOCK};
}

void end_sending(int socket) {
  ::shutdown(handle(socket), SD_SEND);
}

void cut_off(int socket) {
  ::shutdown(handle(socket), SD_BOTH);
}

bool is_hung_up(int socket) {
  WSAPOLLFD entry{.fd = handle(socket), .events = POLLRDNORM, .revents = 0};
  if (::WSAPoll(&entry, 1, 0) <= 0) return false;
  if ((entry.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return true;
  // The end of what the other side sends counts as something to read.
  char byte = 0;
  return (entry.revents & POLLRDNORM) != 0 && ::recv(handle(socket), &byte, 1, MSG_PEEK) == 0;
}

}  // namespace noforce::api
