#include <winsock2.h>
#include <ws2tcpip.h>

#include "agent/address.hpp"
#include "core/ip_address.hpp"
#include "core/socket.hpp"

namespace noforce::agent {

Result<void> check_address(const std::string& host, std::uint16_t port) {
  if (port == 0) return {};
  start_sockets();
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return fail(ErrorKind::malformed, "'" + host + "' is no numeric address");
  }
  const SOCKET made = ::socket(found->ai_family, SOCK_STREAM, IPPROTO_TCP);
  Socket socket;
  if (made != INVALID_SOCKET) socket = Socket(static_cast<int>(made));
  const int on = 1;
  const bool good = socket &&
                    ::setsockopt(made, SOL_SOCKET, SO_EXCLUSIVEADDRUSE,
                                 reinterpret_cast<const char*>(&on), sizeof on) == 0 &&
                    ::bind(made, found->ai_addr, static_cast<int>(found->ai_addrlen)) == 0;
  const int problem = good ? 0 : last_socket_error();
  ::freeaddrinfo(found);
  if (good) return {};
  Error error;
  error.kind = problem == WSAEACCES ? ErrorKind::access_denied : ErrorKind::internal;
  error.detail = "cannot listen on " + host + " port " + std::to_string(port) +
                 " ('listen' in [server]): " + socket_error_text(problem);
  error.native_code = problem;
  error.native_name = socket_error_name(problem);
  return std::unexpected(std::move(error));
}

}  // namespace noforce::agent
