// The local socket: one JSON object a line from the client, one JSON line back. Who speaks is told
// by the kernel (peer credentials), never by the client: root and the agent's own user are served,
// everybody else is refused. On Windows it is a named pipe, and administrators are root.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace noforce::agent {

inline constexpr std::size_t longest_request = 65'536;
inline constexpr std::size_t longest_answer = 4U << 20U;
inline constexpr Milliseconds local_patience{10'000};

// One request line to one answer line, both without their newline; `user` is the peer's login
// name. Called on the socket's thread, one at a time; must not throw.
using LocalHandler = std::function<std::string(const std::string& user, std::string_view request)>;

class LocalSocket {
 public:
  virtual ~LocalSocket() = default;  // closes, removes the file, joins
};

// Listens on `path` (mode 0600); a file that is left from an agent that died is replaced, so the
// caller holds the agent's lock. Connections are served one after the other, each with
// local_patience for its request and its answer.
[[nodiscard]] Result<std::unique_ptr<LocalSocket>> open_local_socket(const std::string& path,
                                                                     LocalHandler handler);

// Sends one line and waits for its answer. not_found: nobody listens; timeout: no answer within
// local_patience; forbidden: this user may not.
[[nodiscard]] Result<std::string> ask_local(const std::string& path, std::string_view request);

}  // namespace noforce::agent
