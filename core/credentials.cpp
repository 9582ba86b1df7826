#include "core/credentials.hpp"

#include <algorithm>
#include <utility>

#include "core/digest.hpp"
#include "core/plan.hpp"
#include "core/text.hpp"

namespace noforce {
namespace {

constexpr std::string_view secret_prefix = "nf_";
constexpr std::size_t secret_bytes = 32;
// Longer than any secret: not worth a hash.
constexpr std::size_t longest_secret = 256;
constexpr std::size_t longest_name = 64;
constexpr std::size_t longest_glob = 256;

bool is_token_name(std::string_view name) {
  constexpr std::string_view allowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
  return !name.empty() && name.size() <= longest_name &&
         name.find_first_not_of(allowed) == std::string_view::npos;
}

Result<void> check_new(const std::string& name, Role role, const std::vector<std::string>& services,
                       const std::vector<std::string>& actions,
                       const std::optional<WallTime>& expires_at, WallTime now) {
  if (!is_token_name(name)) {
    return fail(ErrorKind::malformed,
                "a token's name is 1 to 64 letters, digits, '.', '_' or '-'; '" +
                    clean_text(name, 80) + "' is not");
  }
  if (role == Role::admin && (!services.empty() || !actions.empty())) {
    return fail(ErrorKind::malformed,
                "an admin's token covers the whole machine (audit, hold) and cannot be narrowed; "
                "narrow an operator's or a viewer's");
  }
  for (const std::string& glob : services) {
    if (glob.empty() || glob.size() > longest_glob || clean_text(glob, longest_glob) != glob) {
      return fail(ErrorKind::malformed, "'" + clean_text(glob, 80) +
                                            "' is no pattern for services; use names with * and ?");
    }
  }
  for (const std::string& action : actions) {
    if (!action_from(action)) {
      return fail(ErrorKind::malformed,
                  "'" + clean_text(action, 80) +
                      "' is no action; there are stop, start, restart, reload, pause, continue");
    }
  }
  if (expires_at && *expires_at <= now) {
    return fail(ErrorKind::malformed, "the token would expire at " + to_rfc3339(*expires_at) +
                                          ", which is over; give a time to come");
  }
  return {};
}

AuditEntry entry_for(const char* event, const std::string& by, std::string detail) {
  return {.principal = by,
          .address = "local",
          .event = event,
          .outcome = "ok",
          .job = {},
          .services = {},
          .detail = std::move(detail)};
}

}  // namespace

Result<void> Credentials::load() {
  const MutexLock one_at_a_time(change_);
  auto tokens = journal_.tokens();
  if (!tokens) return std::unexpected(tokens.error());
  std::unordered_map<std::string, TokenRecord> by_hash;
  for (TokenRecord& token : *tokens) {
    std::string hash = token.hash;
    by_hash.emplace(std::move(hash), std::move(token));
  }
  const ExclusiveLock lock(mutex_);
  by_hash_ = std::move(by_hash);
  return {};
}

Result<Principal> Credentials::check(std::string_view secret) const {
  const auto unknown = [] {
    return fail(ErrorKind::unauthorized,
                "this token is not known here; check that it is complete and of this agent");
  };
  if (!secret.starts_with(secret_prefix) || secret.size() > longest_secret) return unknown();
  const std::string hash = sha256_hex(secret);
  const SharedLock lock(mutex_);
  const auto found = by_hash_.find(hash);
  if (found == by_hash_.end()) return unknown();
  const TokenRecord& token = found->second;
  if (token.revoked_at) {
    return fail(ErrorKind::unauthorized, "the token '" + token.name + "' was revoked at " +
                                             to_rfc3339(*token.revoked_at) + "; ask for a new one");
  }
  if (token.expires_at && *token.expires_at <= clock_.wall()) {
    return fail(ErrorKind::unauthorized, "the token '" + token.name + "' expired at " +
                                             to_rfc3339(*token.expires_at) + "; ask for a new one");
  }
  return Principal{.name = "token:" + token.name,
                   .role = token.role,
                   .services = token.services,
                   .actions = token.actions};
}

Result<NewToken> Credentials::create(const std::string& name, Role role,
                                     std::vector<std::string> services,
                                     std::vector<std::string> actions,
                                     std::optional<WallTime> expires_at, const std::string& by) {
  const MutexLock one_at_a_time(change_);
  const WallTime now = clock_.wall();
  if (auto good = check_new(name, role, services, actions, expires_at, now); !good) {
    return std::unexpected(good.error());
  }
  NewToken made;
  made.secret = std::string(secret_prefix) + to_base64url(random_bytes(secret_bytes));
  made.record.name = name;
  made.record.hash = sha256_hex(made.secret);
  made.record.role = role;
  made.record.services = std::move(services);
  made.record.actions = std::move(actions);
  made.record.created_at = now;
  made.record.expires_at = expires_at;
  std::string detail = name + ", " + std::string(to_string(role));
  if (!made.record.services.empty()) detail += ", only " + list_names(made.record.services);
  if (expires_at) detail += ", until " + to_rfc3339(*expires_at);
  auto kept =
      journal_.add_token(made.record, entry_for("token.created", by, clean_text(detail, 500)));
  if (!kept) return std::unexpected(kept.error());
  const ExclusiveLock lock(mutex_);
  by_hash_.emplace(made.record.hash, made.record);
  return made;
}

Result<void> Credentials::revoke(std::string_view name, const std::string& by) {
  const MutexLock one_at_a_time(change_);
  auto done =
      journal_.revoke_token(name, entry_for("token.revoked", by, clean_text(name, longest_name)));
  if (!done) return done;
  const ExclusiveLock lock(mutex_);
  for (auto& [hash, token] : by_hash_) {
    if (token.name == name) token.revoked_at = clock_.wall();
  }
  return {};
}

std::vector<TokenRecord> Credentials::list() const {
  std::vector<TokenRecord> all;
  {
    const SharedLock lock(mutex_);
    all.reserve(by_hash_.size());
    for (const auto& [hash, token] : by_hash_)
      all.push_back(token);
  }
  std::ranges::sort(all, {}, &TokenRecord::name);
  return all;
}

}  // namespace noforce
