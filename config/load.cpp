#include "config/load.hpp"

#include <algorithm>
#include <array>
#include <filesystem>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "config/limits.hpp"
#include "config/machine.hpp"
#include "config/names.hpp"
#include "config/platform.hpp"
#include "config/report.hpp"
#include "config/shape.hpp"
#include "config/signals.hpp"
#include "config/toml.hpp"
#include "core/clients.hpp"
#include "core/graph.hpp"
#include "core/plan.hpp"
#include "core/text.hpp"
#include "core/trusted_program.hpp"

namespace noforce::config {
namespace {

// Reading values whose shape may be wrong: then it was reported, and the default is kept -----------

void read(const toml::table& table, std::string_view key, std::string& into) {
  if (const auto* text = table[key].as_string()) into = **text;
}

void read(const toml::table& table, std::string_view key, bool& into) {
  if (const auto* value = table[key].as_boolean()) into = **value;
}

void read(const toml::table& table, std::string_view key, std::size_t& into) {
  const auto* value = table[key].as_integer();
  if (value != nullptr && **value >= 0) into = static_cast<std::size_t>(**value);
}

void read(const toml::table& table, std::string_view key, Seconds& into) {
  if (const auto* value = table[key].as_integer()) into = Seconds(**value);
}

std::vector<std::string> strings(const toml::array& list) {
  std::vector<std::string> all;
  for (const toml::node& element : list) {
    if (const auto* text = element.as_string()) all.push_back(**text);
  }
  return all;
}

void read(const toml::table& table, std::string_view key, std::vector<std::string>& into) {
  if (const auto* list = table[key].as_array()) into = strings(*list);
}

template <typename Choice>
void read(const toml::table& table, std::string_view key, Choice& into,
          std::initializer_list<std::pair<std::string_view, Choice>> choices) {
  const auto* text = table[key].as_string();
  if (text == nullptr) return;
  for (const auto& [name, choice] : choices) {
    if (**text == name) into = choice;
  }
}

// The node of a key, or the table itself where it is missing: a place for a mistake.
const toml::node& place_of(const toml::table& table, std::string_view key) {
  const toml::node* node = table.get(key);
  return node != nullptr ? *node : static_cast<const toml::node&>(table);
}

const toml::node& element_of(const toml::table& table, std::string_view key, std::size_t index) {
  const auto* list = table[key].as_array();
  if (list != nullptr && index < list->size()) return *list->get(index);
  return place_of(table, key);
}

// Chosen where core is built.
constexpr bool is_built(Backend backend) {
  return (backend == Backend::supervisor && NOFORCE_SCM_SUPERVISOR != 0) ||
         (backend == Backend::systemd && NOFORCE_SCM_SYSTEMD != 0) ||
         (backend == Backend::windows && NOFORCE_SCM_WINDOWS != 0);
}

constexpr auto backend_names =
    std::to_array<std::pair<Backend, std::string_view>>({{Backend::supervisor, "supervisor"},
                                                         {Backend::systemd, "systemd"},
                                                         {Backend::windows, "windows"}});

// Of systemd's units, those that may be listed.
constexpr auto unit_types =
    std::to_array<std::string_view>({"service", "socket", "timer", "path", "target"});

// "'supervisor' and 'systemd'"
std::string built_backends() {
  std::string out;
  for (const auto& [backend, name] : backend_names) {
    if (!is_built(backend)) continue;
    out += (out.empty() ? "" : " and ") + shown(name);
  }
  return out;
}

// What the supervisor itself puts into a service's environment.
constexpr auto reserved_variables = std::to_array<std::string_view>({"NOTIFY_SOCKET"});

// From the tables to the settings, with what the shape does not say --------------------------------

class Reader {
 public:
  Reader(const toml::table& root, const std::string& file, MachineChecks checks, Report& report)
      : root_(root), checks_(checks), report_(report) {
    std::error_code ignored;
    directory_ = std::filesystem::absolute(file, ignored).parent_path();
    settings_.file = file;
  }

  Settings run() {
    server();
    tls();
    limits();
    scm();
    on_exit();
    supervisor_only();
    jobs();
    log();
    each("client", [this](const toml::table& table) { client(table); });
    each("service", [this](const toml::table& table) { service(table); });
    dependencies();
    if (const auto* policies = root_["policy"].as_table()) {
      for (const auto& [name, node] : *policies) {
        if (const auto* table = node.as_table()) policy(name, *table);
      }
    }
    each("group", [this](const toml::table& table) { group(table); });
    std::ranges::sort(settings_.policies.groups, {}, &Group::name);
    return std::move(settings_);
  }

 private:
  template <typename Read>
  void each(std::string_view section, Read read_one) {
    const auto* list = root_[section].as_array();
    if (list == nullptr) return;
    for (const toml::node& element : *list) {
      if (const auto* table = element.as_table()) read_one(*table);
    }
  }

  [[nodiscard]] std::string from_here(const std::string& path) const {
    if (path.empty()) return path;
    return (directory_ / path).lexically_normal().string();
  }

  void absolute(const toml::node& place, std::string_view key, const std::string& path) {
    if (is_absolute_path(path)) return;
    report_.at(place, "'" + std::string(key) + "' needs an absolute path, and " + shown(path) +
                          " " + why_not_absolute());
  }

  // argv: empty only where the key is missing or says so.
  void command(const toml::table& table, std::string_view key, std::vector<std::string>& into) {
    read(table, key, into);
    if (!into.empty()) absolute(element_of(table, key, 0), key, into.front());
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
    absolute(place_of(*table, "state_dir"), "state_dir", server.state_dir);
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
    absolute(place_of(table, "keeper_dir"), "keeper_dir", server.keeper_dir);
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

  void scm() {
    const auto* table = root_["scm"].as_table();
    if (table == nullptr) return;
    read<Backend>(*table, "backend", settings_.scm.backend,
                  {{"supervisor", Backend::supervisor},
                   {"systemd", Backend::systemd},
                   {"windows", Backend::windows}});
    read<ServiceManager>(*table, "manager", settings_.scm.manager,
                         {{"system", ServiceManager::system}, {"user", ServiceManager::user}});
    read(*table, "types", settings_.scm.types);
    read(*table, "disarm", settings_.scm.disarm);
    if (!is_built(settings_.scm.backend)) {
      report_.at(place_of(*table, "backend"), "this build has no backend " +
                                                  shown(*(*table)["backend"].value<std::string>()) +
                                                  "; it has " + built_backends());
    }
    for (std::size_t i = 0; i < settings_.scm.types.size(); ++i) {
      if (std::ranges::find(unit_types, settings_.scm.types[i]) != unit_types.end()) continue;
      report_.at(element_of(*table, "types", i),
                 "'types' holds service, socket, timer, path and target, and " +
                     shown(settings_.scm.types[i]) + " is none of them");
    }
    if (settings_.scm.types.empty()) {
      report_.at(place_of(*table, "types"), "'types' names at least one type of units");
    }
  }

  // What only the supervisor can do, beside a service manager with a life of its own.
  void supervisor_only() {
    if (settings_.scm.backend == Backend::supervisor) return;
    if (const auto* services = root_["service"].as_array(); services != nullptr) {
      report_.at(*services->get(0),
                 "[[service]] is for the backend 'supervisor'; with another one the services are "
                 "those of its own service manager, which needs nothing said about them here");
    }
    if (const auto* table = root_["supervisor"].as_table();
        table != nullptr && settings_.on_exit == OnExit::stop) {
      report_.at(place_of(*table, "on_exit"),
                 "'on_exit' is for the backend 'supervisor'; the services of another one are not "
                 "stopped with the agent");
    }
    // On Windows there is none at all (find_user).
    if (const auto* table = root_["server"].as_table(); table != nullptr &&
                                                        !settings_.server.user.empty() &&
                                                        settings_.scm.backend == Backend::systemd) {
      report_.at(place_of(*table, "user"),
                 "'user' is for the backend 'supervisor'; with another one start the agent as the "
                 "user that it is to be");
    }
  }

  // As the backend writes it: "nginx" is "nginx.service" to systemd.
  [[nodiscard]] std::string canonical(std::string service) const {
    if (settings_.scm.backend != Backend::systemd) return service;
    const std::size_t dot = service.rfind('.');
    const std::string_view type =
        dot == std::string::npos ? "" : std::string_view(service).substr(dot + 1);
    const bool typed = std::ranges::find(unit_types, type) != unit_types.end();
    return typed ? service : service + ".service";
  }

  void on_exit() {
    const auto* table = root_["supervisor"].as_table();
    if (table == nullptr) return;
    read<OnExit>(*table, "on_exit", settings_.on_exit,
                 {{"leave", OnExit::leave}, {"stop", OnExit::stop}});
  }

  void jobs() {
    const auto* table = root_["jobs"].as_table();
    if (table == nullptr) return;
    JobDefaults& jobs = settings_.policies.jobs;
    read(*table, "deadline_s", jobs.deadline);
    read(*table, "no_progress_s", jobs.no_progress);
    read(*table, "queue_s", jobs.queue);
    read(*table, "max_wait_s", jobs.max_wait);
    if (const auto* days = (*table)["history_days"].as_integer()) {
      jobs.history_days = static_cast<int>(**days);
    }
    read(*table, "max_queued", jobs.max_queued);
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

  void client(const toml::table& table) {
    Client client;
    if (const auto* role = table["role"].as_string()) {
      client.role = role_from(**role).value_or(Role::viewer);
    }
    read(table, "services", client.services);
    read(table, "actions", client.actions);
    if (const auto* san = table["san"].as_string()) client.san = client_san(*san);
    for (std::size_t i = 0; i < client.services.size(); ++i) {
      constexpr std::size_t longest_glob = 256;
      const std::string& glob = client.services[i];
      if (!glob.empty() && glob.size() <= longest_glob && clean_text(glob, longest_glob) == glob) {
        continue;
      }
      report_.at(element_of(table, "services", i),
                 "'services' holds names of services, with * and ? for others, not " + shown(glob));
    }
    if (client.role == Role::admin && (!client.services.empty() || !client.actions.empty())) {
      report_.at(place_of(table, "role"),
                 "an admin covers the whole machine (audit, hold) and cannot be narrowed; narrow "
                 "an operator or a viewer");
    }
    for (std::size_t i = 0; i < client.actions.size(); ++i) {
      if (action_from(client.actions[i])) continue;
      static const std::vector<std::string> actions{"stop",   "start", "restart",
                                                    "reload", "pause", "continue"};
      report_.at(element_of(table, "actions", i), "'actions' holds " + joined(actions, " and ") +
                                                      ", not " + shown(client.actions[i]) +
                                                      hint(client.actions[i], actions));
    }
    if (settings_.tls.client_ca.empty()) {
      report_.at(table,
                 "[[client]] needs 'client_ca' in [tls]: without it no client is asked for "
                 "a certificate");
    }
    settings_.clients.push_back(std::move(client));
  }

  // Empty where it is none, which was then reported.
  std::string client_san(const toml::value<std::string>& san) {
    auto name = client_name(*san);
    if (!name) {
      report_.at(san,
                 "'san' is one name that a certificate carries, without patterns: \"dns:HOST\", "
                 "\"uri:URI\", \"email:ADDRESS\" or \"ip:ADDRESS\", and " +
                     shown(*san) + " is none");
      return {};
    }
    if (std::ranges::find(settings_.clients, *name, &Client::san) != settings_.clients.end()) {
      report_.at(san, "there is already a [[client]] " + shown(*name));
    }
    return std::move(*name);
  }

  void service(const toml::table& table) {
    if (settings_.scm.backend != Backend::supervisor) return;  // supervisor_only() says so
    supervisor::ServiceSpec spec;
    read(table, "name", spec.name);
    if (table["name"].is_string()) service_name(table, spec.name);
    read(table, "display_name", spec.display_name);
    spec.display_name = spec.display_name.empty() ? spec.name : clean_text(spec.display_name, 200);

    command(table, "command", spec.command);
    if (spec.command.empty() && table["command"].is_array()) {
      report_.at(place_of(table, "command"),
                 "'command' names at least the program, by its absolute path");
    }
    read(table, "depends_on", spec.depends_on);
    read<StartType>(table, "start", spec.start,
                    {{"auto", StartType::automatic},
                     {"manual", StartType::manual},
                     {"disabled", StartType::disabled}});
    read<supervisor::Readiness>(
        table, "type", spec.type,
        {{"simple", supervisor::Readiness::simple}, {"notify", supervisor::Readiness::notify}});
    read(table, "ready_tcp", spec.ready_tcp);
    if (!spec.ready_tcp.empty()) {
      const auto parts = split_host_port(spec.ready_tcp);
      if (!parts || parts->port == 0 || !is_numeric_address(parts->host)) {
        report_.at(place_of(table, "ready_tcp"),
                   "'ready_tcp' has to be ADDRESS:PORT with a numeric address, like "
                   "\"127.0.0.1:80\", not " +
                       shown(spec.ready_tcp));
      }
    }
    controls(table, spec);
    read<supervisor::RestartPolicy>(table, "restart", spec.restart,
                                    {{"no", supervisor::RestartPolicy::no},
                                     {"on-failure", supervisor::RestartPolicy::on_failure},
                                     {"always", supervisor::RestartPolicy::always}});
    surroundings(table, spec);
    tables_[spec.name] = &table;
    settings_.services.push_back(std::move(spec));
  }

  void service_name(const toml::table& table, const std::string& name) {
    const toml::node& place = place_of(table, "name");
    if (!is_name(name)) {
      report_.at(place, "a service's name is 1 to 80 of A-Z a-z 0-9 . _ @ -, and " + shown(name) +
                            " is not");
      return;
    }
    if (const auto first = tables_.find(name); first != tables_.end()) {
      report_.at(place, "there is already a [[service]] " + shown(name) + ", in line " +
                            std::to_string(place_of(*first->second, "name").source().begin.line));
    }
  }

  void signal(const toml::table& table, std::string_view key, int& into) {
    const auto* text = table[key].as_string();
    if (text == nullptr || (**text).empty()) return;
    if (const auto number = signal_number(**text)) {
      into = *number;
      return;
    }
    const std::string full = (**text).starts_with("SIG") ? **text : "SIG" + **text;
    report_.at(*text, "'" + std::string(key) + "' has to be a signal that a service can handle " +
                          "itself (" + joined(signal_names()) + "), not " + shown(**text) +
                          hint(full, signal_names()) +
                          "; noforce sends none that ends a process by force");
  }

  void controls(const toml::table& table, supervisor::ServiceSpec& spec) {
    signal(table, "stop_signal", spec.stop_signal);
    command(table, "stop_command", spec.stop_command);
    if (const auto* empty = table["stop_signal"].as_string();
        empty != nullptr && (**empty).empty() && spec.stop_command.empty()) {
      report_.at(*empty,
                 "'stop_signal' may be empty only beside a 'stop_command': a service must "
                 "be able to be asked");
    }
    signal(table, "reload_signal", spec.reload_signal);
    command(table, "reload_command", spec.reload_command);
    for (const std::string_view what : {"stop", "reload"}) {
      const std::string signal_key = std::string(what) + "_signal";
      const std::string command_key = std::string(what) + "_command";
      const auto* text = table[signal_key].as_string();
      const auto* argv = table[command_key].as_array();
      if (text != nullptr && !(**text).empty() && argv != nullptr && !argv->empty()) {
        report_.at(*argv, "'" + command_key + "' takes the place of '" + signal_key +
                              "': give one of the two");
      }
    }
  }

  void programs(const toml::table& table, const supervisor::ServiceSpec& spec) {
    program(table, "command", spec.command, spec.user);
    program(table, "stop_command", spec.stop_command, spec.user);
    program(table, "reload_command", spec.reload_command, spec.user);
  }

  void program(const toml::table& table, std::string_view key, const std::vector<std::string>& argv,
               const std::string& user) {
    if (argv.empty() || !is_absolute_path(argv.front())) return;
    if (const std::string why = why_not_program(argv.front(), user); !why.empty()) {
      report_.at(element_of(table, key, 0), clean_text(why, 400));
    }
  }

  void surroundings(const toml::table& table, supervisor::ServiceSpec& spec) {
    read(table, "user", spec.user);
    if (!spec.user.empty() && checks_ == MachineChecks::yes) {
      if (const std::string why = why_not_user(spec.user); !why.empty()) {
        report_.at(place_of(table, "user"), clean_text(why, 300));
      }
    }
    if (checks_ == MachineChecks::yes) programs(table, spec);
    read(table, "directory", spec.directory);
    if (!spec.directory.empty()) {
      absolute(place_of(table, "directory"), "directory", spec.directory);
    }
    if (const auto* variables = table["environment"].as_table()) {
      for (const auto& [name, node] : *variables)
        environment(name, node, spec);
    }
    if (const auto* limits = table["limits"].as_table()) {
      for (const auto& [name, node] : *limits)
        limit(name, node, spec);
    }
  }

  void environment(const toml::key& name, const toml::node& node, supervisor::ServiceSpec& spec) {
    const std::string_view variable = name.str();
    if (variable.empty() ||
        variable.find_first_of(std::string_view("=\0", 2)) != std::string_view::npos) {
      report_.at(name.source(), shown(variable) + " cannot be the name of a variable");
    } else if (std::ranges::find(reserved_variables, variable) != reserved_variables.end()) {
      report_.at(name.source(), "the supervisor sets " + shown(variable) + " itself");
    } else if (const auto* text = node.as_string()) {
      spec.environment.emplace_back(variable, **text);
    }
  }

  void limit(const toml::key& name, const toml::node& node, supervisor::ServiceSpec& spec) {
    const std::string key = lower_ascii(name.str());
    if (is_deadly_limit(key)) {
      report_.at(name.source(), "the limit " + shown(key) +
                                    " is refused: beyond it the kernel ends the process by force "
                                    "or takes its memory away; use a cgroup that throttles");
      return;
    }
    const std::string_view resource = limit_resource(key);
    if (resource.empty()) {
      const std::string near = hint(key, limit_names());
      report_.at(name.source(),
                 "unknown limit " + shown(name.str()) +
                     (near.empty() ? "; known are " + joined(limit_names(), " and ") : near));
      return;
    }
    if (const auto* number = node.as_integer(); number != nullptr && **number >= 0) {
      spec.limits.emplace_back(resource, static_cast<std::uint64_t>(**number));
    } else if (const auto* text = node.as_string(); text != nullptr && **text == "unlimited") {
      spec.limits.emplace_back(resource, std::numeric_limits<std::uint64_t>::max());
    } else {
      report_.at(node, "the limit " + shown(key) + " is a number from 0 on, or \"unlimited\"");
    }
  }

  [[nodiscard]] std::vector<std::string> service_names() const {
    std::vector<std::string> names;
    names.reserve(settings_.services.size());
    for (const supervisor::ServiceSpec& spec : settings_.services)
      names.push_back(spec.name);
    return names;
  }

  void dependencies() {
    const std::vector<std::string> names = service_names();
    std::vector<Graph::Node> nodes;
    for (const supervisor::ServiceSpec& spec : settings_.services) {
      const toml::table& table = *tables_[spec.name];
      for (std::size_t i = 0; i < spec.depends_on.size(); ++i) {
        if (tables_.contains(spec.depends_on[i])) continue;
        report_.at(element_of(table, "depends_on", i),
                   shown(spec.name) + " depends on " + shown(spec.depends_on[i]) +
                       ", and there is no such [[service]]" + hint(spec.depends_on[i], names));
      }
      nodes.push_back({.name = spec.name, .depends_on = spec.depends_on});
    }
    for (const Error& problem : Graph(std::move(nodes)).problems()) {
      if (problem.kind != ErrorKind::dependency_cycle) continue;
      const auto table = tables_.find(problem.service);
      if (table == tables_.end()) continue;
      report_.at(place_of(*table->second, "depends_on"), problem.detail);
    }
  }

  void policy(const toml::key& name, const toml::table& table) {
    const std::string service = canonical(std::string(name.str()));
    if (settings_.scm.backend == Backend::supervisor && !tables_.contains(service)) {
      report_.at(name.source(), "[policy." + shown(service) +
                                    "] is about a service that there is "
                                    "no [[service]] for" +
                                    hint(service, service_names()));
    }
    Policy policy;
    read(table, "protected", policy.is_protected);
    hooks(table, "before_stop", policy.before_stop);
    hooks(table, "after_start", policy.after_start);
    read(table, "hook_timeout_s", policy.hook_timeout);
    if (const auto* inner = table["verify"].as_table()) policy.verify = verify(*inner);
    read(table, "cooldown_s", policy.cooldown);
    settings_.policies.services.insert_or_assign(service, std::move(policy));
  }

  void hooks(const toml::table& table, std::string_view key, std::vector<HookCommand>& into) {
    const auto* list = table[key].as_array();
    if (list == nullptr) return;
    for (const toml::node& element : *list) {
      const auto* argv = element.as_array();
      if (argv == nullptr) continue;
      HookCommand hook = strings(*argv);
      if (hook.empty()) {
        report_.at(element, "a command of '" + std::string(key) +
                                "' names at least the program, by its absolute path");
        continue;
      }
      absolute(*argv->get(0), key, hook.front());
      if (checks_ == MachineChecks::yes && is_absolute_path(hook.front())) {
        if (const auto trusted = check_trusted_program(hook.front()); !trusted) {
          report_.at(*argv->get(0), clean_text(trusted.error().detail, 400));
        }
      }
      into.push_back(std::move(hook));
    }
  }

  Verify verify(const toml::table& table) {
    Verify verify;
    read(table, "http", verify.http);
    read(table, "tcp", verify.tcp);
    read(table, "within_s", verify.within);
    read(table, "hold_s", verify.hold);
    if (verify.http.empty() == verify.tcp.empty()) {
      report_.at(table, "'verify' has either 'http' or 'tcp'");
      return verify;
    }
    constexpr std::string_view scheme = "http://";
    if (!verify.http.empty() &&
        (!verify.http.starts_with(scheme) || verify.http.size() == scheme.size() ||
         verify.http.find_first_of(" @") != std::string::npos)) {
      report_.at(place_of(table, "http"),
                 "'http' has to be an http:// URL without credentials, "
                 "like \"http://127.0.0.1/health\", not " +
                     shown(verify.http));
    }
    if (!verify.tcp.empty()) {
      const auto parts = split_host_port(verify.tcp);
      if (!parts || parts->port == 0) {
        report_.at(place_of(table, "tcp"), "'tcp' has to be HOST:PORT, not " + shown(verify.tcp));
      }
    }
    return verify;
  }

  void group(const toml::table& table) {
    Group group;
    read(table, "name", group.name);
    read(table, "services", group.services);
    if (table["name"].is_string() && !is_name(group.name)) {
      report_.at(place_of(table, "name"), "a group's name is 1 to 80 of A-Z a-z 0-9 . _ @ -, and " +
                                              shown(group.name) + " is not");
    }
    if (std::ranges::find(settings_.policies.groups, group.name, &Group::name) !=
        settings_.policies.groups.end()) {
      report_.at(place_of(table, "name"), "there is already a [[group]] " + shown(group.name));
    }
    if (group.services.empty() && table["services"].is_array()) {
      report_.at(place_of(table, "services"), "a group has at least one member");
    }
    std::set<std::string> seen;
    for (std::size_t i = 0; i < group.services.size(); ++i) {
      std::string& member = group.services[i];
      member = canonical(std::move(member));
      const toml::node& place = element_of(table, "services", i);
      if (!seen.insert(member).second) {
        report_.at(place, shown(member) + " is in this group twice");
      } else if (settings_.scm.backend == Backend::supervisor && !tables_.contains(member)) {
        report_.at(place, "the group's member " + shown(member) + " is no [[service]]" +
                              hint(member, service_names()));
      }
    }
    settings_.policies.groups.push_back(std::move(group));
  }

  const toml::table& root_;
  const MachineChecks checks_;
  Report& report_;
  std::filesystem::path directory_;
  Settings settings_;
  std::map<std::string, const toml::table*> tables_;  // [[service]] by name
};

bool needs_trust(const Settings& settings) {
  return !settings.services.empty() || !settings.clients.empty() ||
         std::ranges::any_of(settings.policies.services, [](const auto& entry) {
           return !entry.second.before_stop.empty() || !entry.second.after_start.empty();
         });
}

Mistakes whole_file(const std::string& file, std::string sentence) {
  return {Mistake{.file = file, .sentence = std::move(sentence)}};
}

}  // namespace

std::string to_string(const Mistake& mistake) {
  std::string out = mistake.file;
  if (mistake.line > 0) {
    out += ":" + std::to_string(mistake.line) + ":" + std::to_string(mistake.column);
  }
  return out + ": " + mistake.sentence;
}

std::expected<Settings, Mistakes> parse(std::string_view text, const std::string& file,
                                        MachineChecks checks) {
  if (text.size() > largest_file) {
    return std::unexpected(
        whole_file(file, "is larger than " + std::to_string(largest_file) + " bytes"));
  }
  const toml::parse_result parsed = toml::parse(text, file);
  Report report(file);
  if (!parsed) {
    report.at(parsed.error().source(),
              "this is not TOML: " + clean_text(parsed.error().description(), 300));
    return std::unexpected(report.take());
  }
  check_shape(parsed.table(), report);
  Settings settings = Reader(parsed.table(), file, checks, report).run();
  if (!report.empty()) return std::unexpected(report.take());
  return settings;
}

std::expected<Settings, Mistakes> load(const std::string& file, MachineChecks checks) {
  const Result<FileContent> content = read_file(file, largest_file);
  if (!content) return std::unexpected(whole_file(file, content.error().detail));
  auto settings = parse(content->text, file, checks);
  if (settings && !content->distrust.empty() && needs_trust(*settings)) {
    return std::unexpected(
        whole_file(file,
                   "says which programs are run and who may do what, so only root and the agent's "
                   "user may be able to write it: " +
                       content->distrust));
  }
  return settings;
}

Mistake mistake_at(const std::string& file, std::string_view section, std::string_view key,
                   std::string sentence) {
  Report report(file);
  if (const Result<FileContent> content = read_file(file, largest_file)) {
    const toml::parse_result parsed = toml::parse(content->text, file);
    const toml::node* node = parsed ? parsed.table()[section][key].node() : nullptr;
    if (node != nullptr) {
      report.at(*node, std::move(sentence));
      return report.take().front();
    }
  }
  return {.file = file, .sentence = std::move(sentence)};
}

}  // namespace noforce::config
