// Tells which of many sockets has something to do. Many threads may wait at once; what is armed is
// told once, to one of them. One file a platform: epoll, or WSAPoll with a leader among the threads.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace noforce::api {

// Any thread.
class Poller {
 public:
  // What is told for the alarm and for wake(); a socket's token has to be another one.
  static constexpr std::uint64_t kAlarm = ~std::uint64_t{0};
  static constexpr std::uint64_t kWoken = kAlarm - 1;

  enum class For : std::uint8_t { read, write };

  Poller();
  ~Poller();
  Poller(const Poller&) = delete;
  Poller& operator=(const Poller&) = delete;
  // Whether the system gave what is needed; the number and text of its refusal.
  [[nodiscard]] Result<void> is_usable() const;

  // Tells `token` once when the socket is ready, or has failed; a socket that is new here and one
  // that has been told before alike. False: the system has no room for it.
  [[nodiscard]] bool arm(int socket, std::uint64_t token, For what);
  // Tells kAlarm once at about that time; a later call replaces an earlier one.
  void set_alarm(MonoTime at);
  // Tells kWoken at least once from now on.
  void wake();

  // Nothing within `patience` (none: for as long as it takes): nullopt.
  [[nodiscard]] std::optional<std::uint64_t> wait(std::optional<Milliseconds> patience);

 private:
  class System;
  std::unique_ptr<System> system_;
};

}  // namespace noforce::api
