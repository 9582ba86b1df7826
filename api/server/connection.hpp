// One TLS connection of a client, on a non-blocking socket; every wait has a deadline. Owned by
// the worker that serves it; only what says so may be called from elsewhere.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/types.h>

#include "api/server/client_certificate.hpp"
#include "core/clock.hpp"

namespace noforce::api {

struct FreeSsl {
  void operator()(SSL* ssl) const;
};

class Connection {
 public:
  // Takes the socket over; closes it at the end.
  Connection(int socket, std::shared_ptr<SSL_CTX> context);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] bool handshake(Milliseconds within);
  // Waits for the first byte of a request; false: none came, the connection ended, or the server
  // does (`stopping`; cut() ends a wait that has begun).
  [[nodiscard]] bool await_request(Milliseconds within, const std::atomic<bool>& stopping);

  enum class Read : std::uint8_t { done, closed, late, too_large };
  // Reads until input() holds a whole head (its size comes back in `size`).
  [[nodiscard]] Read read_head(std::size_t most, MonoTime until, std::size_t& size);
  // Reads until input() holds at least `size` bytes.
  [[nodiscard]] Read read_until(std::size_t size, MonoTime until);
  [[nodiscard]] std::string_view input() const { return input_; }
  void consume(std::size_t size);

  // All of it, or false.
  [[nodiscard]] bool write(std::string_view bytes, Milliseconds within);
  // Says goodbye; with `linger` it first reads away what the client still sends (for a moment), so
  // that the last answer reaches it.
  void close(bool linger);

  // Any thread, as long as the object lives: waits end, reads and writes fail.
  void cut() const;
  // Any thread: a request could still come on this side, but none is in hand.
  [[nodiscard]] bool idle() const { return idle_since_ != 0; }
  [[nodiscard]] std::int64_t idle_since() const { return idle_since_; }
  // Any thread: the other end has closed its side, or the connection was cut.
  [[nodiscard]] bool is_gone() const;

  [[nodiscard]] const std::string& peer() const { return peer_; }
  [[nodiscard]] const std::string& local() const { return local_; }
  [[nodiscard]] int socket() const { return socket_; }
  // What the client has shown; null before the handshake, or when it showed none.
  [[nodiscard]] const std::shared_ptr<const ClientCertificate>& certificate() const {
    return certificate_;
  }

 private:
  [[nodiscard]] bool wait(int events, MonoTime until) const;
  [[nodiscard]] Read read_some(MonoTime until);

  const int socket_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  bool established_ = false;
  bool broken_ = false;  // after a fatal TLS error nothing may be sent, a goodbye included
  std::string input_;    // decrypted, not yet consumed
  std::string peer_;
  std::string local_;
  std::shared_ptr<const ClientCertificate> certificate_;
  std::atomic<std::int64_t> idle_since_{0};  // 0: busy
};

}  // namespace noforce::api
