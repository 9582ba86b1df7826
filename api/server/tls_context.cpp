#include "api/server/tls_context.hpp"

#include <cstring>
#include <string>
#include <string_view>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509err.h>

#include "api/server/client_certificate.hpp"

namespace noforce::api {
namespace {

// What a signature may be made with, ours and those of client certificates: no SHA-1, no SHA-224.
constexpr const char* kSignatures =
    "ed25519:ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:"
    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
    "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"
    "rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512";

// What OpenSSL says was wrong, without its numbers; empties its queue.
std::string openssl_reason() {
  std::string reason = "unknown reason";
  while (const unsigned long code = ERR_get_error()) {
    if (const char* text = ERR_reason_error_string(code); text != nullptr) reason = text;
  }
  return reason;
}

// The only protocol that is spoken here: who names others alone is sent away (RFC 7301, 3.2), so that
// no other protocol's client can be led here. Who names none is served.
int choose_http11(SSL*, const unsigned char** out, unsigned char* out_length,
                  const unsigned char* in, unsigned int in_length, void*) {
  static constexpr std::string_view kHttp11 = "http/1.1";
  for (unsigned int at = 0; at < in_length;) {
    const unsigned int length = in[at++];
    if (length > in_length - at) break;
    if (length == kHttp11.size() && std::memcmp(in + at, kHttp11.data(), length) == 0) {
      *out = in + at;
      *out_length = static_cast<unsigned char>(length);
      return SSL_TLSEXT_ERR_OK;
    }
    at += length;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

}  // namespace

void FreeSslContext::operator()(SSL_CTX* context) const {
  SSL_CTX_free(context);
}

Result<std::shared_ptr<SSL_CTX>> make_tls_context(const TlsFiles& files) {
  ERR_clear_error();
  SslContext context(SSL_CTX_new(TLS_server_method()));
  if (!context) return fail(ErrorKind::internal, "No TLS context: " + openssl_reason() + ".");
  SSL_CTX* const raw = context.get();

  static constexpr unsigned char kSessionScope[] = "noforce";
  SSL_CTX_set_session_id_context(raw, kSessionScope, sizeof kSessionScope - 1);
  SSL_CTX_set_options(raw, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA |
                               SSL_OP_IGNORE_UNEXPECTED_EOF);
  // Idle connections give their record buffers back: 1 000 of them are to cost little.
  SSL_CTX_set_mode(raw, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                            SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_OFF);  // tickets resume, without our memory
  SSL_CTX_set_num_tickets(raw, 1);
  // Nobody is there to type a passphrase: such a key is refused, instead of waiting at a terminal.
  SSL_CTX_set_default_passwd_cb(raw, [](char*, int, int, void*) { return -1; });
  // One read a record instead of two: its header comes with it.
  SSL_CTX_set_read_ahead(raw, 1);
  SSL_CTX_set_default_read_buffer_len(raw, 4096);
  SSL_CTX_set_alpn_select_cb(raw, choose_http11, nullptr);
  if (SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(raw, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1 ||
      SSL_CTX_set1_groups_list(raw, "X25519:P-256:P-384") != 1 ||
      SSL_CTX_set1_sigalgs_list(raw, kSignatures) != 1)
    return fail(ErrorKind::internal, "TLS cannot be set up: " + openssl_reason() + ".");

  if (SSL_CTX_use_certificate_chain_file(raw, files.certificate.c_str()) != 1)
    return fail(ErrorKind::malformed, "The certificate " + files.certificate +
                                          " cannot be used: " + openssl_reason() + ".");
  const bool has_key = SSL_CTX_use_PrivateKey_file(raw, files.key.c_str(), SSL_FILETYPE_PEM) == 1;
  const bool mismatch = ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH;
  if (!has_key && !mismatch)
    return fail(ErrorKind::malformed,
                "The key " + files.key + " cannot be used (" + openssl_reason() +
                    "). It has to be a private key in PEM, without a passphrase.");
  if (!has_key || SSL_CTX_check_private_key(raw) != 1) {
    ERR_clear_error();
    return fail(ErrorKind::malformed, "The key " + files.key + " is not that of the certificate " +
                                          files.certificate + ".");
  }
  if (!files.client_ca.empty()) {
    if (auto done = ask_for_client_certificates(raw, files.client_ca); !done)
      return std::unexpected(done.error());
  }
  return std::shared_ptr<SSL_CTX>(std::move(context));
}

}  // namespace noforce::api
