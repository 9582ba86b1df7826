// Telling our own service manager how we are (sd_notify), where there is one that listens.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/clock.hpp"

namespace noforce::agent {

class OpenerLine;
enum class Wish : char;

class Notifier {
 public:
  // Takes NOTIFY_SOCKET and its like out of the environment, so that no child of ours speaks in our
  // name.
  [[nodiscard]] static Notifier from_environment();

  // In the opener's name, which is the process that the manager knows. The status is the opener's.
  [[nodiscard]] static Notifier through(OpenerLine& opener);

  void ready(std::string_view status) const;
  // Between the two the manager waits; ready() ends it.
  void reloading() const;
  void stopping(std::string_view status) const;
  // Asks for at least this much more time to stop, from now on.
  void still_stopping(Milliseconds patience, std::string_view status) const;

  // The manager takes this process for hung when alive() was not said for so long; nullopt: it does
  // not look. From ready() to stopping().
  [[nodiscard]] std::optional<Milliseconds> watchdog() const { return watchdog_; }
  void alive() const;

 private:
  Notifier(std::string socket, OpenerLine* opener) : socket_(std::move(socket)), opener_(opener) {}
  // As a message, or as the wish that stands for it.
  void send(Wish wish, const std::string& message) const;

  std::string socket_;  // a path, "@name" for an abstract one; empty: nobody listens
  OpenerLine* opener_;  // null: this process speaks for itself
  std::optional<Milliseconds> watchdog_;
};

}  // namespace noforce::agent
