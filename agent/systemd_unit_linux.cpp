#include <algorithm>
#include <array>
#include <filesystem>
#include <utility>
#include <vector>

#include "agent/systemd_unit.hpp"
#include "core/digest.hpp"

namespace noforce::agent {
namespace {

constexpr std::string_view kFirstLine = "# Written by `noforce service install`, sha256:";
constexpr std::string_view kSecondLine =
    "# Changes belong into a drop-in (`systemctl edit`): a changed unit is not written anew.\n";
constexpr std::string_view kSystemsState = "/var/lib/";
constexpr std::size_t kLongestName = 80;
constexpr int kFirstPortForAll = 1024;

using Line = std::pair<std::string_view, std::string>;

bool is_below(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

bool is_below_any(const std::vector<std::string>& paths,
                  const std::vector<std::string_view>& directories) {
  return std::ranges::any_of(paths, [&](const std::string& path) {
    return std::ranges::any_of(directories,
                               [&](std::string_view one) { return is_below(path, one); });
  });
}

// One word of a unit's line (systemd.syntax(7)): quoted, specifiers and variables as plain text.
std::string word(std::string_view text, bool in_command) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    if (c == '%' || (c == '$' && in_command)) out += c;
    out += c;
  }
  return out + '"';
}

// The first word of a command knows no variables.
std::string command(const UnitParts& parts, std::string_view subcommand) {
  std::string line = word(parts.program, false) + " " + std::string(subcommand);
  if (!parts.settings.file.empty()) line += " --config " + word(parts.settings.file, true);
  return line;
}

bool is_reached_from_outside(const std::string& host) {
  return host != "localhost" && host != "::1" && !host.starts_with("127.");
}

// What the agent itself reads and writes.
std::vector<std::string> paths_of(const UnitParts& parts) {
  const config::Settings& settings = parts.settings;
  return {parts.program,         settings.file,    settings.server.state_dir,
          settings.log.file,     settings.tls.key, settings.tls.certificate,
          settings.tls.client_ca};
}

// Everything that can be forbidden to one that starts nothing.
std::vector<Line> hardening(const UnitParts& parts) {
  const config::Settings& settings = parts.settings;
  const std::string& state = settings.server.state_dir;
  std::vector<Line> lines;

  // Drop-ins, state and log are all that is written. "-": where one is missing it is for the agent to say
  // so, in better words than systemd has.
  const bool is_systems_state = !parts.for_user && state.starts_with(kSystemsState);
  if (is_systems_state) {
    lines.emplace_back("StateDirectory", word(state.substr(kSystemsState.size()), false));
    lines.emplace_back("StateDirectoryMode", "0700");
  } else {
    lines.emplace_back("ReadWritePaths", word("-" + state, false));
  }
  // A user's %t/systemd/user may not be there yet.
  lines.emplace_back("ReadWritePaths", parts.for_user ? "%t/systemd" : "/run/systemd/system");
  if (!settings.log.file.empty()) {
    const auto folder = std::filesystem::path(settings.log.file).parent_path().string();
    lines.emplace_back("ReadWritePaths", word("-" + folder, false));
  }
  const std::vector<std::string> paths = paths_of(parts);
  const bool at_home = parts.for_user || is_below_any(paths, {"/home", "/root", "/run/user"});
  const bool in_tmp = is_below_any(paths, {"/tmp", "/var/tmp"});
  lines.emplace_back("ProtectSystem", "strict");
  lines.emplace_back("ProtectHome", at_home ? "read-only" : "yes");
  lines.emplace_back("PrivateTmp", in_tmp ? "no" : "yes");
  lines.emplace_back("PrivateMounts", "yes");
  lines.emplace_back("UMask", "0077");
  lines.emplace_back("KeyringMode", "private");

  lines.emplace_back("NoNewPrivileges", "yes");
  if (!parts.for_user) {
    // The manager's own socket asks for root's number and for no capability. These take capabilities
    // away, which a user's manager may not do.
    const int port = settings.server.port;
    lines.emplace_back("CapabilityBoundingSet",
                       port != 0 && port < kFirstPortForAll ? "CAP_NET_BIND_SERVICE" : "");
    lines.emplace_back("PrivateDevices", "yes");
    lines.emplace_back("ProtectClock", "yes");
    lines.emplace_back("ProtectKernelLogs", "yes");
    lines.emplace_back("ProtectKernelModules", "yes");
  }
  lines.emplace_back("ProtectKernelTunables", "yes");
  lines.emplace_back("ProtectControlGroups", "yes");
  lines.emplace_back("ProtectHostname", "yes");
  lines.emplace_back("ProtectProc", "invisible");
  lines.emplace_back("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6");
  lines.emplace_back("RestrictNamespaces", "yes");
  lines.emplace_back("RestrictRealtime", "yes");
  lines.emplace_back("RestrictSUIDSGID", "yes");
  lines.emplace_back("LockPersonality", "yes");
  lines.emplace_back("MemoryDenyWriteExecute", "yes");
  lines.emplace_back("SystemCallArchitectures", "native");
  lines.emplace_back("SystemCallFilter", "@system-service");
  lines.emplace_back("SystemCallFilter", "~@privileged @resources");
  // An answer and not the agent's end.
  lines.emplace_back("SystemCallErrorNumber", "EPERM");
  return lines;
}

// What passes to no child, but counts for all that the unit holds.
std::vector<Line> around_services() {
  return {// A service that the kernel ends for its memory is no reason to end the agent.
          {"OOMPolicy", "continue"},
          // The services are counted as well.
          {"TasksMax", "infinity"}};
}

std::vector<Line> life(const UnitParts& parts) {
  return {
      {"Type", "notify"},
      {"NotifyAccess", "main"},
      {"ExecStart", command(parts, "serve")},
      {"ExecReload", command(parts, "reload")},
      {"Restart", "always"},
      {"RestartSec", "5s"},
      // A large journal is read first.
      {"TimeoutStartSec", "5min"},
      // Asked for again and again while services stop.
      {"TimeoutStopSec", "2min"},
      // Longer than anything that the agent may wait for: systemd may take 120 s to read its files.
      {"WatchdogSec", "5min"},
      // An agent that hangs is ended by SIGABRT, and it alone: neither the keeper nor services, nor hooks.
      {"TimeoutStopFailureMode", "abort"},
      {"KillMode", "process"},
      {"SendSIGKILL", "no"},
  };
}

void add_section(std::string& out, std::string_view name, const std::vector<Line>& lines) {
  out += "\n[" + std::string(name) + "]\n";
  for (const auto& [key, value] : lines)
    out += std::string(key) + "=" + value + "\n";
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

}  // namespace

std::string systemd_unit(const UnitParts& parts) {
  std::vector<Line> unit{{"Description", "noforce: graceful service restarts"}};
  // Units stop in the reverse of this order, and a face of another user asks over the bus to the end.
  if (!parts.for_user) unit.emplace_back("After", "dbus.service");
  // The services that it stops when the machine goes down write to these to the end.
  if (!parts.for_user && parts.settings.scm.backend == config::Backend::supervisor) {
    unit.emplace_back("After", "network.target remote-fs.target");
  }
  // An address that is not there yet cannot be listened on. A user's manager has no such target.
  if (!parts.for_user && is_reached_from_outside(parts.settings.server.host)) {
    unit.emplace_back("Wants", "network-online.target");
    unit.emplace_back("After", "network-online.target");
  }
  unit.emplace_back("StartLimitIntervalSec", "0");

  std::vector<Line> service = life(parts);
  const std::vector<Line> more =
      config::starts_programs(parts.settings) ? around_services() : hardening(parts);
  service.insert(service.end(), more.begin(), more.end());

  std::string text(kSecondLine);
  add_section(text, "Unit", unit);
  add_section(text, "Service", service);
  add_section(text, "Install",
              {{"WantedBy", parts.for_user ? "default.target" : "multi-user.target"}});
  return std::string(kFirstLine) + sha256_hex(text) + "\n" + text;
}

bool is_written_by_us(std::string_view unit) {
  if (!unit.starts_with(kFirstLine)) return false;
  const std::size_t end = unit.find('\n');
  if (end == std::string_view::npos) return false;
  return unit.substr(kFirstLine.size(), end - kFirstLine.size()) ==
         sha256_hex(unit.substr(end + 1));
}

bool is_service_name(std::string_view name) {
  return !name.empty() && name.size() <= kLongestName && is_plain(name.front()) &&
         std::ranges::all_of(name, [](char c) { return is_plain(c) || c == '-' || c == '.'; });
}

}  // namespace noforce::agent
