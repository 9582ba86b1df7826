#include <cstdio>
#include <string>

#include <nlohmann/json.hpp>

#include "agent/administration.hpp"
#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "core/digest.hpp"

namespace noforce::agent {
namespace {

using nlohmann::json;

std::string joined(const json& texts, const std::string& none) {
  std::string out;
  for (const json& text : texts)
    out += (out.empty() ? "" : ",") + text.get<std::string>();
  return out.empty() ? none : out;
}

std::string state_of(const json& token) {
  if (token["revoked_at"].is_string()) {
    return "revoked " + token["revoked_at"].get<std::string>();
  }
  if (token["expires_at"].is_null()) return "never expires";
  const std::string at = token["expires_at"].get<std::string>();
  const auto time = from_rfc3339(at);
  const bool over = time && *time <= system_clock().wall();
  return (over ? "expired " : "expires ") + at;
}

// A name that is taken, or that nobody has, is a conflict and no failure.
int refused(const Error& error) {
  const int status = report(error);
  const bool conflict = error.kind == ErrorKind::malformed || error.kind == ErrorKind::not_found;
  return conflict ? exit_refused : status;
}

}  // namespace

int token_create(const NewTokenOptions& options) {
  const auto state = find_state_dir(options.where);
  if (!state) return report(state.error());
  auto made =
      ask(*state, {{"do", "token.create"},
                   {"name", options.name},
                   {"role", options.role},
                   {"services", options.services},
                   {"actions", options.actions},
                   {"expires_s", options.expires_s ? json(*options.expires_s) : json(nullptr)}});
  if (!made) return refused(made.error());
  // The secret alone goes to standard output, so that it can be piped to where it belongs.
  (void)std::fprintf(stderr,
                     "token '%s' (%s, %s); its secret is shown this once, on standard output\n",
                     options.name.c_str(), options.role.c_str(), state_of(*made).c_str());
  auto& secret = (*made)["secret"].get_ref<std::string&>();
  const Wiped wiped(secret);
  (void)std::printf("%s\n", secret.c_str());
  return exit_ok;
}

int token_list(const Where& where) {
  const auto state = find_state_dir(where);
  if (!state) return report(state.error());
  const auto tokens = ask(*state, {{"do", "token.list"}});
  if (!tokens) return report(tokens.error());
  for (const json& token : *tokens) {
    (void)std::printf(
        "%s role=%s services=%s actions=%s %s\n", token["name"].get<std::string>().c_str(),
        token["role"].get<std::string>().c_str(), joined(token["services"], "all").c_str(),
        joined(token["actions"], "all").c_str(), state_of(token).c_str());
  }
  return exit_ok;
}

int token_revoke(const Where& where, const std::string& name) {
  const auto state = find_state_dir(where);
  if (!state) return report(state.error());
  const auto revoked = ask(*state, {{"do", "token.revoke"}, {"name", name}});
  if (!revoked) return refused(revoked.error());
  (void)std::printf("token '%s' is revoked\n", name.c_str());
  return exit_ok;
}

}  // namespace noforce::agent
