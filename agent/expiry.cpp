#include "agent/expiry.hpp"

namespace noforce::agent {
namespace {

// "ends at ..." or "ended at ..."
std::string ends_at(WallTime end, WallTime now) {
  return (end > now ? " ends at " : " ended at ") + to_rfc3339(end);
}

bool is_due(const TokenRecord& token, WallTime now) {
  return token.expires_at && !token.revoked_at && *token.expires_at > now &&
         *token.expires_at - now < token_warning &&
         *token.expires_at - token.created_at > token_warning;
}

bool is_due(const Principal::Validity& certificate, WallTime now) {
  return certificate.until - now < certificate_warning &&
         certificate.until - certificate.from > certificate_warning;
}

}  // namespace

std::vector<std::string> ends_soon(const Expiries& expiries, const Principal& caller,
                                   WallTime now) {
  std::vector<std::string> sentences;
  if (expiries.server && *expiries.server - now < certificate_warning) {
    sentences.push_back("the server's certificate" + ends_at(*expiries.server, now) +
                        (expiries.server_is_ours
                             ? ": `noforce cert renew` on the agent's machine makes the next one"
                             : ": renew it where it comes from, then `noforce reload`"));
  }
  if (expiries.client_ca && *expiries.client_ca - now < certificate_warning) {
    sentences.push_back("a CA of client certificates, or a CRL beside it," +
                        ends_at(*expiries.client_ca, now) +
                        ": put the next one into the file of [tls] client_ca, then `noforce "
                        "reload`");
  }
  if (caller.certificate && is_due(*caller.certificate, now)) {
    sentences.push_back("the certificate of '" + caller.name + "' that was shown" +
                        ends_at(caller.certificate->until, now) +
                        ": have whoever made it make the next one");
  }
  for (const TokenRecord& token : expiries.tokens) {
    const bool concerns = caller.has(Role::admin) || caller.name == "token:" + token.name;
    if (!concerns || !is_due(token, now)) continue;
    sentences.push_back("the token '" + token.name + "'" + ends_at(*token.expires_at, now) +
                        ": `noforce token create` makes another one");
  }
  return sentences;
}

}  // namespace noforce::agent
