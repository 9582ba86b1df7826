// A certificate from a file: PEM, or, so that an input need not be base64, the DER in it.
#include <string>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "agent/certificates.hpp"
#include "core/text.hpp"
#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {
namespace {

std::string pem_around(std::string_view der) {
  std::string encoded(4 * ((der.size() + 2) / 3) + 1, '\0');
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's bytes
  const int length = ::EVP_EncodeBlock(
      reinterpret_cast<unsigned char*>(encoded.data()),
      // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
      reinterpret_cast<const unsigned char*>(der.data()), static_cast<int>(der.size()));
  encoded.resize(static_cast<std::size_t>(length));
  std::string pem = "-----BEGIN CERTIFICATE-----\n";
  for (std::size_t at = 0; at < encoded.size(); at += 64)
    pem += encoded.substr(at, 64) + "\n";
  return pem + "-----END CERTIFICATE-----\n";
}

void fuzz_certificate(std::string_view input) {
  const bool is_pem = input.starts_with("-----BEGIN");
  const auto facts = agent::read_certificate(is_pem ? std::string(input) : pem_around(input));
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
