#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <csignal>

#include "tests/api/client_socket.hpp"

namespace noforce::test {

Socket connected_socket(const std::string& host, std::uint16_t port, const char* from) {
  std::signal(SIGPIPE, SIG_IGN);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, host.c_str(), &to.sin_addr);
  Socket socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in own{};
  own.sin_family = AF_INET;
  if (from != nullptr) {
    ::inet_pton(AF_INET, from, &own.sin_addr);
    (void)::bind(socket.get(), reinterpret_cast<const sockaddr*>(&own), sizeof own);
  }
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0) return {};
  ::fcntl(socket.get(), F_SETFL, ::fcntl(socket.get(), F_GETFL) | O_NONBLOCK);
  return socket;
}

bool wait_for(int socket, bool for_writing, Milliseconds patience) {
  pollfd entry{
      .fd = socket, .events = static_cast<short>(for_writing ? POLLOUT : POLLIN), .revents = 0};
  return ::poll(&entry, 1, static_cast<int>(std::max<std::int64_t>(patience.count(), 0))) > 0;
}

}  // namespace noforce::test
