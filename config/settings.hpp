// The settings as the program uses them. Every default stands here, in config/schema.cpp (which
// says what each key means) and in the sample config/noforce.toml; tests/config holds the three
// together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "core/clients.hpp"
#include "core/log.hpp"
#include "core/policy.hpp"
#include "core/principal.hpp"
#include "core/scm/supervisor/spec.hpp"

namespace noforce::config {

enum class Backend : std::uint8_t { supervisor, systemd, windows };
enum class ServiceManager : std::uint8_t { system, user };  // systemd only

// Of this platform: config/platform.hpp.
[[nodiscard]] std::string default_state_dir();
[[nodiscard]] Backend default_backend();

struct ServerSettings {
  std::string host = "127.0.0.1";  // numeric address, or "localhost"
  std::uint16_t port = 8443;       // 0: a free one
  std::string state_dir = default_state_dir();
  std::vector<std::string> names;  // accepted in `Host` besides the certificate's own
  std::string user;                // the agent's, a name or a number; empty: whoever starts it
  std::string keeper_dir;          // with `user`, never empty: the keeper's part of the state

  bool operator==(const ServerSettings&) const = default;
};

// Paths are absolute here; the file may give them relative to itself. Empty: what `init` made.
struct TlsSettings {
  std::string certificate;
  std::string key;
  std::string client_ca;  // empty: no client certificates are asked for

  bool operator==(const TlsSettings&) const = default;
};

struct ScmSettings {
  Backend backend = default_backend();
  ServiceManager manager = ServiceManager::system;
  std::vector<std::string> types = {"service"};  // systemd only: of units that are listed
  bool disarm = true;  // systemd only: units may get a drop-in for as long as they stop

  bool operator==(const ScmSettings&) const = default;
};

// What becomes of the supervised services when the agent is told to end.
enum class OnExit : std::uint8_t { leave, stop };

// How much of the agent all clients together, and one address, may take up. What is beyond that is
// refused; the oldest idle connection gives way first. api::ServerLimits has the others.
struct LimitSettings {
  std::size_t connections = 4096;
  std::size_t connections_per_address = 2048;
  std::size_t streams = 512;  // event streams; each is a connection, too
  std::size_t streams_per_address = 256;

  bool operator==(const LimitSettings&) const = default;
};

struct LogSettings {
  LogLevel level = LogLevel::info;
  std::string file;  // absolute; empty: standard error

  bool operator==(const LogSettings&) const = default;
};

struct Settings {
  std::string file;  // where they come from; empty: the defaults
  ServerSettings server;
  TlsSettings tls;
  std::vector<Client> clients;  // in the file's order
  ScmSettings scm;
  LimitSettings limits;
  OnExit on_exit = OnExit::leave;
  LogSettings log;
  std::vector<supervisor::ServiceSpec> services;  // in the file's order
  Policies policies;                              // [policy], [[group]] and [jobs]

  bool operator==(const Settings&) const = default;
};

[[nodiscard]] bool runs_hooks(const Settings& settings);
// Whether the agent runs programs of others, services or hooks, which inherit whatever it is forbidden.
[[nodiscard]] bool starts_programs(const Settings& settings);

}  // namespace noforce::config
