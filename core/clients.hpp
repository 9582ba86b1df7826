// Clients that are known by a certificate: the names by which a certificate may be listed, and who
// its owner is. Knows no TLS: whether a certificate is good is decided before these are asked.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/principal.hpp"

namespace noforce {

// One name of a client certificate (a [[client]] of the settings) and what its owner may do.
struct Client {
  std::string san;  // "dns:ci.example.org", "uri:...", "email:...", "ip:..."; normalised
  Role role = Role::viewer;
  std::vector<std::string> services;  // globs; empty: all
  std::vector<std::string> actions;   // empty: all that the role allows

  bool operator==(const Client&) const = default;
};

inline constexpr std::size_t longest_client_name = 255;

// The one spelling of a subject alternative name (RFC 5280, 7.2 to 7.5): host names, the host of an
// address and of a URI in lower case without a final dot, IP addresses as inet_ntop writes them.
// nullopt: no such kind, not a name of its kind, too long, or with anything but printable ASCII.
// Names with a wildcard are none: a certificate is somebody, not a pattern.
[[nodiscard]] std::optional<std::string> client_name(std::string_view text);

// Who carries these names (each as client_name() writes it). unauthorized with a sentence: none is
// listed, or several that may do different things. Of several that may do the same, the one that
// is listed first is the principal's name.
[[nodiscard]] Result<Principal> principal_among(const std::vector<Client>& clients,
                                                const std::vector<std::string>& names);

}  // namespace noforce
