// A peer of the keeper's socket that says what it likes.
#pragma once

#include <poll.h>

#include <optional>
#include <string>
#include <utility>
#include <variant>

#include <gtest/gtest.h>

#include "core/fd.hpp"
#include "core/scm/supervisor/packet.hpp"
#include "core/scm/supervisor/protocol.hpp"

namespace noforce::supervisor::testing {

// One end of a conversation, whoever plays it.
class Voice {
 public:
  explicit Voice(Fd socket) : socket_(std::move(socket)) {}

  void say(const std::string& bytes) { (void)send_packet(socket_.get(), {.bytes = bytes}); }
  void say(const Message& message) { say(encode(message)); }
  // The next message that can be read; nothing when the other side is gone.
  std::optional<Message> hear_any() {
    while (true) {
      pollfd wait{.fd = socket_.get(), .events = POLLIN, .revents = 0};
      ::poll(&wait, 1, 20'000);
      const auto packet = receive_packet(socket_.get());
      if (!packet) return std::nullopt;
      if (auto message = decode(packet->bytes)) return std::move(*message);
    }
  }
  // The next one of this kind.
  template <typename M>
  std::optional<M> hear() {
    while (const auto message = hear_any()) {
      if (const auto* wanted = std::get_if<M>(&*message)) return *wanted;
    }
    return std::nullopt;
  }
  void until_gone() { EXPECT_FALSE(hear<UnknownMessage>()); }

 private:
  Fd socket_;
};

}  // namespace noforce::supervisor::testing
