// The server's TLS: one immutable SSL_CTX for each set of certificate files; a reload makes a new
// one, and connections keep the one that they began with.
#pragma once

#include <memory>

#include <openssl/types.h>

#include "api/server/server.hpp"
#include "core/error.hpp"

namespace noforce::api {

struct FreeSslContext {
  void operator()(SSL_CTX* context) const;
};
using SslContext = std::unique_ptr<SSL_CTX, FreeSslContext>;

// TLS 1.2 and later, forward secrecy and authenticated ciphers only, no renegotiation; with
// `client_ca` each client is asked for a certificate (api/server/client_certificate.hpp). malformed
// with a sentence when a file cannot be read or the key is not that of the certificate.
[[nodiscard]] Result<std::shared_ptr<SSL_CTX>> make_tls_context(const TlsFiles& files);

}  // namespace noforce::api
