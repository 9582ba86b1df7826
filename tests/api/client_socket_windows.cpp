#include <winsock2.h>
#include <ws2tcpip.h>

#include <algorithm>

#include "tests/api/client_socket.hpp"

namespace noforce::test {

Socket connected_socket(const std::string& host, std::uint16_t port, const char* from) {
  start_sockets();
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &to.sin_addr);
  const SOCKET made = ::socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
  if (made == INVALID_SOCKET) return {};
  Socket socket(static_cast<int>(made));
  sockaddr_in own{};
  own.sin_family = AF_INET;
  if (from != nullptr) {
    ::inet_pton(AF_INET, from, &own.sin_addr);
    (void)::bind(made, reinterpret_cast<const sockaddr*>(&own), sizeof own);
  }
  if (::connect(made, reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return {};
  u_long on = 1;
  ::ioctlsocket(made, static_cast<long>(FIONBIO), &on);
  return socket;
}

bool wait_for(int socket, bool for_writing, Milliseconds patience) {
  WSAPOLLFD entry{.fd = static_cast<SOCKET>(socket),
                  .events = static_cast<short>(for_writing ? POLLWRNORM : POLLRDNORM),
                  .revents = 0};
  return ::WSAPoll(&entry, 1, static_cast<int>(std::max<std::int64_t>(patience.count(), 0))) > 0;
}

}  // namespace noforce::test
