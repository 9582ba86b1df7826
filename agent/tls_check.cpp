#include "agent/tls_check.hpp"

#include "agent/certificates.hpp"
#include "agent/files.hpp"
#include "agent/process.hpp"
#include "api/server/tls_context.hpp"

namespace noforce::agent {
namespace {

constexpr std::size_t largest_pem = 1U << 20U;

// Why this user cannot tell anything about the file; empty: it can.
std::string hidden(const std::string& file) {
  if (!is_forbidden(file)) return {};
  return this_user() + " may not read " + file +
         ", so it is not checked; check the settings as the agent's user";
}

void check_dates(const config::TlsSettings& tls, WallTime now, std::vector<TlsFinding>& findings) {
  const auto pem = read_small_file(tls.certificate, largest_pem);
  if (!pem) return;
  const auto facts = read_certificate(*pem);
  if (!facts || facts->not_after > now) return;
  findings.push_back({.key = "certificate",
                      .sentence = tls.certificate + " has expired at " +
                                  to_rfc3339(facts->not_after) + "; no client takes it any more"});
}

void check_secrecy(const std::string& key, std::vector<TlsFinding>& findings) {
  std::string why = why_not_secret(key);
  if (why.empty()) return;
  findings.push_back({.key = "key", .sentence = std::move(why), .is_mistake = false});
}

// The setting that a sentence about the files means.
std::string key_meant(const config::TlsSettings& tls, const std::string& sentence) {
  if (!tls.client_ca.empty() && sentence.find(tls.client_ca) != std::string::npos) {
    return "client_ca";
  }
  return sentence.starts_with("The key ") ? "key" : "certificate";
}

}  // namespace

std::vector<TlsFinding> check_tls(const config::TlsSettings& tls, WallTime now) {
  std::vector<TlsFinding> findings;
  if (tls.certificate.empty()) return findings;
  for (const auto& [key, file] :
       {std::pair("certificate", tls.certificate), std::pair("key", tls.key)}) {
    if (std::string why = hidden(file); !why.empty()) {
      findings.push_back({.key = key, .sentence = std::move(why), .is_mistake = false});
    }
  }
  if (findings.empty()) {
    const auto usable = api::make_tls_context(
        {.certificate = tls.certificate, .key = tls.key, .client_ca = tls.client_ca});
    if (!usable) {
      const std::string& sentence = usable.error().detail;
      findings.push_back({.key = key_meant(tls, sentence), .sentence = sentence});
    }
  }
  check_dates(tls, now, findings);
  check_secrecy(tls.key, findings);
  return findings;
}

}  // namespace noforce::agent
