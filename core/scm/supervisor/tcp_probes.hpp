// Looks whether services' `ready_tcp` accepts connections: non-blocking, one probe a service, with
// back-off. In the agent, because the keeper has no network. Loop's thread only.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/scm/supervisor/event_loop.hpp"

namespace noforce::supervisor {

class TcpProbes {
 public:
  using Accepted = std::function<void(const std::string& service, const std::string& key)>;

  TcpProbes(EventLoop& loop, Accepted accepted) : loop_(loop), accepted_(std::move(accepted)) {}
  ~TcpProbes() { clear(); }
  TcpProbes(const TcpProbes&) = delete;
  TcpProbes& operator=(const TcpProbes&) = delete;

  // Probes "host:port" (numeric, IPv6 in brackets) for this instance until it accepts. The same
  // again changes nothing.
  void want(const std::string& service, const std::string& key, const std::string& address);
  void drop(const std::string& service);
  void clear();

  [[nodiscard]] std::optional<MonoTime> due() const;
  // Starts what is due.
  void look();

 private:
  struct Probe {
    std::string key;
    std::string address;
    Fd socket;
    EventLoop::Id watch = 0;
    MonoTime due{};  // the next try; while one is under way, when it is given up
    Milliseconds delay{0};
  };

  void attempt(const std::string& service, Probe& probe);
  void decided(const std::string& service);
  void close(Probe& probe);

  EventLoop& loop_;
  Accepted accepted_;
  std::map<std::string, Probe> probes_;
};

}  // namespace noforce::supervisor
