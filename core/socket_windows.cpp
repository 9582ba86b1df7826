#include <winsock2.h>
#include <ws2tcpip.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>

#include "core/socket.hpp"
#include "core/windows_error.hpp"

namespace noforce {
namespace {

struct Started {
  Started() {
    WSADATA about{};
    constexpr WORD version_2_2 = 0x0202;
    ok = ::WSAStartup(version_2_2, &about) == 0;
  }
  bool ok = false;
};

// Windows has no sentence for these in its message table everywhere, and where it has one it is a long
// one; these are as other systems say them.
struct Name {
  int number;
  const char* name;
  const char* text;
};

constexpr auto names = std::to_array<Name>({
    {WSAEINTR, "WSAEINTR", "Interrupted"},
    {WSAEACCES, "WSAEACCES",
     "Permission denied, or another program holds the address for itself alone"},
    {WSAEINVAL, "WSAEINVAL", "Invalid argument"},
    {WSAEMFILE, "WSAEMFILE", "Too many open sockets"},
    {WSAEWOULDBLOCK, "WSAEWOULDBLOCK", "Resource temporarily unavailable"},
    {WSAENOTSOCK, "WSAENOTSOCK", "Not a socket"},
    {WSAEAFNOSUPPORT, "WSAEAFNOSUPPORT", "Address family not supported"},
    {WSAEADDRINUSE, "WSAEADDRINUSE", "Address already in use"},
    {WSAEADDRNOTAVAIL, "WSAEADDRNOTAVAIL", "Cannot assign requested address"},
    {WSAENETDOWN, "WSAENETDOWN", "Network is down"},
    {WSAENETUNREACH, "WSAENETUNREACH", "Network is unreachable"},
    {WSAECONNABORTED, "WSAECONNABORTED", "Connection aborted"},
    {WSAECONNRESET, "WSAECONNRESET", "Connection reset by peer"},
    {WSAENOBUFS, "WSAENOBUFS", "No buffer space available"},
    {WSAETIMEDOUT, "WSAETIMEDOUT", "Connection timed out"},
    {WSAECONNREFUSED, "WSAECONNREFUSED", "Connection refused"},
    {WSAEHOSTUNREACH, "WSAEHOSTUNREACH", "No route to host"},
});

// Connecting to a free port of the ephemeral range on this machine can, once in some ten thousand
// times, meet itself: TCP's simultaneous open. Nobody listens there.
bool has_met_itself(SOCKET socket) {
  sockaddr_storage own{};
  sockaddr_storage other{};
  socklen_t own_length = sizeof own;
  socklen_t other_length = sizeof other;
  return ::getsockname(socket, reinterpret_cast<sockaddr*>(&own), &own_length) == 0 &&
         ::getpeername(socket, reinterpret_cast<sockaddr*>(&other), &other_length) == 0 &&
         own_length == other_length &&
         std::memcmp(&own, &other, static_cast<std::size_t>(own_length)) == 0;
}

struct Address {
  sockaddr_storage storage{};
  socklen_t length = 0;
};

Address address_of(std::string_view ip, std::uint16_t port) {
  Address address;
  if (ip.size() == sizeof(in_addr)) {
    sockaddr_in four{};
    four.sin_family = AF_INET;
    four.sin_port = htons(port);
    std::memcpy(&four.sin_addr, ip.data(), ip.size());
    std::memcpy(&address.storage, &four, sizeof four);
    address.length = sizeof four;
  } else if (ip.size() == sizeof(in6_addr)) {
    sockaddr_in6 six{};
    six.sin6_family = AF_INET6;
    six.sin6_port = htons(port);
    std::memcpy(&six.sin6_addr, ip.data(), ip.size());
    std::memcpy(&address.storage, &six, sizeof six);
    address.length = sizeof six;
  }
  return address;
}

}  // namespace

void Socket::reset(int socket) {
  if (socket_ >= 0) ::closesocket(static_cast<SOCKET>(socket_));
  socket_ = socket;
}

void start_sockets() {
  static const Started started;
  // Nothing that this program is for works without.
  if (!started.ok) std::abort();
}

int last_socket_error() {
  return ::WSAGetLastError();
}

void forget_socket_error() {
  ::WSASetLastError(0);
}

std::string socket_error_text(int number) {
  const auto* const found = std::ranges::find(names, number, &Name::number);
  return found == names.end() ? windows_text(static_cast<unsigned long>(number)) : found->text;
}

std::string socket_error_name(int number) {
  const auto* const found = std::ranges::find(names, number, &Name::number);
  return found == names.end() ? "" : found->name;
}

Connecting begin_to_connect(std::string_view ip, std::uint16_t port) {
  start_sockets();
  const Address address = address_of(ip, port);
  Connecting out;
  const SOCKET made = ::WSASocketW(address.storage.ss_family, SOCK_STREAM, IPPROTO_TCP, nullptr, 0,
                                   WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
  u_long on = 1;
  if (made != INVALID_SOCKET) out.socket = Socket(static_cast<int>(made));
  if (!out.socket || ::ioctlsocket(made, static_cast<long>(FIONBIO), &on) != 0) {
    out.problem = ::WSAGetLastError();
    return out;
  }
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address.storage);
  out.problem = ::connect(made, generic, address.length) == 0 ? 0 : ::WSAGetLastError();
  out.pending = out.problem == WSAEWOULDBLOCK;
  if (out.problem == 0) out.problem = connected(out.socket.get());
  return out;
}

int connected(int socket) {
  const auto handle = static_cast<SOCKET>(socket);
  int problem = 0;
  socklen_t length = sizeof problem;
  if (::getsockopt(handle, SOL_SOCKET, SO_ERROR, reinterpret_cast<char*>(&problem), &length) != 0) {
    problem = ::WSAGetLastError();
  }
  if (problem == 0 && has_met_itself(handle)) problem = WSAECONNREFUSED;
  return problem;
}

}  // namespace noforce
