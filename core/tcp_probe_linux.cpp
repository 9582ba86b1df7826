#include "core/tcp_probe_linux.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cerrno>
#include <charconv>
#include <cstdint>
#include <cstring>
#include <optional>

namespace noforce {
namespace {

template <typename Sockaddr>
void copy_into(sockaddr_storage& storage, const Sockaddr& address) {
  static_assert(sizeof address <= sizeof storage);
  std::memcpy(&storage, &address, sizeof address);
}

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (problem != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

// Connecting to a free port of the ephemeral range on this machine can, once in some ten thousand
// times, meet itself: TCP's simultaneous open. Nobody listens there.
bool met_itself(int fd) {
  sockaddr_storage own{};
  sockaddr_storage other{};
  socklen_t own_length = sizeof own;
  socklen_t other_length = sizeof other;
  return ::getsockname(fd, reinterpret_cast<sockaddr*>(&own), &own_length) == 0 &&
         ::getpeername(fd, reinterpret_cast<sockaddr*>(&other), &other_length) == 0 &&
         own_length == other_length && std::memcmp(&own, &other, own_length) == 0;
}

}  // namespace

Result<TcpProbe> TcpProbe::to(std::string_view target) {
  TcpProbe probe;
  probe.target_ = target;
  const auto malformed = [&] {
    return fail(ErrorKind::malformed,
                "'" + probe.target_ +
                    "' is no address to connect to; write an IP address or "
                    "localhost, a colon, and a port, e.g. 127.0.0.1:80 or [::1]:80");
  };
  const std::size_t colon = target.rfind(':');
  if (colon == std::string_view::npos) return malformed();
  const auto port = port_of(target.substr(colon + 1));
  if (!port) return malformed();
  std::string host(target.substr(0, colon));
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const bool local = host == "localhost";

  sockaddr_in6 six{};
  six.sin6_family = AF_INET6;
  six.sin6_port = htons(*port);
  if (local || (bracketed && ::inet_pton(AF_INET6, host.c_str(), &six.sin6_addr) == 1)) {
    if (local) six.sin6_addr = in6addr_loopback;
    copy_into(probe.addresses_.emplace_back().storage, six);
    probe.addresses_.back().length = sizeof six;
  }
  sockaddr_in four{};
  four.sin_family = AF_INET;
  four.sin_port = htons(*port);
  if (local || (!bracketed && ::inet_pton(AF_INET, host.c_str(), &four.sin_addr) == 1)) {
    if (local) four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    copy_into(probe.addresses_.emplace_back().storage, four);
    probe.addresses_.back().length = sizeof four;
  }
  if (probe.addresses_.empty()) return malformed();
  return probe;
}

bool TcpProbe::begin() {
  while (!addresses_.empty()) {
    const Address address = addresses_.back();
    addresses_.pop_back();
    socket_ =
        Fd(::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!socket_) {
      problem_ = errno;
      continue;
    }
    const auto* const generic = reinterpret_cast<const sockaddr*>(&address.storage);
    problem_ = ::connect(socket_.get(), generic, address.length) == 0 ? 0 : errno;
    if (problem_ == EINPROGRESS) return false;
    if (problem_ == 0 && met_itself(socket_.get())) problem_ = ECONNREFUSED;
    if (problem_ == 0) return true;
  }
  return true;
}

bool TcpProbe::go_on() {
  int problem = 0;
  socklen_t length = sizeof problem;
  if (::getsockopt(socket_.get(), SOL_SOCKET, SO_ERROR, &problem, &length) != 0) problem = errno;
  if (problem == 0 && met_itself(socket_.get())) problem = ECONNREFUSED;
  problem_ = problem;
  return problem == 0 || begin();
}

}  // namespace noforce
