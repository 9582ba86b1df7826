#include "tests/services/common/net.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <utility>
#include <vector>

#include "tests/services/common/arguments.hpp"
#include "tests/services/common/log.hpp"

namespace services {

namespace {

constexpr int address_taken = 98;
constexpr std::string_view unix_prefix = "unix:";
constexpr std::size_t longest_message = 1 << 16;

Fd bind_and_listen(Fd socket, const sockaddr* address, socklen_t length, const std::string& name) {
  if (!socket) die("socket");
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(socket.get(), address, length) < 0 || ::listen(socket.get(), SOMAXCONN) < 0) {
    log("cannot listen on %s: %s", name.c_str(), std::strerror(errno));
    std::exit(address_taken);
  }
  return socket;
}

Fd listen_on_path(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    die(path.c_str());
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  ::unlink(path.c_str());
  return bind_and_listen(Fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
                         reinterpret_cast<const sockaddr*>(&address), sizeof address, path);
}

}  // namespace

Fd listen_on(const std::string& address) {
  if (address.starts_with(unix_prefix)) return listen_on_path(address.substr(unix_prefix.size()));
  const std::size_t colon = address.rfind(':');
  const std::string host = colon == std::string::npos ? "127.0.0.1" : address.substr(0, colon);
  const long port = to_number(colon == std::string::npos ? address : address.substr(colon + 1));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  if (port < 0 || port > 65535 || ::inet_pton(AF_INET, host.c_str(), &to.sin_addr) != 1) {
    log("'%s' is no address: 127.0.0.1:PORT or unix:PATH", address.c_str());
    std::exit(2);
  }
  to.sin_port = htons(static_cast<std::uint16_t>(port));
  return bind_and_listen(Fd(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)),
                         reinterpret_cast<const sockaddr*>(&to), sizeof to, address);
}

Server::Server(Loop& loop, const std::string& address, Protocol protocol)
    : loop_(loop), protocol_(std::move(protocol)), listener_(listen_on(address)) {
  loop_.on_fd(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_all(); });
}

Server::~Server() {
  if (listener_) loop_.forget(listener_.get());
  while (!connections_.empty())
    drop(connections_.begin()->first);
}

void Server::wind_down() {
  if (!listener_) return;
  loop_.forget(listener_.get());
  listener_.reset();
  std::vector<int> fds;
  for (auto& [fd, connection] : connections_) {
    // Not closed here: unread input would make the kernel reset the connection, and replies that
    // the other side has not read yet would be lost with it.
    connection.deaf = true;
    connection.finishing = true;
    fds.push_back(fd);
  }
  for (const int fd : fds) {
    Connection& connection = connections_.at(fd);
    if (write_some(connection))
      watch(connection);
    else
      drop(fd);
  }
}

void Server::accept_all() {
  while (true) {
    Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return;
    const int number = fd.get();
    Connection& connection = connections_[number];
    connection.fd = std::move(fd);
    watch(connection);
  }
}

void Server::on_event(int fd, std::uint32_t events) {
  const auto found = connections_.find(fd);
  if (found == connections_.end()) return;
  Connection& connection = found->second;
  const bool readable = (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0;
  if ((readable && !read_some(connection)) || !write_some(connection)) {
    drop(fd);
    return;
  }
  watch(connection);
}

bool Server::read_some(Connection& connection) {
  std::array<char, 16384> buffer{};
  const ssize_t count = ::read(connection.fd.get(), buffer.data(), buffer.size());
  if (count < 0) return errno == EAGAIN || errno == EINTR;
  if (count == 0) return false;
  if (connection.deaf) return true;
  connection.input.append(buffer.data(), static_cast<std::size_t>(count));
  std::size_t done = 0;
  while (!connection.finishing) {
    Answer answer = protocol_(std::string_view(connection.input).substr(done));
    if (answer.taken == 0) break;
    done += answer.taken;
    connection.output += answer.reply;
    connection.finishing = answer.close_after;
  }
  connection.input.erase(0, done);
  return connection.input.size() <= longest_message;
}

bool Server::write_some(Connection& connection) {
  while (!connection.output.empty()) {
    const ssize_t count = ::send(connection.fd.get(), connection.output.data(),
                                 connection.output.size(), MSG_NOSIGNAL);
    if (count < 0) return errno == EAGAIN || errno == EINTR;
    connection.output.erase(0, static_cast<std::size_t>(count));
  }
  if (!connection.finishing) return true;
  if (!connection.deaf) return false;
  ::shutdown(connection.fd.get(), SHUT_WR);
  return true;
}

void Server::watch(Connection& connection) {
  const std::uint32_t events = EPOLLIN | (connection.output.empty() ? 0U : EPOLLOUT);
  loop_.on_fd(connection.fd.get(), events,
              [this, fd = connection.fd.get()](std::uint32_t what) { on_event(fd, what); });
}

void Server::drop(int fd) {
  loop_.forget(fd);
  connections_.erase(fd);
}

Server::Protocol lines(std::function<std::string(std::string_view line)> handler) {
  return [handler = std::move(handler)](std::string_view input) -> Server::Answer {
    const std::size_t end = input.find('\n');
    if (end == std::string_view::npos) return {};
    std::string_view line = input.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    return {.taken = end + 1, .reply = handler(line) + "\n"};
  };
}

}  // namespace services
