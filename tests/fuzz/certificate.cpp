// A certificate from a file: PEM, or, so that an input need not be base64, the DER in it.
#include <string>

#include <openssl/err.h>

#include "agent/certificates.hpp"
#include "core/text.hpp"
#include "tests/fuzz/support/fuzz.hpp"
#include "tests/fuzz/support/pem.hpp"

namespace noforce::fuzz {
namespace {

void fuzz_certificate(std::string_view input) {
  const auto facts = agent::read_certificate(pem_of(input));
  expect(::ERR_peek_error() == 0, "no error is left for the next who asks OpenSSL");
  if (!facts) return expect(!facts.error().detail.empty(), "what cannot be read is told why");
  for (const std::string& name : facts->names)
    expect(clean_text(name, name.size()) == name, "a certificate's name moves no cursor", name);
  expect(from_rfc3339(to_rfc3339(facts->not_after)) == facts->not_after,
         "the end of a certificate is a time");
}

const Registration registered("certificate", fuzz_certificate);

}  // namespace
}  // namespace noforce::fuzz
