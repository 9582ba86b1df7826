// A bare TLS client for tests: sends bytes as they are, reads what comes. Every wait ends.
#pragma once

#include <string>
#include <string_view>

#include <openssl/types.h>

#include "core/clock.hpp"
#include "core/socket.hpp"

namespace noforce::test {

// A certificate of its own for 127.0.0.1, with its key, as PEM files in `directory`.
void make_certificate(const std::string& directory, const std::string& name = "server");

// Sends bytes without TLS, and reads until the other end closes.
[[nodiscard]] std::string ask_plainly(const std::string& address, std::string_view bytes);

class TlsClient {
 public:
  // "127.0.0.1:40001"; `version`: the only one that it speaks, 0: whatever both can; `from`: the
  // address of this end, one of 127.0.0.0/8.
  explicit TlsClient(const std::string& address, int version = 0, const char* ciphers = nullptr,
                     const char* from = nullptr);
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  [[nodiscard]] bool connected() const { return connected_; }
  // False when the other end has closed.
  bool send(std::string_view bytes);
  // Takes new keys for what it sends from now on. False when the other end has closed.
  bool change_keys();
  // One whole answer (by its Content-Length; until the end where it has none); what came so far
  // when nothing more does within `patience`.
  [[nodiscard]] std::string answer(Milliseconds patience = Milliseconds{10'000});
  // Reads until `text` came, or nothing more does.
  [[nodiscard]] std::string read_until(std::string_view text,
                                       Milliseconds patience = Milliseconds{10'000});
  // The other end closes within `patience`.
  [[nodiscard]] bool ends(Milliseconds patience = Milliseconds{10'000});
  [[nodiscard]] std::string subject() const;    // of the server's certificate
  [[nodiscard]] int sent_certificates() const;  // by the server
  [[nodiscard]] std::string protocol() const;   // "TLSv1.3"

 private:
  // False: the end, or the time is over.
  bool read_more(MonoTime until);
  bool wait(bool for_writing, MonoTime until) const;

  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  Socket socket_;
  bool connected_ = false;
  bool ended_ = false;
  std::string input_;
};

}  // namespace noforce::test
