#include "api/server/connection.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace noforce::api {
namespace {

constexpr std::size_t kReadSize = 4096;
constexpr std::size_t kMostReadAway = 256 * 1024;
// One write is at most so much: a large answer to a slow client is given piece by piece.
constexpr std::size_t kWriteSize = 256 * 1024;
// New keys are for every 2^24 records or so; OpenSSL would follow a client that sends nothing else for
// ever, within one read.
constexpr std::size_t kMostLateHandshakes = 64;

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
  if (ssl_) {
    SSL_set_fd(ssl_.get(), socket_);
    SSL_set_msg_callback(ssl_.get(), on_record);
    SSL_set_msg_callback_arg(ssl_.get(), this);
  }
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

Io Connection::outcome(int result) {
  switch (SSL_get_error(ssl_.get(), result)) {
    case SSL_ERROR_WANT_READ:
      return Io::wants_read;
    case SSL_ERROR_WANT_WRITE:
      return Io::wants_write;
    case SSL_ERROR_ZERO_RETURN:
      return Io::ended;
    default:
      broken_ = true;
      return Io::ended;
  }
}

void Connection::on_record(int write, int /*version*/, int type, const void* bytes,
                           std::size_t size, SSL* /*ssl*/, void* connection) {
  const bool tells_type = type == SSL3_RT_HEADER || type == SSL3_RT_INNER_CONTENT_TYPE;
  if (write != 0 || !tells_type || size == 0) return;
  if (*static_cast<const unsigned char*>(bytes) != SSL3_RT_HANDSHAKE) return;
  auto& self = *static_cast<Connection*>(connection);
  if (self.established_ && ++self.late_handshakes_ > kMostLateHandshakes) self.cut();
}

Io Connection::handshake() {
  if (!ssl_) return Io::ended;
  ERR_clear_error();
  const int done = SSL_accept(ssl_.get());
  if (done == 1) {
    established_ = true;
    certificate_ = client_certificate_of(ssl_.get());
    return Io::done;
  }
  const Io io = outcome(done);
  if (io == Io::ended) plain_http_ = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
  return io;
}

void Connection::say_plainly(std::string_view bytes) const {
  // A fresh socket has room for so little; where it has none the client just sees the end.
  (void)::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

Io Connection::read() {
  std::array<char, kReadSize> buffer;
  ERR_clear_error();
  const int count = SSL_read(ssl_.get(), buffer.data(), buffer.size());
  if (count <= 0) return outcome(count);
  input_.append(buffer.data(), static_cast<std::size_t>(count));
  return Io::done;
}

void Connection::consume(std::size_t size) {
  OPENSSL_cleanse(input_.data(), size);  // there was a credential in it
  input_.erase(0, size);
}

void Connection::let_buffers_go() {
  if (input_.empty()) std::string().swap(input_);
  if (!has_unsent()) {
    std::string().swap(output_);
    sent_ = 0;
  }
}

Io Connection::flush() {
  if (broken_) return Io::ended;
  while (has_unsent()) {
    const std::string_view rest = std::string_view(output_).substr(sent_, kWriteSize);
    ERR_clear_error();
    const int count = SSL_write(ssl_.get(), rest.data(), static_cast<int>(rest.size()));
    if (count <= 0) return outcome(count);
    sent_ += static_cast<std::size_t>(count);
  }
  output_.clear();
  sent_ = 0;
  return Io::done;
}

void Connection::close() {
  if (established_ && !broken_) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  ::shutdown(socket_, SHUT_WR);
}

Io Connection::read_away() {
  std::array<char, kReadSize> buffer;
  while (read_away_ < kMostReadAway) {
    const auto count = ::recv(socket_, buffer.data(), buffer.size(), 0);
    if (count > 0) {
      read_away_ += static_cast<std::size_t>(count);
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else if (count < 0 && errno == EAGAIN) {
      return Io::wants_read;
    } else {
      return Io::ended;
    }
  }
  return Io::done;
}

void Connection::cut() const {
  ::shutdown(socket_, SHUT_RDWR);
}

bool Connection::is_gone() const {
  pollfd entry{.fd = socket_, .events = POLLRDHUP, .revents = 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace noforce::api
