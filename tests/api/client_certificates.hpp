// CAs and client certificates for tests, made in memory.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include <openssl/types.h>

#include "core/clock.hpp"

namespace noforce::test {

struct CertificateWish {
  std::string name = "x";            // common name
  std::string sans;                  // "DNS:ci.example.org,email:a@b"; empty: none
  std::string usage = "clientAuth";  // empty: none
  bool is_ca = false;
  WallTime from{};
  WallTime until{};
  int rsa_bits = 0;  // 0: EC P-256
};

// A certificate and its key; signs others.
class Signer {
 public:
  // By itself, or by `above`.
  explicit Signer(const CertificateWish& wish, const Signer* above = nullptr);

  [[nodiscard]] const std::string& pem() const { return pem_; }
  [[nodiscard]] std::string key_pem() const;
  // A CRL of this CA that names `revoked`, good until then; with an extension by its OpenSSL number
  // and its value in DER.
  struct CrlExtension {
    int number = 0;
    std::string der;
  };
  [[nodiscard]] std::string crl(const Signer& revoked, WallTime now, WallTime until,
                                const std::optional<CrlExtension>& extension = {}) const;

 private:
  std::shared_ptr<EVP_PKEY> key_;
  std::shared_ptr<X509> certificate_;
  std::string pem_;
};

}  // namespace noforce::test
