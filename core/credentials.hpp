// Bearer tokens: made, kept as hashes in the journal, checked in memory.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/journal.hpp"
#include "core/principal.hpp"
#include "core/thread_safety.hpp"

namespace noforce {

struct NewToken {
  TokenRecord record;
  std::string secret;  // "nf_" + 43 characters of base64url (256 random bits); shown once
};

// Any thread.
class Credentials {
 public:
  Credentials(Journal& journal, const Clock& clock) : journal_(journal), clock_(clock) {}

  // Reads all tokens from the journal; once before the first check.
  [[nodiscard]] Result<void> load();
  // unauthorized when the secret is unknown, revoked or expired (the sentence tells them apart
  // only where the secret is right). The hash is looked up, never the secret compared.
  [[nodiscard]] Result<Principal> check(std::string_view secret) const;

  // malformed: the name is taken or not a name, or a glob or action is not one.
  [[nodiscard]] Result<NewToken> create(const std::string& name, Role role,
                                        std::vector<std::string> services,
                                        std::vector<std::string> actions,
                                        std::optional<WallTime> expires_at, const std::string& by);
  [[nodiscard]] Result<void> revoke(std::string_view name, const std::string& by);
  [[nodiscard]] std::vector<TokenRecord> list() const;

 private:
  Journal& journal_;
  const Clock& clock_;
  Mutex change_;  // held from the journal to the map, before mutex_: no change is lost to a load
  mutable SharedMutex mutex_;
  std::unordered_map<std::string, TokenRecord> by_hash_ NOFORCE_GUARDED_BY(mutex_);
};

}  // namespace noforce
