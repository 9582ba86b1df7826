// A socket that is closed once, by its owner, and how the system's refusals are told. One file a
// platform: Windows closes sockets in a way of its own, numbers their errors otherwise, and wants to
// be asked for sockets before there is one.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace noforce {

class Socket {
 public:
  Socket() = default;
  // A SOCKET of Windows is wider than an int, its values are not: handles have 32 significant bits.
  explicit Socket(int socket) : socket_(socket) {}
  ~Socket() { reset(); }
  Socket(Socket&& other) noexcept : socket_(std::exchange(other.socket_, -1)) {}
  Socket& operator=(Socket&& other) noexcept {
    if (this != &other) reset(std::exchange(other.socket_, -1));
    return *this;
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  [[nodiscard]] int get() const { return socket_; }
  [[nodiscard]] explicit operator bool() const { return socket_ >= 0; }
  void reset(int socket = -1);

 private:
  int socket_ = -1;
};

// Once a process, before its first socket; more often does no harm. Any thread.
void start_sockets();
// What the last call on a socket failed with, on this thread: errno, or Windows' number.
[[nodiscard]] int last_socket_error();
void forget_socket_error();
// "Connection refused", and "ECONNREFUSED" or "WSAECONNREFUSED"; no name: empty.
[[nodiscard]] std::string socket_error_text(int number);
[[nodiscard]] std::string socket_error_name(int number);

// Begins to connect to an address as ip_bytes() gives it; waits for nothing.
struct Connecting {
  Socket socket;
  bool pending = false;  // connected() knows once the socket can be written to
  int problem = 0;       // else: 0 connected, or why not
};
[[nodiscard]] Connecting begin_to_connect(std::string_view ip, std::uint16_t port);
// 0: it is, to somebody else; or why not.
[[nodiscard]] int connected(int socket);

}  // namespace noforce
