#include "tests/fuzz/support/pem.hpp"

#include <openssl/evp.h>

namespace noforce::fuzz {

std::string pem_of(std::string_view input) {
  if (input.starts_with("-----BEGIN")) return std::string(input);
  std::string encoded(4 * ((input.size() + 2) / 3) + 1, '\0');
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): OpenSSL's bytes
  const int length = ::EVP_EncodeBlock(
      reinterpret_cast<unsigned char*>(encoded.data()),
      // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
      reinterpret_cast<const unsigned char*>(input.data()), static_cast<int>(input.size()));
  encoded.resize(static_cast<std::size_t>(length));
  std::string pem = "-----BEGIN CERTIFICATE-----\n";
  for (std::size_t at = 0; at < encoded.size(); at += 64)
    pem += encoded.substr(at, 64) + "\n";
  return pem + "-----END CERTIFICATE-----\n";
}

}  // namespace noforce::fuzz
