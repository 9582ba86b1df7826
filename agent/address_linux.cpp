#include <errno.h>
#include <netdb.h>
#include <sys/socket.h>

#include <memory>

#include "agent/address.hpp"
#include "agent/files.hpp"
#include "core/fd.hpp"

namespace noforce::agent {

Result<void> check_address(const std::string& host, std::uint16_t port) {
  if (port == 0) return {};
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) {
    return fail(ErrorKind::malformed, "'" + host + "' is no numeric address");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> address(found, &::freeaddrinfo);
  const Fd socket(::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const int on = 1;
  if (!socket || ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
      ::bind(socket.get(), address->ai_addr, address->ai_addrlen) != 0) {
    return system_error(
        "cannot listen on " + host + " port " + std::to_string(port) + " ('listen' in [server])",
        errno);
  }
  return {};
}

}  // namespace noforce::agent
