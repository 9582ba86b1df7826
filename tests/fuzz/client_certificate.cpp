// What a client shows in the handshake, in PEM or, so that an input need not be base64, in DER; and
// the names by which a certificate may be listed: an input that is one line is taken for such a name.
#include "api/server/client_certificate.hpp"

#include <string>

#include <openssl/err.h>

#include "core/clients.hpp"
#include "core/text.hpp"
#include "tests/fuzz/support/fuzz.hpp"
#include "tests/fuzz/support/pem.hpp"

namespace noforce::fuzz {
namespace {

void check_name(std::string_view text) {
  const auto name = client_name(text);
  if (!name) return;
  expect(!name->empty() && name->size() <= longest_client_name, "a name is bounded", *name);
  expect(clean_text(*name, name->size()) == *name, "a name moves no cursor", *name);
  if (name->starts_with("dns:"))
    expect(name->find('*') == std::string::npos, "a host's name is no pattern", *name);
  if (const auto authority = name->find("://"); authority != std::string::npos) {
    const auto end = name->find_first_of("/?#", authority + 3);
    const std::string host = name->substr(authority, end - authority);
    const bool is_uri = name->starts_with("uri:") && name->find(':', 4) == authority;
    expect(!is_uri || host.find('*') == std::string::npos, "a URI's host is no pattern", *name);
  }
  expect(client_name(*name) == name, "a name has one spelling", *name);
}

void check_certificate(std::string_view input) {
  const auto shown = api::client_certificate_from(pem_of(input));
  expect(::ERR_peek_error() == 0, "no error is left for the next who asks OpenSSL");
  if (!shown) return expect(shown.error().detail.size() > 10, "what cannot be read is told why");
  const api::ClientCertificate& certificate = **shown;
  expect(certificate.names.size() <= api::most_client_names, "the names are bounded");
  for (const std::string& name : certificate.names)
    expect(client_name(name) == name, "a certificate's names are spelled as those listed", name);
  expect(clean_text(certificate.trouble, 1000) == certificate.trouble, "trouble moves no cursor",
         certificate.trouble);
  // Nobody that is not listed is somebody.
  expect(!principal_among({}, certificate.names), "an empty list names nobody");
}

void fuzz_client_certificate(std::string_view input) {
  if (input.size() < 300 && input.find('\n') == std::string_view::npos) check_name(input);
  check_certificate(input);
}

const Registration registered("client_certificate", fuzz_client_certificate);

}  // namespace
}  // namespace noforce::fuzz
