// One packet of the keeper's socket, on both of its ends: bytes, and at most one descriptor.
#pragma once

#include <expected>
#include <string>

#include "core/fd.hpp"

namespace noforce::supervisor {

struct Packet {
  std::string bytes;
  Fd descriptor;  // of a HeldSocket
};

// Sends it whole, without waiting. 0 or errno; EAGAIN: later.
[[nodiscard]] int send_packet(int socket, const Packet& packet);
// The next one, without waiting; EAGAIN when there is none, 0 at the end of the connection. One
// that is larger than a message may be comes cut short, and is refused when it is decoded.
[[nodiscard]] std::expected<Packet, int> receive_packet(int socket);

}  // namespace noforce::supervisor
