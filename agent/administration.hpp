// Administration on the machine itself: tokens, hold, audit, reload. The same requests are answered
// by the running agent on its local socket and, while none runs, by the command itself.
//
//   {"do":"token.create","name":"ci","role":"operator","services":[],"actions":[],"expires_s":2592000}
//   {"do":"token.list"}  {"do":"token.revoke","name":"ci"}
//   {"do":"hold.on","reason":"..."}  {"do":"hold.off"}  {"do":"hold.status"}
//   {"do":"audit.show","limit":100}  {"do":"audit.verify"}  {"do":"reload"}
//
//   {"ok":true,"result":...}  or  {"ok":false,"error":{"code":"malformed","detail":"..."}}
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "agent/state_dir.hpp"
#include "core/credentials.hpp"
#include "core/error.hpp"
#include "core/jobs.hpp"
#include "core/journal.hpp"

namespace noforce::agent {

struct AdministrationParts {
  Journal& journal;
  Credentials& credentials;
  Jobs* jobs = nullptr;  // null while no agent runs: a hold is then only written down
  // Takes up changed settings, in this name, and says what is new; empty while no agent runs.
  std::function<Result<std::string>(const std::string& by)> reload;
  std::function<void()> hold_released;  // empty: nothing waits for it
};

// One request line to its answer line, in the name of "local:<user>". Never throws.
[[nodiscard]] std::string administer(const AdministrationParts& parts, const std::string& user,
                                     std::string_view request);

// Asks the running agent, or does it here while holding the agent's lock when none runs; the
// `result`. not_found: no state directory; busy: an agent holds the lock and does not listen.
[[nodiscard]] Result<nlohmann::json> ask(const StateDir& state, const nlohmann::json& request);

}  // namespace noforce::agent
