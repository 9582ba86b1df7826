// Whether something accepts connections at an address: one non-blocking question.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/socket.hpp"

namespace noforce {

// One thread.
class TcpProbe {
 public:
  // `target` is "host:port", the host an address ("127.0.0.1", "[::1]") or "localhost": a name
  // would have to be looked up, which blocks. malformed for anything else.
  [[nodiscard]] static Result<TcpProbe> to(std::string_view target);

  // Begins to connect; goes on with the next address where one refuses. True: the answer is there.
  [[nodiscard]] bool begin();
  // The socket has become writable. True: the answer is there.
  [[nodiscard]] bool go_on();
  // To poll for writing while there is no answer.
  [[nodiscard]] int fd() const { return socket_.get(); }
  // 0 connected; else the last address's, as socket_error_text() knows it.
  [[nodiscard]] int problem() const { return problem_; }
  [[nodiscard]] const std::string& target() const { return target_; }

 private:
  std::string target_;
  std::vector<std::string> addresses_;  // to be tried, as ip_bytes(), the next one last
  std::uint16_t port_ = 0;
  Socket socket_;
  int problem_ = 0;
};

}  // namespace noforce
