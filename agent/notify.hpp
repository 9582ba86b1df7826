// Telling our own service manager how we are (sd_notify), where there is one that listens.
#pragma once

#include <string>
#include <string_view>

#include "core/clock.hpp"

namespace noforce::agent {

class Notifier {
 public:
  // Takes NOTIFY_SOCKET out of the environment, so that no child of ours speaks in our name.
  [[nodiscard]] static Notifier from_environment();

  void ready(std::string_view status) const;
  // Between the two the manager waits; ready() ends it.
  void reloading() const;
  void stopping(std::string_view status) const;
  // Asks for at least this much more time to stop, from now on.
  void still_stopping(Milliseconds patience, std::string_view status) const;

 private:
  explicit Notifier(std::string socket) : socket_(std::move(socket)) {}
  void send(const std::string& message) const;

  std::string socket_;  // a path, "@name" for an abstract one; empty: nobody listens
};

}  // namespace noforce::agent
