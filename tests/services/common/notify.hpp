// sd_notify's protocol, the sending side, without libsystemd.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace services {

class Notify {
 public:
  // Takes the address from NOTIFY_SOCKET: a path, or '@' and an abstract name. Unset: everything
  // below does nothing.
  Notify();

  void ready(std::string_view status) const;
  void stopping(std::string_view status) const;
  // A sign of progress: what is being done, and how long the next step may take at most.
  void progress(std::string_view status, std::chrono::milliseconds next_step) const;

  // Lines of NAME=value. Sent by address each time, so that it reaches a manager that came back.
  void send(std::string_view state) const;

 private:
  std::string address_;  // as sun_path wants it; empty: nobody listens
};

}  // namespace services
