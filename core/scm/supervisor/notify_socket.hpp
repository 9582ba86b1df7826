// The datagram socket that a service's NOTIFY_SOCKET names.
//
// Its name is in the abstract namespace: services run as other users, and the state directory,
// where a socket file would stand, is closed to them (0700). Abstract names need no permission, so
// anyone on the machine can write to it; what proves a sender is the kernel's credential on each
// message, never the name. The name holds 128 random bits, so that nobody takes it first.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <string_view>

#include "core/fd.hpp"

namespace noforce::supervisor {

class NotifySocket {
 public:
  // One datagram; `sender` is the kernel's word. Text is empty for one that is too large.
  struct Received {
    std::int64_t sender = 0;
    std::string text;
  };

  // Binds this abstract name (without its leading NUL); errno on failure. The next keeper binds
  // the same name again, as running services know no other.
  [[nodiscard]] static std::expected<NotifySocket, int> bind(const std::string& address);
  // One that was bound before, by another keeper.
  explicit NotifySocket(Fd fd) : fd_(std::move(fd)) {}
  // "noforce/" and 128 random bits.
  [[nodiscard]] static std::string new_address();

  [[nodiscard]] int fd() const { return fd_.get(); }
  // For somebody else to hold.
  [[nodiscard]] Fd duplicate() const;
  // The message that waits longest, or nothing when none waits. Never blocks. It stays where it is,
  // for the next keeper if this one dies before drop().
  [[nodiscard]] std::optional<Received> peek();
  // Takes away what peek() showed, with the descriptors that came with it.
  void drop();

 private:
  Fd fd_;
};

}  // namespace noforce::supervisor
