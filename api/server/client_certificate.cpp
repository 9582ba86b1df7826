#include "api/server/client_certificate.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <ctime>
#include <string_view>
#include <utility>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include "core/clients.hpp"
#include "core/ip_address.hpp"
#include "core/text.hpp"

namespace noforce::api {
namespace {

constexpr int kSecurityLevel = 2;  // OpenSSL's: RSA from 2048 bits, no SHA-1

template <auto release>
struct Release {
  template <typename T>
  void operator()(T* object) const {
    release(object);
  }
};
void free_infos(STACK_OF(X509_INFO) * infos) {
  sk_X509_INFO_pop_free(infos, X509_INFO_free);
}
// Frees the stack, not what is on it.
void free_stack(STACK_OF(X509) * stack) {
  sk_X509_free(stack);
}
void free_names(GENERAL_NAMES* names) {
  GENERAL_NAMES_free(names);
}
using Bio = std::unique_ptr<BIO, Release<BIO_free_all>>;
using Infos = std::unique_ptr<STACK_OF(X509_INFO), Release<free_infos>>;
using Stack = std::unique_ptr<STACK_OF(X509), Release<free_stack>>;
using AlternativeNames = std::unique_ptr<GENERAL_NAMES, Release<free_names>>;
using Store = std::unique_ptr<X509_STORE, Release<X509_STORE_free>>;
using Verification = std::unique_ptr<X509_STORE_CTX, Release<X509_STORE_CTX_free>>;

std::shared_ptr<X509> owned(X509* certificate) {
  return {certificate, X509_free};
}

std::shared_ptr<X509> shared(X509* certificate) {
  X509_up_ref(certificate);
  return owned(certificate);
}

// The end of time for what cannot be read: such a certificate fails elsewhere.
WallTime time_of(const ASN1_TIME* time, WallTime fallback) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return fallback;
  return std::chrono::sys_days(std::chrono::year(parts.tm_year + 1900) /
                               std::chrono::month(static_cast<unsigned>(parts.tm_mon + 1)) /
                               std::chrono::day(static_cast<unsigned>(parts.tm_mday))) +
         std::chrono::hours(parts.tm_hour) + std::chrono::minutes(parts.tm_min) +
         std::chrono::seconds(parts.tm_sec);
}

constexpr WallTime kBeginning{};
const WallTime kEnd = WallTime(std::chrono::sys_days(std::chrono::year(9999) / 12 / 31));

WallTime begin_of(const X509* certificate) {
  return time_of(X509_get0_notBefore(certificate), kEnd);
}

WallTime end_of(const X509* certificate) {
  return time_of(X509_get0_notAfter(certificate), kBeginning);
}

std::string_view bytes_of(const ASN1_STRING* text) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(text)),
          static_cast<std::size_t>(ASN1_STRING_length(text))};
}

// "dns:" and what the certificate says; empty for kinds that are not for clients.
std::string spelling_of(const GENERAL_NAME* name) {
  switch (name->type) {
    case GEN_DNS:
      return "dns:" + std::string(bytes_of(name->d.dNSName));
    case GEN_EMAIL:
      return "email:" + std::string(bytes_of(name->d.rfc822Name));
    case GEN_URI:
      return "uri:" + std::string(bytes_of(name->d.uniformResourceIdentifier));
    case GEN_IPADD: {
      const std::string address = ip_text(bytes_of(name->d.iPAddress));
      return address.empty() ? address : "ip:" + address;
    }
    default:
      return {};
  }
}

void read_names(ClientCertificate& into) {
  int critical = -1;  // -2: the extension is there twice
  const AlternativeNames names(static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(into.leaf.get(), NID_subject_alt_name, &critical, nullptr)));
  if (!names) {
    into.trouble = critical == -1 ? "carries no subject alternative name, and a common name does "
                                    "not count"
                                  : "has alternative names that cannot be read";
    return;
  }
  const int count = sk_GENERAL_NAME_num(names.get());
  if (std::cmp_greater(count, most_client_names)) {
    into.trouble = "carries more than " + std::to_string(most_client_names) + " alternative names";
    return;
  }
  for (int i = 0; i < count; ++i) {
    const std::string spelling = spelling_of(sk_GENERAL_NAME_value(names.get(), i));
    // With a dot at its end a name passes by what a CA's name constraints exclude.
    if (spelling.ends_with('.')) continue;
    auto name = client_name(spelling);
    if (name && std::ranges::find(into.names, *name) == into.names.end())
      into.names.push_back(std::move(*name));
  }
  if (into.names.empty())
    into.trouble =
        "carries no alternative name by which a client can be known (dns, uri, email, "
        "ip; no wildcards)";
}

std::shared_ptr<const ClientCertificate> read_certificate(
    std::shared_ptr<X509> leaf, std::vector<std::shared_ptr<X509>> others) {
  auto certificate = std::make_shared<ClientCertificate>();
  certificate->leaf = std::move(leaf);
  certificate->others = std::move(others);
  certificate->not_before = begin_of(certificate->leaf.get());
  certificate->not_after = end_of(certificate->leaf.get());
  read_names(*certificate);
  ERR_clear_error();
  return certificate;
}

// Tickets ------------------------------------------------------------------------------------------
// A ticket holds the client's own certificate and not those that it sent along; without them a
// resumed session could not be judged again. They go into the part of it that is ours, one after
// the other as DER.

int put_others_into_ticket(SSL* ssl, void*) {
  constexpr int go_on = 1;
  const STACK_OF(X509)* const others = SSL_get_peer_cert_chain(ssl);
  std::string all;
  for (int i = 0; i < sk_X509_num(others); ++i) {  // -1 for a chain that is not there
    unsigned char* der = nullptr;
    const int size = i2d_X509(sk_X509_value(others, i), &der);
    if (size > 0) all.append(reinterpret_cast<const char*>(der), static_cast<std::size_t>(size));
    OPENSSL_free(der);
  }
  // A resumed session has no chain; what its ticket said goes on into the next one.
  if (!all.empty()) SSL_SESSION_set1_ticket_appdata(SSL_get_session(ssl), all.data(), all.size());
  return go_on;
}

std::vector<std::shared_ptr<X509>> others_of_ticket(SSL_SESSION* session) {
  std::vector<std::shared_ptr<X509>> others;
  void* data = nullptr;
  std::size_t size = 0;
  if (SSL_SESSION_get0_ticket_appdata(session, &data, &size) != 1) return others;
  const auto* at = static_cast<const unsigned char*>(data);
  const unsigned char* const end = at + size;
  while (at < end) {
    X509* const next = d2i_X509(nullptr, &at, end - at);
    if (next == nullptr) break;
    others.push_back(owned(next));
  }
  return others;
}

// Verdicts -----------------------------------------------------------------------------------------

std::string when(WallTime time) {
  return to_rfc3339(time).substr(0, 19) + "Z";
}

std::string issuer_of(const X509* certificate) {
  const Bio bio(BIO_new(BIO_s_mem()));
  if (!bio || X509_NAME_print_ex(bio.get(), X509_get_issuer_name(certificate), 0,
                                 XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) < 0)
    return "an unknown issuer";
  const char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return clean_text(std::string_view(text, static_cast<std::size_t>(size)), 120);
}

// What is wrong with the certificate, as the end of "the client certificate ...".
std::string reason_of(int error, int depth, const ClientCertificate& certificate) {
  switch (error) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return depth == 0 ? "expired at " + when(certificate.not_after) + "; renew it"
                        : "hangs on a CA that has expired; renew that, and what it signed";
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return depth == 0 ? "is not valid before " + when(certificate.not_before) +
                              "; wait, or set the clock of who made it or of the agent right"
                        : "hangs on a CA that is not valid yet";
    case X509_V_ERR_INVALID_PURPOSE:
      return depth == 0 ? "is not for use as a client: its extendedKeyUsage has to allow clientAuth"
                        : "hangs on a CA that may not sign clients";
    case X509_V_ERR_CERT_REVOKED:
      return "was revoked by its CA";
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
      return "cannot be checked: the CRL of its CA is not of this time; put today's into the file "
             "of [tls] client_ca, then `noforce reload`";
    case X509_V_ERR_CERT_CHAIN_TOO_LONG:
      return "hangs on more than " + std::to_string(deepest_client_chain) + " CAs";
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return "has a key or a signature that is too weak; RSA from 2048 bits or EC, and SHA-256";
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return "is not signed by a CA of [tls] client_ca, but by " +
             issuer_of(certificate.leaf.get()) +
             "; where a CA stands between the two, send its certificate along";
    default:
      return std::string("is not good: ") + X509_verify_cert_error_string(error);
  }
}

std::unexpected<Error> refused(const std::string& reason) {
  return fail(ErrorKind::unauthorized, "the client certificate " + reason);
}

// No CRL of this CA: then it has revoked nothing. Those that are there count.
int allow_missing_crl(int good, X509_STORE_CTX* verification) {
  return good == 0 && X509_STORE_CTX_get_error(verification) == X509_V_ERR_UNABLE_TO_GET_CRL ? 1
                                                                                             : good;
}

class Authority final : public ClientAuthority {
 public:
  Authority(Store store, std::vector<std::shared_ptr<X509>> cas, WallTime not_after)
      : store_(std::move(store)), cas_(std::move(cas)), not_after_(not_after) {}

  Result<void> check(const ClientCertificate& certificate, WallTime now) const override {
    if (!certificate.trouble.empty()) return refused(certificate.trouble);
    if (is_known_good(certificate, now)) return {};
    const Stack others(sk_X509_new_null());
    const Verification verification(X509_STORE_CTX_new());
    if (!others || !verification) return cannot();
    for (const auto& other : certificate.others) {
      if (sk_X509_push(others.get(), other.get()) == 0) return cannot();
    }
    if (X509_STORE_CTX_init(verification.get(), store_.get(), certificate.leaf.get(),
                            others.get()) != 1 ||
        X509_STORE_CTX_set_default(verification.get(), "ssl_client") != 1)
      return cannot();
    X509_VERIFY_PARAM* const how = X509_STORE_CTX_get0_param(verification.get());
    X509_VERIFY_PARAM_set_depth(how, deepest_client_chain);
    X509_VERIFY_PARAM_set_auth_level(how, kSecurityLevel);
    X509_VERIFY_PARAM_set_time(how, std::chrono::system_clock::to_time_t(now));
    X509_STORE_CTX_set_verify_cb(verification.get(), allow_missing_crl);
    const int good = X509_verify_cert(verification.get());
    ERR_clear_error();
    if (good != 1) {
      const int error = X509_STORE_CTX_get_error(verification.get());
      return refused(
          reason_of(error, X509_STORE_CTX_get_error_depth(verification.get()), certificate));
    }
    remember(certificate, X509_STORE_CTX_get0_chain(verification.get()));
    return {};
  }

  WallTime not_after() const override { return not_after_; }

  bool holds(const std::string& pem) const override {
    const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
    const auto wanted = owned(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    ERR_clear_error();
    return wanted && std::ranges::any_of(cas_, [&wanted](const auto& ca) {
             return X509_cmp(ca.get(), wanted.get()) == 0;
           });
  }

 private:
  static std::unexpected<Error> cannot() {
    ERR_clear_error();
    return fail(ErrorKind::internal, "the client certificate could not be checked: no memory");
  }

  bool is_known_good(const ClientCertificate& certificate, WallTime now) const {
    const MutexLock lock(certificate.mutex);
    const ClientCertificate::Look look = certificate.look;
    return look.authority == id_ && now >= look.from && now < look.until;
  }

  void remember(const ClientCertificate& certificate, const STACK_OF(X509) * chain) const {
    ClientCertificate::Look look{.authority = id_, .from = kBeginning, .until = not_after_};
    for (int i = 0; i < sk_X509_num(chain); ++i) {
      look.from = std::max(look.from, begin_of(sk_X509_value(chain, i)));
      look.until = std::min(look.until, end_of(sk_X509_value(chain, i)));
    }
    const MutexLock lock(certificate.mutex);
    certificate.look = look;
  }

  static std::uint64_t next_id() {
    static std::atomic<std::uint64_t> last{0};
    return ++last;
  }

  const std::uint64_t id_ = next_id();  // no two ever have the same
  const Store store_;
  const std::vector<std::shared_ptr<X509>> cas_;
  const WallTime not_after_;
};

Result<Infos> read_pem_file(const std::string& file) {
  const auto unusable = [&file](const std::string& why) {
    ERR_clear_error();
    return fail(ErrorKind::malformed,
                "The CA of client certificates " + file + " cannot be used: " + why + ".");
  };
  const Bio bio(BIO_new_file(file.c_str(), "r"));
  if (!bio) return unusable("it cannot be read");
  std::string text(largest_client_ca + 1, '\0');
  std::size_t size = 0;
  std::size_t got = 0;
  while (size < text.size() &&
         BIO_read_ex(bio.get(), text.data() + size, text.size() - size, &got) == 1)
    size += got;
  if (size == text.size())
    return unusable("it has more than " + std::to_string(largest_client_ca) + " bytes");
  const Bio content(BIO_new_mem_buf(text.data(), static_cast<int>(size)));
  Infos infos(PEM_X509_INFO_read_bio(content.get(), nullptr, nullptr, nullptr));
  if (!infos) return unusable("it is not PEM");
  for (int i = 0; i < sk_X509_INFO_num(infos.get()); ++i) {
    const X509_INFO* const info = sk_X509_INFO_value(infos.get(), i);
    if (info->x_pkey != nullptr || info->enc_data != nullptr)
      return unusable("it holds a private key, which has no business there");
  }
  ERR_clear_error();
  return infos;
}

}  // namespace

std::shared_ptr<const ClientCertificate> client_certificate_of(SSL* ssl) {
  X509* const leaf = SSL_get0_peer_certificate(ssl);
  if (leaf == nullptr) return nullptr;
  std::vector<std::shared_ptr<X509>> others;
  const STACK_OF(X509)* const sent = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; i < sk_X509_num(sent); ++i)
    others.push_back(shared(sk_X509_value(sent, i)));
  if (others.empty()) others = others_of_ticket(SSL_get_session(ssl));
  return read_certificate(shared(leaf), std::move(others));
}

Result<std::shared_ptr<const ClientCertificate>> client_certificate_from(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<std::shared_ptr<X509>> all;
  while (X509* const next = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    all.push_back(owned(next));
  ERR_clear_error();
  if (all.empty()) return fail(ErrorKind::malformed, "there is no certificate in PEM");
  auto leaf = std::move(all.front());
  all.erase(all.begin());
  return read_certificate(std::move(leaf), std::move(all));
}

namespace {

// OpenSSL passes by a CRL of such a kind as if there were none, and nothing would be revoked.
const char* unusable(X509_CRL* crl) {
  if (X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) >= 0)
    return "a delta CRL, which says only what has changed; it takes the complete one";
  const std::unique_ptr<ISSUING_DIST_POINT, void (*)(ISSUING_DIST_POINT*)> scope(
      static_cast<ISSUING_DIST_POINT*>(
          X509_CRL_get_ext_d2i(crl, NID_issuing_distribution_point, nullptr, nullptr)),
      ISSUING_DIST_POINT_free);
  if (!scope) return nullptr;
  if (scope->indirectCRL > 0)
    return "an indirect CRL, which speaks for other CAs; it takes each CA's own one";
  if (scope->onlysomereasons != nullptr || scope->onlyattr > 0)
    return "a CRL that does not name all that is revoked; it takes the complete one";
  return nullptr;
}

}  // namespace

Result<std::shared_ptr<const ClientAuthority>> ClientAuthority::load(const std::string& file) {
  const auto infos = read_pem_file(file);
  if (!infos) return std::unexpected(infos.error());
  Store store(X509_STORE_new());
  std::vector<std::shared_ptr<X509>> cas;
  WallTime not_after = kEnd;
  unsigned long flags = X509_V_FLAG_PARTIAL_CHAIN;  // what is in the file is trusted, root or not
  for (int i = 0; store && i < sk_X509_INFO_num(infos->get()); ++i) {
    const X509_INFO* const info = sk_X509_INFO_value(infos->get(), i);
    if (info->crl != nullptr) {
      if (const char* const why = unusable(info->crl); why != nullptr)
        return fail(ErrorKind::malformed, "The CA of client certificates " + file +
                                              " cannot be used: it holds " + why + ".");
      X509_STORE_add_crl(store.get(), info->crl);
      flags |= X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL;
      not_after = std::min(not_after, time_of(X509_CRL_get0_nextUpdate(info->crl), kEnd));
    }
    if (info->x509 == nullptr) continue;
    if (X509_check_ca(info->x509) == 0)
      return fail(ErrorKind::malformed,
                  "The CA of client certificates " + file +
                      " cannot be used: it holds a certificate that is no CA; it takes the CA that "
                      "signs the clients, and [[client]] says who is who.");
    X509_STORE_add_cert(store.get(), info->x509);
    not_after = std::min(not_after, end_of(info->x509));
    cas.push_back(shared(info->x509));
  }
  ERR_clear_error();
  if (cas.empty())
    return fail(ErrorKind::malformed, "The CA of client certificates " + file +
                                          " cannot be used: there is no certificate in it.");
  X509_STORE_set_flags(store.get(), flags);
  return std::make_shared<const Authority>(std::move(store), std::move(cas), not_after);
}

Result<void> ask_for_client_certificates(SSL_CTX* context, const std::string& file) {
  const auto infos = read_pem_file(file);
  if (!infos) return std::unexpected(infos.error());
  for (int i = 0; i < sk_X509_INFO_num(infos->get()); ++i) {
    X509* const ca = sk_X509_INFO_value(infos->get(), i)->x509;
    if (ca != nullptr) SSL_CTX_add_client_CA(context, ca);
  }
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
  // Any certificate, or none: the verdict is the request's (see the header).
  SSL_CTX_set_cert_verify_callback(context, [](X509_STORE_CTX*, void*) { return 1; }, nullptr);
  SSL_CTX_set_max_cert_list(context, largest_client_chain);
  SSL_CTX_set_session_ticket_cb(context, put_others_into_ticket, nullptr, nullptr);
  ERR_clear_error();
  return {};
}

}  // namespace noforce::api
