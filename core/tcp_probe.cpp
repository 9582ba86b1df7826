#include "core/tcp_probe.hpp"

#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

#include "core/ip_address.hpp"

namespace noforce {
namespace {

std::optional<std::uint16_t> port_of(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (problem != std::errc{} || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
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
  probe.port_ = *port;
  std::string host(target.substr(0, colon));
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  constexpr std::size_t size_of_ipv4 = 4;
  if (host == "localhost") {
    probe.addresses_ = {ip_bytes("::1"), ip_bytes("127.0.0.1")};
  } else if (std::string ip = ip_bytes(host);
             !ip.empty() && bracketed == (ip.size() != size_of_ipv4)) {
    probe.addresses_.push_back(std::move(ip));
  }
  if (probe.addresses_.empty()) return malformed();
  return probe;
}

bool TcpProbe::begin() {
  while (!addresses_.empty()) {
    Connecting connecting = begin_to_connect(addresses_.back(), port_);
    addresses_.pop_back();
    socket_ = std::move(connecting.socket);
    problem_ = connecting.problem;
    if (connecting.pending) return false;
    if (problem_ == 0) return true;
  }
  return true;
}

bool TcpProbe::go_on() {
  problem_ = connected(socket_.get());
  return problem_ == 0 || begin();
}

}  // namespace noforce
