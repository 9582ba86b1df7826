// The subcommands: each takes what the command line said and returns the exit status.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agent/state_dir.hpp"
#include "config/load.hpp"
#include "config/platform.hpp"
#include "config/settings.hpp"
#include "core/error.hpp"

namespace noforce::agent {

// Read when no --config is given, if it exists.
[[nodiscard]] inline std::string default_settings() {
  return config::default_settings_file();
}

// Which agent is meant: --state-dir, else that of the settings.
struct Where {
  std::string config;
  std::string state_dir;
};

struct ServeOptions {
  std::string config;
  std::string version;
  std::string service;  // the Windows service that this process is; empty: none
};
int serve(const ServeOptions& options);

struct InitOptions {
  Where where;
  std::vector<std::string> hosts;
};
int init(const InitOptions& options);

int check_config(const std::string& file);

struct NewTokenOptions {
  Where where;
  std::string name;
  std::string role;
  std::vector<std::string> services;
  std::vector<std::string> actions;
  std::optional<std::int64_t> expires_s;  // unset: never
};
int token_create(const NewTokenOptions& options);
int token_list(const Where& where);
int token_revoke(const Where& where, const std::string& name);

int cert_renew(const InitOptions& options);

int hold_on(const Where& where, const std::string& reason);
int hold_off(const Where& where);
int hold_status(const Where& where);

int audit_show(const Where& where, std::size_t limit);
int audit_verify(const Where& where);

// A copy of the journal in a new file, whether or not an agent runs.
int backup(const Where& where, const std::string& file);

int reload(const Where& where);

// Hidden: what the supervisor backend starts. Sets up nothing that needs TLS or a log. `face`: the
// number of the agent's user where that is not the keeper's own; empty: it is.
int keeper(const std::string& state_dir, const std::string& face);

// Shared -----------------------------------------------------------------------------------------

// Says on standard error what went wrong; the exit status that belongs to it.
int report(const Error& error);

// Of the file that was named, of default_settings if it exists, or the defaults. malformed: every
// mistake, a line each.
[[nodiscard]] Result<config::Settings> read_settings(
    const std::string& file, config::MachineChecks checks = config::MachineChecks::yes);
[[nodiscard]] Result<StateDir> find_state_dir(const Where& where);

// "90s", "15m", "12h", "30d", "8w" in seconds; nullopt for anything else.
[[nodiscard]] std::optional<std::int64_t> parse_duration(const std::string& text);

}  // namespace noforce::agent
