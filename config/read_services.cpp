#include "config/read_services.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <string_view>
#include <utility>

#include "config/limits.hpp"
#include "config/machine.hpp"
#include "config/names.hpp"
#include "config/platform.hpp"
#include "config/signals.hpp"
#include "config/values.hpp"
#include "core/graph.hpp"
#include "core/text.hpp"

namespace noforce::config {
namespace {

// What the supervisor itself puts into a service's environment.
constexpr auto reserved_variables = std::to_array<std::string_view>({"NOTIFY_SOCKET"});

class ServiceReader {
 public:
  ServiceReader(MachineChecks checks, Report& report) : checks_(checks), report_(report) {}

  std::vector<supervisor::ServiceSpec> run(const toml::table& root) {
    for_each_table(root, "service", [this](const toml::table& table) { service(table); });
    dependencies();
    return std::move(services_);
  }

 private:
  // argv: empty only where the key is missing or says so.
  void command(const toml::table& table, std::string_view key, std::vector<std::string>& into) {
    read(table, key, into);
    if (!into.empty()) check_absolute(element_of(table, key, 0), key, into.front(), report_);
  }

  void service(const toml::table& table) {
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
    services_.push_back(std::move(spec));
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
      check_absolute(place_of(table, "directory"), "directory", spec.directory, report_);
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

  void dependencies() {
    const std::vector<std::string> names = service_names(services_);
    std::vector<Graph::Node> nodes;
    for (const supervisor::ServiceSpec& spec : services_) {
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

  const MachineChecks checks_;
  Report& report_;
  std::vector<supervisor::ServiceSpec> services_;
  std::map<std::string, const toml::table*> tables_;  // by name
};

}  // namespace

std::vector<supervisor::ServiceSpec> read_services(const toml::table& root, MachineChecks checks,
                                                   Report& report) {
  return ServiceReader(checks, report).run(root);
}

std::vector<std::string> service_names(const std::vector<supervisor::ServiceSpec>& services) {
  std::vector<std::string> names;
  names.reserve(services.size());
  for (const supervisor::ServiceSpec& spec : services)
    names.push_back(spec.name);
  return names;
}

}  // namespace noforce::config
