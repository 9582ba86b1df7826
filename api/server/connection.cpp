#include "api/server/connection.hpp"

#include <array>
#include <utility>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "api/server/sockets.hpp"

namespace noforce::api {
namespace {

constexpr std::size_t kReadSize = 4096;
constexpr std::size_t kMostReadAway = 256 * 1024;
// One write is at most so much: a large answer to a slow client is given piece by piece.
constexpr std::size_t kWriteSize = 256 * 1024;
// New keys are for every 2^24 records or so; OpenSSL would follow a client that sends nothing else for
// ever, within one read.
constexpr std::size_t kMostLateHandshakes = 64;

}  // namespace

void FreeSsl::operator()(SSL* ssl) const {
  SSL_free(ssl);
}

Connection::Connection(Socket socket, std::shared_ptr<SSL_CTX> context)
    : socket_(std::move(socket)),
      ssl_(SSL_new(context.get())),
      peer_(peer_address(socket_.get())),
      local_(local_address(socket_.get())) {
  if (ssl_) {
    SSL_set_fd(ssl_.get(), socket_.get());
    SSL_set_msg_callback(ssl_.get(), on_record);
    SSL_set_msg_callback_arg(ssl_.get(), this);
  }
}

Connection::~Connection() {
  ssl_.reset();  // before its socket
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
  send_what_fits(socket_.get(), bytes);
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
  end_sending(socket_.get());
}

Io Connection::read_away() {
  std::array<char, kReadSize> buffer;
  while (read_away_ < kMostReadAway) {
    const Received received = receive(socket_.get(), buffer.data(), buffer.size());
    if (received.ended) return Io::ended;
    if (received.size == 0) return Io::wants_read;
    read_away_ += received.size;
  }
  return Io::done;
}

void Connection::cut() const {
  cut_off(socket_.get());
}

bool Connection::is_gone() const {
  return is_hung_up(socket_.get());
}

}  // namespace noforce::api
