// The sockets of clients that tests play. One file a platform.
#pragma once

#include <cstdint>
#include <string>

#include "core/clock.hpp"
#include "core/socket.hpp"

namespace noforce::test {

// Connected, and then without waiting; none: nobody is there. `from`: the address of this end, one of
// 127.0.0.0/8, or null.
[[nodiscard]] Socket connected_socket(const std::string& host, std::uint16_t port,
                                      const char* from);
// False: the time is over.
[[nodiscard]] bool wait_for(int socket, bool for_writing, Milliseconds patience);

}  // namespace noforce::test
