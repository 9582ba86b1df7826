// What is wrong with the files that [tls] names, as the server will use them.
#pragma once

#include <string>
#include <vector>

#include "config/settings.hpp"
#include "core/clock.hpp"

namespace noforce::agent {

struct TlsFinding {
  std::string key;  // of [tls]: "certificate", "key", "client_ca"
  std::string sentence;
  // False: the agent serves all the same, or nobody can tell from here. An expired certificate is a
  // mistake that an agent serves with, too: it is better reached with a warning than not at all.
  bool is_mistake = true;
};

// Empty where the settings name no files. A key that others can read is a warning: secrets that a
// container is given (mode 0644) are like that, and nobody else is in there.
[[nodiscard]] std::vector<TlsFinding> check_tls(const config::TlsSettings& tls, WallTime now);

}  // namespace noforce::agent
