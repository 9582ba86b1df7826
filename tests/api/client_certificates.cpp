#include "tests/api/client_certificates.hpp"

#include <chrono>
#include <stdexcept>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

namespace noforce::test {
namespace {

void demand(bool good, const char* what) {
  if (!good) throw std::runtime_error(std::string("OpenSSL cannot ") + what);
}

template <typename Write>
std::string written(Write write) {
  BIO* const bio = BIO_new(BIO_s_mem());
  demand(write(bio) == 1, "write PEM");
  const char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string all(text, static_cast<std::size_t>(size));
  BIO_free(bio);
  return all;
}

void add(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* const extension = X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str());
  demand(extension != nullptr, "make an extension");
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

std::time_t seconds_of(WallTime time) {
  return std::chrono::system_clock::to_time_t(time);
}

long next_serial() {
  static long last = 0;
  return ++last;
}

}  // namespace

Signer::Signer(const CertificateWish& wish, const Signer* above)
    : key_(wish.rsa_bits == 0 ? EVP_EC_gen("P-256")
                              : EVP_RSA_gen(static_cast<unsigned>(wish.rsa_bits)),
           EVP_PKEY_free),
      certificate_(X509_new(), X509_free) {
  X509* const certificate = certificate_.get();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), next_serial());
  ASN1_TIME_set(X509_getm_notBefore(certificate), seconds_of(wish.from));
  ASN1_TIME_set(X509_getm_notAfter(certificate), seconds_of(wish.until));
  X509_set_pubkey(certificate, key_.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(wish.name.c_str()), -1, -1, 0);
  X509* const issuer = above == nullptr ? certificate : above->certificate_.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(issuer));
  add(certificate, issuer, NID_basic_constraints,
      wish.is_ca ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add(certificate, issuer, NID_key_usage,
      wish.is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature");
  if (!wish.is_ca && !wish.usage.empty()) add(certificate, issuer, NID_ext_key_usage, wish.usage);
  if (!wish.sans.empty()) add(certificate, issuer, NID_subject_alt_name, wish.sans);
  demand(
      X509_sign(certificate, above == nullptr ? key_.get() : above->key_.get(), EVP_sha256()) > 0,
      "sign");
  pem_ = written([certificate](BIO* bio) { return PEM_write_bio_X509(bio, certificate); });
}

std::string Signer::key_pem() const {
  return written([this](BIO* bio) {
    return PEM_write_bio_PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  });
}

std::string Signer::crl(const Signer& revoked, WallTime now, WallTime until,
                        const std::optional<CrlExtension>& extension) const {
  const std::shared_ptr<X509_CRL> crl(X509_CRL_new(), X509_CRL_free);
  X509_CRL_set_version(crl.get(), 1);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(certificate_.get()));
  const std::shared_ptr<ASN1_TIME> begin(ASN1_TIME_set(nullptr, seconds_of(now)), ASN1_TIME_free);
  const std::shared_ptr<ASN1_TIME> end(ASN1_TIME_set(nullptr, seconds_of(until)), ASN1_TIME_free);
  X509_CRL_set1_lastUpdate(crl.get(), begin.get());
  X509_CRL_set1_nextUpdate(crl.get(), end.get());
  X509_REVOKED* const entry = X509_REVOKED_new();
  X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked.certificate_.get()));
  X509_REVOKED_set_revocationDate(entry, begin.get());
  X509_CRL_add0_revoked(crl.get(), entry);
  if (extension) {
    const std::shared_ptr<ASN1_OCTET_STRING> value(ASN1_OCTET_STRING_new(), ASN1_OCTET_STRING_free);
    ASN1_STRING_set(value.get(), extension->der.data(), static_cast<int>(extension->der.size()));
    const std::shared_ptr<X509_EXTENSION> made(
        X509_EXTENSION_create_by_NID(nullptr, extension->number, 1, value.get()),
        X509_EXTENSION_free);
    demand(X509_CRL_add_ext(crl.get(), made.get(), -1) == 1, "extend a CRL");
  }
  demand(X509_CRL_sign(crl.get(), key_.get(), EVP_sha256()) > 0, "sign a CRL");
  return written([&crl](BIO* bio) { return PEM_write_bio_X509_CRL(bio, crl.get()); });
}

}  // namespace noforce::test
