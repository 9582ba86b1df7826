// What the server asks of the system's sockets, all of them without waiting. One file a platform.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/socket.hpp"

namespace noforce::api {

// Listening: a port of one's own, shared with nobody, which is free again right after a restart.
void claim_port_alone(int socket);
void begin_to_listen(int socket, int backlog);

struct Accepted {
  enum class What : std::uint8_t {
    somebody,
    nobody,   // any more at the moment, or ever
    again,    // this one is gone already; there may be another
    no_room,  // the system has nothing left for one more
  };
  What what = What::nobody;
  Socket socket;  // does not wait, and sends small pieces at once
};
[[nodiscard]] Accepted accept_one(int listener);
// Nobody is let in any more.
void end_listening(int listener);

// Both ends as numeric addresses; an IPv4 client of a socket for both is that IPv4 client. Empty:
// the system does not say.
[[nodiscard]] std::string peer_address(int socket);
[[nodiscard]] std::string local_address(int socket);

// As much as there is room for.
void send_what_fits(int socket, std::string_view bytes);
struct Received {
  std::size_t size = 0;  // 0: nothing yet, or `ended`
  bool ended = false;
};
[[nodiscard]] Received receive(int socket, char* into, std::size_t size);
// The other end learns that nothing more comes.
void end_sending(int socket);
// Reads and writes fail from now on, on this side too.
void cut_off(int socket);
// The other end has closed its side, or the connection was cut.
[[nodiscard]] bool is_hung_up(int socket);

}  // namespace noforce::api
