#include "api/server/connection.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>

#include <openssl/err.h>
#include <openssl/ssl.h>

namespace noforce::api {
namespace {

constexpr std::size_t kReadSize = 4096;
constexpr Milliseconds kLinger{500};
constexpr std::size_t kMostLingered = 256 * 1024;

MonoTime now() {
  return std::chrono::steady_clock::now();
}

std::string address_text(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address);
    ::inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
  } else if (address.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address);
    // An IPv4 client of a socket for both is that IPv4 client.
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
      ::inet_ntop(AF_INET, v6->sin6_addr.s6_addr + 12, text, sizeof text);
    else
      ::inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
  }
  return text;
}

}  // namespace

void FreeSsl::operator()(SSL* ssl) const {
  SSL_free(ssl);
}

Connection::Connection(int socket, std::shared_ptr<SSL_CTX> context)
    : socket_(socket), ssl_(SSL_new(context.get())) {
  ::fcntl(socket_, F_SETFL, ::fcntl(socket_, F_GETFL) | O_NONBLOCK);
  if (ssl_) SSL_set_fd(ssl_.get(), socket_);
  sockaddr_storage address{};
  socklen_t length = sizeof address;
  if (::getpeername(socket_, reinterpret_cast<sockaddr*>(&address), &length) == 0)
    peer_ = address_text(address);
  address = {};
  length = sizeof address;
  if (::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length) == 0)
    local_ = address_text(address);
}

Connection::~Connection() {
  ssl_.reset();
  ::close(socket_);
}

bool Connection::wait(int events, MonoTime until) const {
  for (;;) {
    const auto left =
        std::chrono::ceil<Milliseconds>(std::max(until - now(), MonoTime::duration::zero()));
    pollfd entry{.fd = socket_, .events = static_cast<short>(events), .revents = 0};
    const int ready = ::poll(
        &entry, 1, static_cast<int>(std::min<std::int64_t>(left.count(), std::int64_t{3'600'000})));
    if (ready > 0) return true;
    if (ready == 0 && now() >= until) return false;
    if (ready < 0 && errno != EINTR) return false;
  }
}

bool Connection::handshake(Milliseconds within) {
  if (!ssl_) return false;
  const MonoTime until = now() + within;
  for (;;) {
    ERR_clear_error();
    const int done = SSL_accept(ssl_.get());
    if (done == 1) {
      established_ = true;
      certificate_ = client_certificate_of(ssl_.get());
      return true;
    }
    const int error = SSL_get_error(ssl_.get(), done);
    const int events = error == SSL_ERROR_WANT_READ    ? POLLIN
                       : error == SSL_ERROR_WANT_WRITE ? POLLOUT
                                                       : 0;
    if (events == 0 || !wait(events, until)) {
      broken_ = true;
      return false;
    }
  }
}

bool Connection::await_request(Milliseconds within, const std::atomic<bool>& stopping) {
  if (!input_.empty()) return true;
  // An idle connection keeps no buffer.
  if (input_.capacity() > kReadSize) std::string().swap(input_);
  const MonoTime until = now() + within;
  // In this order: who stops the server sets `stopping` and then looks for idle ones.
  idle_since_ = now().time_since_epoch().count() | 1;
  const bool something = !stopping && (SSL_has_pending(ssl_.get()) == 1 || wait(POLLIN, until));
  idle_since_ = 0;
  if (!something) return false;
  return read_some(until) == Read::done;
}

Connection::Read Connection::read_some(MonoTime until) {
  std::array<char, kReadSize> buffer;
  for (;;) {
    ERR_clear_error();
    const int count = SSL_read(ssl_.get(), buffer.data(), buffer.size());
    if (count > 0) {
      input_.append(buffer.data(), static_cast<std::size_t>(count));
      return Read::done;
    }
    const int error = SSL_get_error(ssl_.get(), count);
    int events = 0;
    if (error == SSL_ERROR_WANT_READ) {
      events = POLLIN;
    } else if (error == SSL_ERROR_WANT_WRITE) {
      events = POLLOUT;
    } else {
      broken_ = error != SSL_ERROR_ZERO_RETURN;
      return Read::closed;
    }
    if (!wait(events, until)) return Read::late;
  }
}

Connection::Read Connection::read_head(std::size_t most, MonoTime until, std::size_t& size) {
  std::size_t from = 0;
  for (;;) {
    const auto end = input_.find("\r\n\r\n", from);
    if (end != std::string::npos) {
      size = end + 4;
      return size > most ? Read::too_large : Read::done;
    }
    if (input_.size() > most) return Read::too_large;
    from = input_.size() < 3 ? 0 : input_.size() - 3;
    if (const Read read = read_some(until); read != Read::done) return read;
  }
}

Connection::Read Connection::read_until(std::size_t size, MonoTime until) {
  while (input_.size() < size) {
    if (const Read read = read_some(until); read != Read::done) return read;
  }
  return Read::done;
}

void Connection::consume(std::size_t size) {
  input_.erase(0, size);
}

bool Connection::write(std::string_view bytes, Milliseconds within) {
  if (broken_) return false;
  const MonoTime until = now() + within;
  while (!bytes.empty()) {
    ERR_clear_error();
    const int count = SSL_write(ssl_.get(), bytes.data(), static_cast<int>(bytes.size()));
    if (count > 0) {
      bytes.remove_prefix(static_cast<std::size_t>(count));
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), count);
    const int events = error == SSL_ERROR_WANT_READ    ? POLLIN
                       : error == SSL_ERROR_WANT_WRITE ? POLLOUT
                                                       : 0;
    if (events == 0 || !wait(events, until)) {
      broken_ = true;
      return false;
    }
  }
  return true;
}

void Connection::close(bool linger) {
  if (established_ && !broken_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  ::shutdown(socket_, SHUT_WR);
  if (!linger) return;
  const MonoTime until = now() + kLinger;
  std::array<char, kReadSize> buffer;
  for (std::size_t total = 0; total < kMostLingered;) {
    const auto count = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (count > 0) {
      total += static_cast<std::size_t>(count);
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR) || !wait(POLLIN, until)) {
      return;
    }
  }
}

void Connection::cut() const {
  ::shutdown(socket_, SHUT_RDWR);
}

bool Connection::is_gone() const {
  pollfd entry{.fd = socket_, .events = POLLRDHUP, .revents = 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace noforce::api
