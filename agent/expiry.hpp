// What ends soon: certificates and tokens, in sentences for /v1/agent and for the log. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/journal.hpp"
#include "core/principal.hpp"

namespace noforce::agent {

inline constexpr auto certificate_warning = std::chrono::days(21);
inline constexpr auto token_warning = std::chrono::days(7);

struct Expiries {
  std::optional<WallTime> server;     // the certificate that is served
  bool server_is_ours = true;         // made by `init`, so `cert renew` makes the next one
  std::optional<WallTime> client_ca;  // the first of its CAs and CRLs
  std::vector<TokenRecord> tokens;
};

// The agent's certificates are everybody's business, a client's is its own. Tokens are an admin's, and the
// owner's. What was made for no longer than its warning is meant to end, and nobody is told.
[[nodiscard]] std::vector<std::string> ends_soon(const Expiries& expiries, const Principal& caller,
                                                 WallTime now);

}  // namespace noforce::agent
