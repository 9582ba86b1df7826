// One TLS connection of a client, on a non-blocking socket. Nothing here waits: what cannot be done
// at once says what it waits for. Owned by one thread at a time; only what says so may be called
// from elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/types.h>

#include "api/server/client_certificate.hpp"
#include "core/socket.hpp"

namespace noforce::api {

struct FreeSsl {
  void operator()(SSL* ssl) const;
};

enum class Io : std::uint8_t {
  done,
  wants_read,   // again when there is something to read
  wants_write,  // again when there is room to write
  ended,        // the other end closed, or the connection broke
};

class Connection {
 public:
  // The socket does not wait.
  Connection(Socket socket, std::shared_ptr<SSL_CTX> context);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  [[nodiscard]] Io handshake();
  // The other end spoke plain HTTP where TLS was to begin; then this may be said in the same way.
  [[nodiscard]] bool is_plain_http() const { return plain_http_; }
  void say_plainly(std::string_view bytes) const;

  // Reads once what is there, a few KiB at most; done: input() has grown.
  [[nodiscard]] Io read();
  [[nodiscard]] std::string_view input() const { return input_; }
  void consume(std::size_t size);
  // An idle connection keeps no buffers.
  void let_buffers_go();

  void send(std::string_view bytes) { output_ += bytes; }
  // done: all that was sent is with the system.
  [[nodiscard]] Io flush();
  [[nodiscard]] bool has_unsent() const { return sent_ < output_.size(); }

  // Says goodbye; nothing can be sent after it.
  void close();
  // After close(): reads away what the client still sends, so that the last answer reaches it.
  // done: that is enough.
  [[nodiscard]] Io read_away();

  // Bytes that are held for this connection.
  [[nodiscard]] std::size_t held() const { return input_.capacity() + output_.capacity(); }

  // Any thread, as long as the object lives: reads and writes fail from now on.
  void cut() const;
  // Any thread: the other end has closed its side, or the connection was cut.
  [[nodiscard]] bool is_gone() const;

  [[nodiscard]] const std::string& peer() const { return peer_; }
  [[nodiscard]] const std::string& local() const { return local_; }
  [[nodiscard]] int socket() const { return socket_.get(); }
  // What the client has shown; null before the handshake, or when it showed none.
  [[nodiscard]] const std::shared_ptr<const ClientCertificate>& certificate() const {
    return certificate_;
  }

 private:
  [[nodiscard]] Io outcome(int result);
  // OpenSSL tells each record's type before it is looked at.
  static void on_record(int write, int version, int type, const void* bytes, std::size_t size,
                        SSL* ssl, void* connection);

  const Socket socket_;
  std::unique_ptr<SSL, FreeSsl> ssl_;
  bool established_ = false;
  bool broken_ = false;  // after a fatal TLS error nothing may be sent, a goodbye included
  bool plain_http_ = false;
  std::string input_;  // decrypted, not yet consumed
  std::string output_;
  std::size_t sent_ = 0;  // of output_
  std::size_t read_away_ = 0;
  std::size_t late_handshakes_ = 0;  // records of handshakes after the first one was done
  const std::string peer_;
  const std::string local_;
  std::shared_ptr<const ClientCertificate> certificate_;
};

}  // namespace noforce::api
