// The seam between the face and whatever carries HTTP. Everything about connections, TLS and the
// library below is behind it.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "api/server/message.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"

namespace noforce::api {

struct TlsFiles {
  std::string certificate;  // PEM, the chain: the server's own certificate first
  std::string key;          // PEM
  std::string client_ca;    // PEM, the CAs of client certificates; empty: none is asked for

  bool operator==(const TlsFiles&) const = default;
};

struct ServerLimits {
  std::size_t connections = 4096;              // open at the same time, by anybody
  std::size_t connections_per_address = 2048;  // an IPv6 address counts with its /64
  std::size_t streams = 512;                   // of them, event streams
  std::size_t streams_per_address = 256;
  std::size_t shed = 64;     // beyond these, connections that get a 503; others are closed at once
  std::size_t workers = 64;  // requests in hand at the same time
  std::size_t held_bytes = 64 * 1024 * 1024;  // requests and answers that wait for slow clients
  std::size_t held_bytes_per_address = 16 * 1024 * 1024;
  std::size_t head_bytes = 16 * 1024;  // request line and all header fields
  std::size_t header_fields = 64;
  std::size_t target_bytes = 4 * 1024;
  std::size_t body_bytes = 64 * 1024;
  Milliseconds handshake{10'000};
  Milliseconds head{10'000};  // from its first byte to its last
  Milliseconds body{30'000};
  Milliseconds write{30'000};  // for one answer, or what a stream has to give
  Milliseconds idle{60'000};   // between two requests
};

// Answers one request; any thread, many at once. Must not throw. Whoever has to wait for something
// answers with Response::later.
using RequestHandler = std::function<Response(const Request&)>;

// start, then any number of read_certificates, then stop; those three from one thread at a time.
class Server {
 public:
  virtual ~Server() = default;
  // Listens on "host:port" ("[::1]:8443"; port 0 takes a free one) and returns the address that
  // was bound, "127.0.0.1:40001". malformed: an address or PEM file that cannot be used; internal
  // with errno's number and name: the system refuses the address.
  [[nodiscard]] virtual Result<std::string> start(const std::string& listen,
                                                  const TlsFiles& files) = 0;
  // What takes them into use, from the same thread and while the server lives; it cannot fail. Connections
  // that come from then on see the new certificate.
  using TakeIntoUse = std::function<void()>;
  [[nodiscard]] virtual Result<TakeIntoUse> read_certificates(const TlsFiles& files) = 0;
  // Something has happened for which a stream or a waiting answer may be there: an event, a
  // credential that is gone. Any thread, at any time between construction and destruction.
  virtual void look_again() = 0;
  // Takes no new connection, lets idle ones go, lets requests end; cuts off what is still there
  // after `deadline`. Idempotent.
  virtual void stop(Milliseconds deadline) = 0;
};

[[nodiscard]] std::unique_ptr<Server> make_server(RequestHandler handler, ServerLimits limits = {});

}  // namespace noforce::api
