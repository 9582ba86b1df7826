// Listening sockets, and servers of one line or one request at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

#include "tests/services/common/fd.hpp"
#include "tests/services/common/loop.hpp"

namespace services {

// "127.0.0.1:PORT" (a bare PORT means the loopback) or "unix:PATH"; a path left behind by an
// earlier run is replaced. Ends the program with status 98 when the address is taken.
[[nodiscard]] Fd listen_on(const std::string& address);

// Serves connections whose input is cut into messages, each answered with a string.
class Server {
 public:
  // What one connection has sent and not yet been answered for -> how many characters of it make a
  // message (0: it is not complete yet) and what to answer.
  struct Answer {
    std::size_t taken = 0;
    std::string reply;
    bool close_after = false;
  };
  using Protocol = std::function<Answer(std::string_view input)>;

  // `loop` must outlive the server.
  Server(Loop& loop, const std::string& address, Protocol protocol);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // No new connections and no new messages; replies that were promised still go out, then each
  // connection's end is announced.
  void wind_down();

 private:
  struct Connection {
    Fd fd;
    std::string input;
    std::string output;
    bool finishing = false;  // close once the output is written
    bool deaf = false;       // input is read and thrown away
  };

  void accept_all();
  void on_event(int fd, std::uint32_t events);
  // False when the connection is at its end.
  bool read_some(Connection& connection);
  bool write_some(Connection& connection);
  void watch(Connection& connection);
  void drop(int fd);

  Loop& loop_;
  Protocol protocol_;
  Fd listener_;
  std::map<int, Connection> connections_;
};

// Messages that are lines; the handler gets the line without its end and returns the reply
// without one.
[[nodiscard]] Server::Protocol lines(std::function<std::string(std::string_view line)> handler);

}  // namespace services
