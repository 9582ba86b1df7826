// `init`: everything that an agent needs before its first start, made once and never overwritten;
// and `cert renew`, for when the server's certificate nears its end.

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "agent/administration.hpp"
#include "agent/certificates.hpp"
#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "agent/files.hpp"
#include "agent/local_socket.hpp"
#include "agent/lock.hpp"
#include "agent/process.hpp"
#include "core/credentials.hpp"
#include "core/digest.hpp"

namespace noforce::agent {
namespace {

constexpr int admin_token_days = 30;
constexpr unsigned secret_mode = 0600;
constexpr unsigned open_mode = 0644;

void said_made(const std::string& path, const std::string& what) {
  (void)std::printf("made  %s  %s\n", path.c_str(), what.c_str());
}

void said_kept(const std::string& path, const std::string& what) {
  (void)std::printf("kept  %s  %s\n", path.c_str(), what.c_str());
}

std::string until(WallTime time) {
  return "until " + to_rfc3339(time).substr(0, 10);
}

// A pair of files is there as a whole, or not at all.
Result<bool> is_pair_there(const std::string& certificate, const std::string& key) {
  const bool has_certificate = exists(certificate);
  const bool has_key = exists(key);
  if (has_certificate == has_key) return has_key;
  const std::string& there = has_certificate ? certificate : key;
  const std::string& missing = has_certificate ? key : certificate;
  return fail(ErrorKind::not_found, there + " is there, but " + missing +
                                        " is not; put that back, or move the other away and run "
                                        "`noforce init` again");
}

Result<KeyPair> read_pair(const std::string& certificate, const std::string& key) {
  auto certificate_pem = read_small_file(certificate);
  if (!certificate_pem) return std::unexpected(certificate_pem.error());
  auto key_pem = read_small_file(key);
  if (!key_pem) return std::unexpected(key_pem.error());
  return KeyPair{.certificate = std::move(*certificate_pem), .key = std::move(*key_pem)};
}

// The key first: a certificate is never there without it.
Result<void> write_pair(const KeyPair& pair, const std::string& certificate,
                        const std::string& key) {
  if (auto written = write_new_file(key, pair.key, secret_mode); !written) return written;
  return write_new_file(certificate, pair.certificate, open_mode);
}

std::vector<std::string> certificate_names(const std::vector<std::string>& hosts,
                                           const config::Settings& settings) {
  std::vector<std::string> names = hosts;
  const auto add = [&names](const std::string& name) {
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  };
  for (const std::string& name : settings.server.names)
    add(name);
  const std::string& listening = settings.server.host;
  if (listening != "0.0.0.0" && listening != "::") add(listening);
  for (const std::string& name : names_of_this_machine())
    add(name);
  return names;
}

Result<void> make_certificates(const StateDir& state, const std::vector<std::string>& names) {
  const WallTime now = system_clock().wall();
  if (auto made = prepare_private_directory(state.tls()); !made) return made;

  const auto has_server = is_pair_there(state.server_certificate(), state.server_key());
  if (!has_server) return std::unexpected(has_server.error());
  if (*has_server) {
    const auto pem = read_small_file(state.server_certificate());
    if (!pem) return std::unexpected(pem.error());
    const auto facts = read_certificate(*pem);
    if (!facts) return std::unexpected(facts.error());
    said_kept(state.server_certificate(), "server certificate, " + until(facts->not_after));
    return {};
  }

  const auto has_ca = is_pair_there(state.ca_certificate(), state.ca_key());
  if (!has_ca) return std::unexpected(has_ca.error());
  if (!*has_ca) {
    auto ca = make_ca(names_of_this_machine().front(), now);
    if (!ca) return std::unexpected(ca.error());
    const Wiped ca_key(ca->key);
    if (auto written = write_pair(*ca, state.ca_certificate(), state.ca_key()); !written) {
      return written;
    }
    said_made(state.ca_certificate(), "private CA, for ten years");
  } else {
    said_kept(state.ca_certificate(), "private CA");
  }

  auto ca = read_pair(state.ca_certificate(), state.ca_key());
  if (!ca) return std::unexpected(ca.error());
  const Wiped ca_key(ca->key);
  auto server = make_server_certificate(*ca, names, now);
  if (!server) return std::unexpected(server.error());
  const Wiped server_key(server->key);
  if (auto written = write_pair(*server, state.server_certificate(), state.server_key());
      !written) {
    return written;
  }
  std::string list;
  for (const std::string& name : names)
    list += (list.empty() ? "" : ", ") + name;
  said_made(state.server_certificate(), "server certificate for " + list);
  return {};
}

Result<void> write_admin_header(const StateDir& state, const std::string& secret) {
  std::string header = "Authorization: Bearer " + secret + "\n";
  const Wiped wiped(header);
  return replace_file(state.admin_header(), header, secret_mode);
}

Result<void> keep_admin_token(const StateDir& state, const Credentials& credentials) {
  auto content = read_small_file(state.admin_token());
  if (!content) return std::unexpected(content.error());
  const Wiped wiped_content(*content);
  std::string secret = content->substr(0, content->find('\n'));
  const Wiped wiped_secret(secret);
  const auto owner = credentials.check(secret);
  said_kept(state.admin_token(),
            owner ? "admin token" : "admin token, of no use any more: " + owner.error().detail);
  if (!owner) {
    (void)std::printf("      make another one: noforce token create NAME --role admin\n");
  }
  if (exists(state.admin_header())) return {};
  if (auto written = write_admin_header(state, secret); !written) return written;
  said_made(state.admin_header(), "the same as a header, for curl -H @FILE");
  return {};
}

Result<void> make_admin_token(const StateDir& state) {
  const auto journal = Journal::open(state.journal());
  if (!journal) return std::unexpected(journal.error());
  Credentials credentials(**journal, system_clock());
  if (auto loaded = credentials.load(); !loaded) return loaded;
  if (exists(state.admin_token())) return keep_admin_token(state, credentials);

  // A name is never used twice, also not that of a token which was revoked.
  std::string name = "admin";
  const auto taken = credentials.list();
  for (int n = 2; std::ranges::find(taken, name, &TokenRecord::name) != taken.end(); ++n) {
    name = "admin-" + std::to_string(n);
  }
  const WallTime end = system_clock().wall() + std::chrono::days(admin_token_days);
  auto made = credentials.create(name, Role::admin, {}, {}, end, "local:" + this_user());
  if (!made) return std::unexpected(made.error());
  const Wiped wiped_secret(made->secret);
  std::string content = made->secret + "\n# noforce token '" + name + "' (admin), expires " +
                        to_rfc3339(end) +
                        "; for the first login: make narrower ones with `noforce token "
                        "create`, then revoke this one\n";
  const Wiped wiped_content(content);
  if (auto written = write_new_file(state.admin_token(), content, secret_mode); !written) {
    return written;
  }
  if (auto written = write_admin_header(state, made->secret); !written) return written;
  said_made(state.admin_token(), "admin token, " + until(end));
  said_made(state.admin_header(), "the same as a header, for curl -H @FILE");
  return {};
}

// The host by which curl on this machine reaches the agent.
std::string own_address(const StateDir& state, const config::Settings& settings) {
  const std::string& host = settings.server.host;
  if (settings.server.port == 0) return "$(cat " + state.address() + ")";
  std::string shown = host == "0.0.0.0" ? "127.0.0.1" : host == "::" ? "::1" : host;
  if (shown.find(':') != std::string::npos) shown = "[" + shown + "]";
  return shown + ":" + std::to_string(settings.server.port);
}

void say_what_next(const StateDir& state, const InitOptions& options,
                   const config::Settings& settings) {
  const bool own_ca = settings.tls.certificate.empty();
  const bool by_default = settings.server.state_dir == state.path();
  const std::string config =
      options.where.config.empty() ? "" : " --config " + options.where.config;
  (void)std::printf("\n");
  if (by_default) {
    (void)std::printf("Start the agent:\n  noforce serve%s\n", config.c_str());
  } else {
    (void)std::printf(
        "Write a settings file with `state_dir = \"%s\"` in [server], then:\n"
        "  noforce serve --config FILE\n",
        state.path().c_str());
  }
  (void)std::printf("Ask it from a second terminal:\n  curl%s%s -H @%s https://%s/v1/services\n",
                    own_ca ? " --cacert " : "", own_ca ? state.ca_certificate().c_str() : "",
                    state.admin_header().c_str(), own_address(state, settings).c_str());
}

Result<void> make_everything(const InitOptions& options) {
  const auto settings = read_settings(options.where.config);
  if (!settings) return std::unexpected(settings.error());
  const auto state = find_state_dir(options.where);
  if (!state) return std::unexpected(state.error());
  if (auto made = prepare_private_directory(state->path()); !made) return made;
  const auto lock = Lock::take(state->lock());
  if (!lock) {
    if (lock.error().kind != ErrorKind::busy) return std::unexpected(lock.error());
    return fail(ErrorKind::busy, lock.error().detail +
                                     "; `noforce init` works only while none runs (for a new "
                                     "certificate: `noforce cert renew`, for a token: `noforce "
                                     "token create`)");
  }
  if (settings->tls.certificate.empty()) {
    auto made = make_certificates(*state, certificate_names(options.hosts, *settings));
    if (!made) return made;
  } else {
    said_kept(settings->tls.certificate, "server certificate that the settings name");
  }
  if (auto made = make_admin_token(*state); !made) return made;
  say_what_next(*state, options, *settings);
  return {};
}

Result<void> renew(const InitOptions& options) {
  const auto settings = read_settings(options.where.config);
  if (!settings) return std::unexpected(settings.error());
  const auto state = find_state_dir(options.where);
  if (!state) return std::unexpected(state.error());
  // Root does not write where another user could have put a link.
  if (exists(state->path())) {
    if (auto own = prepare_private_directory(state->path()); !own) return own;
  }
  if (!settings->tls.certificate.empty()) {
    return fail(ErrorKind::already_done,
                "the agent serves " + settings->tls.certificate +
                    ", as the settings say in [tls]; renew it where it comes from, then `noforce "
                    "reload`");
  }
  auto ca = read_pair(state->ca_certificate(), state->ca_key());
  if (!ca) {
    return fail(ca.error().kind,
                ca.error().detail + "; `cert renew` needs the CA that `noforce init` made");
  }
  const Wiped ca_key(ca->key);
  auto old = read_pair(state->server_certificate(), state->server_key());
  std::string none;
  const Wiped old_key(old ? old->key : none);
  std::vector<std::string> names = certificate_names(options.hosts, *settings);
  if (old && options.hosts.empty()) {
    const auto facts = read_certificate(old->certificate);
    if (facts && !facts->names.empty()) names = facts->names;
  }
  // The key stays, so that one atomic write is enough and no moment has halves of two pairs.
  auto made =
      make_server_certificate(*ca, names, system_clock().wall(), old ? old->key : std::string());
  if (!made) return std::unexpected(made.error());
  const Wiped made_key(made->key);
  if (!old) {
    if (auto written = replace_file(state->server_key(), made->key, secret_mode); !written) {
      return written;
    }
  }
  auto written = replace_file(state->server_certificate(), made->certificate, open_mode);
  if (!written) return written;
  const auto facts = read_certificate(made->certificate);
  said_made(state->server_certificate(),
            "server certificate" + (facts ? ", " + until(facts->not_after) : std::string()));

  const auto reloaded = ask_local(state->socket(), R"({"do":"reload"})");
  if (!reloaded && reloaded.error().kind == ErrorKind::not_found) {
    (void)std::printf("No agent runs; the next `noforce serve` uses it.\n");
    return {};
  }
  if (!reloaded) return std::unexpected(reloaded.error());
  const auto answer = nlohmann::json::parse(*reloaded, nullptr, false);
  if (!answer.is_object() || answer["ok"] != true) {
    const auto error = answer.is_object() ? answer.value("error", nlohmann::json::object())
                                          : nlohmann::json::object();
    return fail(ErrorKind::internal,
                "the certificate is renewed, but the running agent refused to take it up (" +
                    error.value("detail", "it does not say why") +
                    "); mend that, then `noforce reload`");
  }
  (void)std::printf("The running agent has taken it up.\n");
  return {};
}

}  // namespace

int init(const InitOptions& options) {
  keep_memory_private();
  const auto made = make_everything(options);
  return made ? exit_ok : report(made.error());
}

int cert_renew(const InitOptions& options) {
  keep_memory_private();
  const auto renewed = renew(options);
  return renewed ? exit_ok : report(renewed.error());
}

}  // namespace noforce::agent
