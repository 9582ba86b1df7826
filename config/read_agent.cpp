#include "config/read_agent.hpp"

#include <filesystem>
#include <string>
#include <string_view>
#include <system_error>

#include "config/machine.hpp"
#include "config/names.hpp"
#include "config/values.hpp"
#include "core/text.hpp"

namespace noforce::config {
namespace {

class AgentReader {
 public:
  AgentReader(const toml::table& root, MachineChecks checks, Settings& settings, Report& report)
      : root_(root), checks_(checks), settings_(settings), report_(report) {
    std::error_code ignored;
    directory_ = std::filesystem::absolute(settings.file, ignored).parent_path();
  }

  void run() {
    server();
    tls();
    limits();
    log();
  }

 private:
  [[nodiscard]] std::string from_here(const std::string& path) const {
    if (path.empty()) return path;
    return (directory_ / path).lexically_normal().string();
  }

  void server() {
    const auto* table = root_["server"].as_table();
    if (table == nullptr) return;
    ServerSettings& server = settings_.server;
    if (const auto* listen = (*table)["listen"].as_string()) {
      const auto parts = split_host_port(**listen);
      if (parts && (is_numeric_address(parts->host) || parts->host == "localhost")) {
        server.host = parts->host == "localhost" ? "127.0.0.1" : parts->host;
        server.port = parts->port;
      } else {
        report_.at(*listen,
                   "'listen' has to be ADDRESS:PORT, like \"127.0.0.1:8443\" or "
                   "\"[::]:8443\", not " +
                       shown(**listen));
      }
    }
    read(*table, "state_dir", server.state_dir);
    check_absolute(place_of(*table, "state_dir"), "state_dir", server.state_dir, report_);
    own_user(*table);
    read(*table, "names", server.names);
    for (std::size_t i = 0; i < server.names.size(); ++i) {
      const std::string& name = server.names[i];
      const bool fits = !name.empty() && name.size() <= 253 &&
                        name.find_first_of("/ :@") == std::string::npos &&
                        !has_control_characters(name);
      if (fits || is_numeric_address(name)) continue;
      report_.at(
          element_of(*table, "names", i),
          "'names' holds host names without scheme or port, and " + shown(name) + " is none");
    }
  }

  // The agent's own user, and what that brings with it.
  void own_user(const toml::table& table) {
    ServerSettings& server = settings_.server;
    read(table, "user", server.user);
    read(table, "keeper_dir", server.keeper_dir);
    if (server.user.empty()) {
      if (server.keeper_dir.empty()) return;
      report_.at(place_of(table, "keeper_dir"),
                 "'keeper_dir' counts with 'user' only: without one all is in 'state_dir'");
      return;
    }
    if (server.keeper_dir.empty()) server.keeper_dir = server.state_dir + "-keeper";
    check_absolute(place_of(table, "keeper_dir"), "keeper_dir", server.keeper_dir, report_);
    const auto inner = std::filesystem::path(server.keeper_dir).lexically_normal().string() + "/";
    const auto outer = std::filesystem::path(server.state_dir).lexically_normal().string() + "/";
    if (inner.starts_with(outer)) {
      report_.at(place_of(table, "keeper_dir"),
                 "'keeper_dir' has to be outside of 'state_dir', which is the user's own");
    }
    if (checks_ == MachineChecks::no) return;
    const auto user = find_user(server.user);
    if (!user) report_.at(place_of(table, "user"), clean_text(user.error().detail, 300));
  }

  void tls() {
    const auto* table = root_["tls"].as_table();
    if (table == nullptr) return;
    TlsSettings& tls = settings_.tls;
    read(*table, "certificate", tls.certificate);
    read(*table, "key", tls.key);
    read(*table, "client_ca", tls.client_ca);
    if (tls.certificate.empty() != tls.key.empty()) {
      report_.at(place_of(*table, tls.key.empty() ? "certificate" : "key"),
                 "'certificate' and 'key' belong together: give both, or none for those that "
                 "`noforce init` made");
    }
    tls.certificate = from_here(tls.certificate);
    tls.key = from_here(tls.key);
    tls.client_ca = from_here(tls.client_ca);
    if (tls.client_ca == from_here(settings_.server.state_dir + "/tls/ca.pem")) {
      report_.at(place_of(*table, "client_ca"),
                 "'client_ca' cannot be the agent's own CA, which signs servers only: make one for "
                 "clients");
    }
  }

  void limits() {
    const auto* table = root_["limits"].as_table();
    if (table == nullptr) return;
    LimitSettings& limits = settings_.limits;
    read(*table, "connections", limits.connections);
    read(*table, "connections_per_address", limits.connections_per_address);
    read(*table, "streams", limits.streams);
    read(*table, "streams_per_address", limits.streams_per_address);
    // Said where it was written; beside a default that is smaller the smaller one simply counts.
    not_beyond(*table, "connections_per_address", "connections");
    not_beyond(*table, "streams", "connections");
    not_beyond(*table, "streams_per_address", "streams");
  }

  void not_beyond(const toml::table& table, std::string_view part, std::string_view whole) {
    const auto* small = table[part].as_integer();
    const auto* large = table[whole].as_integer();
    if (small == nullptr || large == nullptr || **small <= **large) return;
    report_.at(*small, "'" + std::string(part) + "' cannot be more than '" + std::string(whole) +
                           "', which is " + std::to_string(**large));
  }

  void log() {
    const auto* table = root_["log"].as_table();
    if (table == nullptr) return;
    read<LogLevel>(*table, "level", settings_.log.level,
                   {{"debug", LogLevel::debug},
                    {"info", LogLevel::info},
                    {"warning", LogLevel::warning},
                    {"error", LogLevel::error}});
    read(*table, "file", settings_.log.file);
    settings_.log.file = from_here(settings_.log.file);
  }

  const toml::table& root_;
  const MachineChecks checks_;
  Settings& settings_;
  Report& report_;
  std::filesystem::path directory_;
};

}  // namespace

void read_agent(const toml::table& root, MachineChecks checks, Settings& settings, Report& report) {
  AgentReader(root, checks, settings, report).run();
}

}  // namespace noforce::config
