#include "core/scm/supervisor/tcp_probes.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

namespace noforce::supervisor {
namespace {

constexpr Milliseconds kFirstDelay{10};
constexpr Milliseconds kLongestDelay{1000};
constexpr Milliseconds kGiveUp{1000};

using Addresses = std::unique_ptr<addrinfo, void (*)(addrinfo*)>;

// Numeric only: nothing is asked of a name server.
Addresses parse(const std::string& address) {
  Addresses none(nullptr, ::freeaddrinfo);
  const auto colon = address.rfind(':');
  if (colon == std::string::npos) return none;
  std::string host = address.substr(0, colon);
  if (host.size() >= 2 && host.front() == '[' && host.back() == ']') {
    host = host.substr(1, host.size() - 2);
  }
  addrinfo hints{};
  hints.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &found) != 0) return none;
  return {found, ::freeaddrinfo};
}

}  // namespace

void TcpProbes::want(const std::string& service, const std::string& key,
                     const std::string& address) {
  Probe& probe = probes_[service];
  if (probe.key == key && probe.address == address) return;
  close(probe);
  probe.key = key;
  probe.address = address;
  probe.delay = Milliseconds{0};
  probe.due = std::chrono::steady_clock::now();
}

void TcpProbes::drop(const std::string& service) {
  const auto found = probes_.find(service);
  if (found == probes_.end()) return;
  close(found->second);
  probes_.erase(found);
}

void TcpProbes::clear() {
  for (auto& [service, probe] : probes_)
    close(probe);
  probes_.clear();
}

std::optional<MonoTime> TcpProbes::due() const {
  std::optional<MonoTime> first;
  for (const auto& [service, probe] : probes_) {
    if (!first || probe.due < *first) first = probe.due;
  }
  return first;
}

void TcpProbes::look() {
  const MonoTime now = std::chrono::steady_clock::now();
  std::vector<std::string> late;
  for (const auto& [service, probe] : probes_) {
    if (probe.due <= now) late.push_back(service);
  }
  for (const auto& service : late) {
    const auto found = probes_.find(service);
    if (found != probes_.end()) attempt(service, found->second);
  }
}

void TcpProbes::close(Probe& probe) {
  loop_.forget(probe.watch);
  probe.socket.reset();
}

void TcpProbes::attempt(const std::string& service, Probe& probe) {
  close(probe);
  const MonoTime now = std::chrono::steady_clock::now();
  probe.delay = std::clamp(probe.delay * 2, kFirstDelay, kLongestDelay);
  probe.due = now + probe.delay;
  const Addresses address = parse(probe.address);
  if (!address) return;
  probe.socket.reset(::socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!probe.socket) return;
  const int connected =
      ::connect(probe.socket.get(), address->ai_addr, address->ai_addrlen) == 0 ? 0 : errno;
  if (connected == 0) return decided(service);
  if (connected != EINPROGRESS) return close(probe);
  probe.due = now + kGiveUp;
  probe.watch = loop_.watch(probe.socket.get(), EPOLLOUT,
                            [this, service](std::uint32_t) { decided(service); });
}

void TcpProbes::decided(const std::string& service) {
  const auto found = probes_.find(service);
  if (found == probes_.end()) return;
  Probe& probe = found->second;
  int failed = 0;
  socklen_t size = sizeof failed;
  if (::getsockopt(probe.socket.get(), SOL_SOCKET, SO_ERROR, &failed, &size) != 0) failed = errno;
  close(probe);
  if (failed != 0) {
    probe.due = std::chrono::steady_clock::now() + probe.delay;
    return;
  }
  const std::string key = probe.key;
  probes_.erase(found);
  accepted_(service, key);
}

}  // namespace noforce::supervisor
