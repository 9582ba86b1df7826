#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "core/socket.hpp"

namespace noforce {
namespace {

// Connecting to a free port of the ephemeral range on this machine can, once in some ten thousand
// times, meet itself: TCP's simultaneous open. Nobody listens there.
bool has_met_itself(int socket) {
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
  if (socket_ >= 0) ::close(socket_);
  socket_ = socket;
}

void start_sockets() {}

int last_socket_error() {
  return errno;
}

void forget_socket_error() {
  errno = 0;
}

std::string socket_error_text(int number) {
  return ::strerror(number);
}

std::string socket_error_name(int number) {
  const char* const name = ::strerrorname_np(number);
  return name != nullptr ? name : "";
}

Connecting begin_to_connect(std::string_view ip, std::uint16_t port) {
  const Address address = address_of(ip, port);
  Connecting out;
  out.socket =
      Socket(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!out.socket) {
    out.problem = errno;
    return out;
  }
  const auto* const generic = reinterpret_cast<const sockaddr*>(&address.storage);
  out.problem = ::connect(out.socket.get(), generic, address.length) == 0 ? 0 : errno;
  out.pending = out.problem == EINPROGRESS;
  if (out.problem == 0) out.problem = connected(out.socket.get());
  return out;
}

int connected(int socket) {
  int problem = 0;
  socklen_t length = sizeof problem;
  if (::getsockopt(socket, SOL_SOCKET, SO_ERROR, &problem, &length) != 0) problem = errno;
  if (problem == 0 && has_met_itself(socket)) problem = ECONNREFUSED;
  return problem;
}

}  // namespace noforce
