// Certificates of clients. The handshake takes any of them, so that who shows a bad one gets an
// answer with a sentence in it: TLS proves only that the client has the certificate's key. What the
// certificate is worth is asked at each request, of the CAs that count at that moment; so expiry
// and a reload act at once, also on connections and sessions that began before.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <openssl/types.h>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/thread_safety.hpp"

namespace noforce::api {

// Beyond these a certificate is nobody's.
inline constexpr std::size_t most_client_names = 64;  // alternative names
inline constexpr int deepest_client_chain = 4;        // CAs between the client and a trusted one
inline constexpr long largest_client_chain = 16'384;  // bytes, of all certificates that are sent
inline constexpr std::size_t largest_client_ca = 1U << 20U;  // bytes of the file

// What a client has shown. Immutable once it is made, but for what ClientAuthority keeps there; any
// thread.
struct ClientCertificate {
  // Alternative names as client_name() (core/clients.hpp) writes them; what is no such name is left
  // out. The common name does not count.
  std::vector<std::string> names;
  WallTime not_before{};
  WallTime not_after{};
  std::string
      trouble;  // why it is nobody's, whichever CA signed it; empty: nothing is wrong so far

  // The certificate itself, and what the client sent along.
  std::shared_ptr<X509> leaf;
  std::vector<std::shared_ptr<X509>> others;

  // Signatures are looked at once: which authority found them good, and for which time.
  struct Look {
    std::uint64_t authority = 0;
    WallTime from{};
    WallTime until{};
  };
  mutable Mutex mutex;
  mutable Look look NOFORCE_GUARDED_BY(mutex);
};

// Of a connection after its handshake; null: none was shown. A resumed session carries what its
// first handshake did, the other certificates included.
[[nodiscard]] std::shared_ptr<const ClientCertificate> client_certificate_of(SSL* ssl);
// The same of a PEM text, the client's own certificate first. malformed: there is none in it.
[[nodiscard]] Result<std::shared_ptr<const ClientCertificate>> client_certificate_from(
    const std::string& pem);

// The CAs of [tls] client_ca, and what they have revoked (CRLs in the same file). Immutable; any
// thread.
class ClientAuthority {
 public:
  // A PEM file of CA certificates and, if wanted, their CRLs. malformed with a sentence: it cannot
  // be read, holds no CA, or holds a certificate that is none.
  [[nodiscard]] static Result<std::shared_ptr<const ClientAuthority>> load(const std::string& file);
  virtual ~ClientAuthority() = default;

  // Good for a client at this time: signed by one of these CAs over at most deepest_client_chain
  // others, valid, not revoked, and for use as a client. unauthorized with a sentence.
  [[nodiscard]] virtual Result<void> check(const ClientCertificate& certificate,
                                           WallTime now) const = 0;
  // When the first of the CAs, or of their CRLs, ends.
  [[nodiscard]] virtual WallTime not_after() const = 0;
  // Is the first certificate of this PEM text one of the CAs?
  [[nodiscard]] virtual bool holds(const std::string& pem) const = 0;
};

// Makes the server ask each client for a certificate, and take any, or none. `file` as above.
[[nodiscard]] Result<void> ask_for_client_certificates(SSL_CTX* context, const std::string& file);

}  // namespace noforce::api
