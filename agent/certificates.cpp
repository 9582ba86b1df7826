#include "agent/certificates.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <memory>
#include <utility>

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "agent/process.hpp"
#include "core/ip_address.hpp"
#include "core/text.hpp"

namespace noforce::agent {
namespace {

template <typename T, void (*release)(T*)>
struct Releaser {
  void operator()(T* object) const { release(object); }
};
template <typename T, void (*release)(T*)>
using Owned = std::unique_ptr<T, Releaser<T, release>>;

using Key = Owned<EVP_PKEY, EVP_PKEY_free>;
using Certificate = Owned<X509, X509_free>;
using Extension = Owned<X509_EXTENSION, X509_EXTENSION_free>;
using Number = Owned<BIGNUM, BN_free>;
using Names = Owned<GENERAL_NAMES, GENERAL_NAMES_free>;

struct BioReleaser {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using Bio = std::unique_ptr<BIO, BioReleaser>;

std::unexpected<Error> openssl_error(const std::string& what) {
  const unsigned long code = ::ERR_get_error();
  std::array<char, 256> text{};
  ::ERR_error_string_n(code, text.data(), text.size());
  ::ERR_clear_error();
  return fail(ErrorKind::internal, what + ": " + text.data());
}

std::string text_of(BIO* bio) {
  char* start = nullptr;
  const long size = BIO_get_mem_data(bio, &start);
  return {start, static_cast<std::size_t>(size)};
}

Bio reader(const std::string& pem) {
  return Bio(::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

Result<std::string> to_pem(X509* certificate) {
  const Bio bio(::BIO_new(::BIO_s_mem()));
  if (!bio || ::PEM_write_bio_X509(bio.get(), certificate) != 1) {
    return openssl_error("cannot write the certificate");
  }
  return text_of(bio.get());
}

Result<std::string> to_pem(EVP_PKEY* key) {
  const Bio bio(::BIO_new(::BIO_s_secmem()));
  if (!bio ||
      ::PEM_write_bio_PKCS8PrivateKey(bio.get(), key, nullptr, nullptr, 0, nullptr, nullptr) != 1) {
    return openssl_error("cannot write the key");
  }
  return text_of(bio.get());
}

Result<Certificate> certificate_from(const std::string& pem) {
  const Bio bio = reader(pem);
  Certificate certificate(::PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (!certificate) return openssl_error("this is no certificate in PEM");
  return certificate;
}

// Without a passphrase; never asks a terminal for one.
int no_passphrase(char* /*buffer*/, int /*size*/, int /*writing*/, void* /*unused*/) {
  return 0;
}

Result<Key> key_from(const std::string& pem) {
  const Bio bio = reader(pem);
  Key key(::PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr));
  if (!key) return openssl_error("this is no private key in PEM, or it has a passphrase");
  return key;
}

bool add_extension(X509* certificate, X509* issuer, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  ::X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const Extension extension(::X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  return extension && ::X509_add_ext(certificate, extension.get(), -1) == 1;
}

// 127 random bits: positive, not zero, and not to be guessed.
bool set_serial(X509* certificate) {
  const Number number(::BN_new());
  return number && ::BN_rand(number.get(), 127, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) == 1 &&
         ::BN_to_ASN1_INTEGER(number.get(), ::X509_get_serialNumber(certificate)) != nullptr;
}

// From an hour ago, for clocks that are slow, to `days` after that.
bool set_validity(X509* certificate, WallTime now, int days) {
  constexpr auto slow_clocks = std::chrono::hours(1);
  const auto from =
      std::chrono::floor<std::chrono::seconds>(now - slow_clocks).time_since_epoch().count();
  return ::ASN1_TIME_set(::X509_getm_notBefore(certificate), from) != nullptr &&
         ::ASN1_TIME_adj(::X509_getm_notAfter(certificate), from, days, 0) != nullptr;
}

bool set_common_name(X509* certificate, const std::string& name) {
  constexpr std::size_t longest = 64;  // ub-common-name of RFC 5280
  const std::string cut = name.substr(0, longest);
  return ::X509_NAME_add_entry_by_txt(
             ::X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
             // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's bytes
             reinterpret_cast<const unsigned char*>(cut.data()), static_cast<int>(cut.size()), -1,
             0) == 1;
}

struct Fresh {
  Certificate certificate;
  Key key;
};

// An X.509 v3 certificate without issuer, extensions and signature; on a new key where none is given.
Result<Fresh> fresh(const std::string& common_name, WallTime now, int days, Key key = nullptr) {
  if (!key) key.reset(EVP_EC_gen("P-256"));
  Fresh out{.certificate = Certificate(::X509_new()), .key = std::move(key)};
  X509* certificate = out.certificate.get();
  if (!certificate || !out.key || ::X509_set_version(certificate, X509_VERSION_3) != 1 ||
      !set_serial(certificate) || !set_validity(certificate, now, days) ||
      !set_common_name(certificate, common_name) ||
      ::X509_set_pubkey(certificate, out.key.get()) != 1) {
    return openssl_error("cannot make a key and a certificate");
  }
  return out;
}

Result<KeyPair> signed_pair(const Fresh& made, EVP_PKEY* signer) {
  if (::X509_sign(made.certificate.get(), signer, ::EVP_sha256()) == 0) {
    return openssl_error("cannot sign the certificate");
  }
  Result<std::string> certificate = to_pem(made.certificate.get());
  if (!certificate) return std::unexpected(certificate.error());
  Result<std::string> key = to_pem(made.key.get());
  if (!key) return std::unexpected(key.error());
  return KeyPair{.certificate = std::move(*certificate), .key = std::move(*key)};
}

bool is_address(const std::string& name) {
  ASN1_OCTET_STRING* address = ::a2i_IPADDRESS(name.c_str());
  ::ASN1_OCTET_STRING_free(address);
  ::ERR_clear_error();
  return address != nullptr;
}

// Letters, digits, hyphens and dots; also keeps commas out of OpenSSL's extension text.
bool is_host_name(const std::string& name) {
  return !name.empty() && name.size() <= 253 && name.front() != '.' && name.front() != '-' &&
         std::ranges::all_of(name, [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  c == '-' || c == '.' || c == '_';
         });
}

Result<std::string> alternative_names(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) {
    const bool address = is_address(name);
    if (!address && !is_host_name(name)) {
      return fail(ErrorKind::malformed,
                  "'" + clean_text(name, 80) +
                      "' is neither a host name nor an address; a certificate "
                      "names one or the other");
    }
    if (!out.empty()) out += ",";
    out += (address ? "IP:" : "DNS:") + name;
  }
  if (out.empty()) return fail(ErrorKind::malformed, "a certificate needs at least one host name");
  return out;
}

// Whoever made the certificate, its names go into sentences and onto terminals.
std::string host_text(const ASN1_IA5STRING* name) {
  constexpr std::size_t longest = 253;
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's bytes
  const auto* bytes = reinterpret_cast<const char*>(::ASN1_STRING_get0_data(name));
  return clean_text({bytes, static_cast<std::size_t>(::ASN1_STRING_length(name))}, longest);
}

std::string to_text(const ASN1_OCTET_STRING* address) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's bytes
  const auto* bytes = reinterpret_cast<const char*>(::ASN1_STRING_get0_data(address));
  return ip_text({bytes, static_cast<std::size_t>(::ASN1_STRING_length(address))});
}

}  // namespace

Result<KeyPair> make_ca(const std::string& host, WallTime now) {
  const Result<Fresh> made = fresh("noforce CA of " + host, now, ca_days);
  if (!made) return std::unexpected(made.error());
  X509* ca = made->certificate.get();
  if (::X509_set_issuer_name(ca, ::X509_get_subject_name(ca)) != 1 ||
      !add_extension(ca, ca, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") ||
      !add_extension(ca, ca, NID_key_usage, "critical,keyCertSign,cRLSign") ||
      !add_extension(ca, ca, NID_subject_key_identifier, "hash")) {
    return openssl_error("cannot make the CA's certificate");
  }
  return signed_pair(*made, made->key.get());
}

Result<KeyPair> make_server_certificate(const KeyPair& ca, const std::vector<std::string>& names,
                                        WallTime now, const std::string& key) {
  const Result<Certificate> issuer = certificate_from(ca.certificate);
  if (!issuer) return std::unexpected(issuer.error());
  const Result<Key> signer = key_from(ca.key);
  if (!signer) return std::unexpected(signer.error());
  if (::X509_check_private_key(issuer->get(), signer->get()) != 1) {
    ::ERR_clear_error();
    return fail(ErrorKind::malformed, "the CA's certificate and its key do not belong together");
  }
  const Result<std::string> alternatives = alternative_names(names);
  if (!alternatives) return std::unexpected(alternatives.error());

  Key kept;
  if (!key.empty()) {
    Result<Key> old = key_from(key);
    if (!old) return std::unexpected(old.error());
    kept = std::move(*old);
  }
  const Result<Fresh> made = fresh(names.front(), now, server_days, std::move(kept));
  if (!made) return std::unexpected(made.error());
  X509* server = made->certificate.get();
  if (::X509_set_issuer_name(server, ::X509_get_subject_name(issuer->get())) != 1 ||
      !add_extension(server, issuer->get(), NID_basic_constraints, "critical,CA:FALSE") ||
      !add_extension(server, issuer->get(), NID_key_usage, "critical,digitalSignature") ||
      !add_extension(server, issuer->get(), NID_ext_key_usage, "serverAuth") ||
      !add_extension(server, issuer->get(), NID_subject_alt_name, *alternatives) ||
      !add_extension(server, issuer->get(), NID_subject_key_identifier, "hash") ||
      !add_extension(server, issuer->get(), NID_authority_key_identifier, "keyid:always")) {
    return openssl_error("cannot make the server's certificate");
  }
  return signed_pair(*made, signer->get());
}

Result<CertificateFacts> read_certificate(const std::string& pem) {
  const Result<Certificate> certificate = certificate_from(pem);
  if (!certificate) return std::unexpected(certificate.error());

  CertificateFacts facts;
  std::tm end{};
  if (::ASN1_TIME_to_tm(::X509_get0_notAfter(certificate->get()), &end) != 1) {
    return openssl_error("cannot read until when the certificate is valid");
  }
  facts.not_after =
      std::chrono::sys_days(std::chrono::year(end.tm_year + 1900) /
                            std::chrono::month(static_cast<unsigned>(end.tm_mon + 1)) /
                            std::chrono::day(static_cast<unsigned>(end.tm_mday))) +
      std::chrono::hours(end.tm_hour) + std::chrono::minutes(end.tm_min) +
      std::chrono::seconds(end.tm_sec);

  int critical = 0;
  const Names names(static_cast<GENERAL_NAMES*>(
      ::X509_get_ext_d2i(certificate->get(), NID_subject_alt_name, &critical, nullptr)));
  if (!names && critical != -1) return openssl_error("cannot read the certificate's names");
  for (int i = 0; names && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_DNS) {
      facts.names.push_back(host_text(name->d.dNSName));
    } else if (name->type == GEN_IPADD) {
      facts.names.push_back(to_text(name->d.iPAddress));
    }
  }
  return facts;
}

std::vector<std::string> names_of_this_machine() {
  std::vector<std::string> names{"localhost", "127.0.0.1", "::1"};
  const std::string host = lower_ascii(machine_name());
  if (is_host_name(host) && std::ranges::find(names, host) == names.end()) {
    names.insert(names.begin(), host);
  }
  return names;
}

}  // namespace noforce::agent
