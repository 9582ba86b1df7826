// The private CA and the server's certificate that `init` makes: EC P-256, PEM.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"

namespace noforce::agent {

inline constexpr int ca_days = 3650;
inline constexpr int server_days = 397;  // what browsers accept at most

struct KeyPair {
  std::string certificate;  // PEM
  std::string key;          // PEM, PKCS #8, not encrypted
};

// May sign servers only (path length 0), for ca_days from now. `host` is for people: it goes into
// the subject.
[[nodiscard]] Result<KeyPair> make_ca(const std::string& host, WallTime now);

// For these names ("agent.example.org", "127.0.0.1", "::1"), signed by the CA, for server_days, on
// `key` (PEM), or on a new one where that is empty. malformed when a name is neither a host name
// nor an address.
[[nodiscard]] Result<KeyPair> make_server_certificate(const KeyPair& ca,
                                                      const std::vector<std::string>& names,
                                                      WallTime now, const std::string& key = {});

struct CertificateFacts {
  std::vector<std::string> names;  // DNS names and addresses of the SAN
  WallTime not_after{};
};

// Of the first certificate in a PEM text.
[[nodiscard]] Result<CertificateFacts> read_certificate(const std::string& pem);

// What this machine is called, for a certificate that names nobody else.
[[nodiscard]] std::vector<std::string> names_of_this_machine();

}  // namespace noforce::agent
