#include "config/read_scm.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include "config/values.hpp"

namespace noforce::config {
namespace {

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

std::string_view name_of(Backend backend) {
  return std::ranges::find(backend_names, backend, &std::pair<Backend, std::string_view>::first)
      ->second;
}

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

void scm(const toml::table& root, ScmSettings& settings, Report& report) {
  const auto* table = root["scm"].as_table();
  if (table == nullptr) return;
  read<Backend>(*table, "backend", settings.backend,
                {{"supervisor", Backend::supervisor},
                 {"systemd", Backend::systemd},
                 {"windows", Backend::windows}});
  read<ServiceManager>(*table, "manager", settings.manager,
                       {{"system", ServiceManager::system}, {"user", ServiceManager::user}});
  read(*table, "types", settings.types);
  read(*table, "disarm", settings.disarm);
  if (!is_built(settings.backend)) {
    report.at(place_of(*table, "backend"), "this build has no backend " +
                                               shown(name_of(settings.backend)) + "; it has " +
                                               built_backends());
  }
  for (std::size_t i = 0; i < settings.types.size(); ++i) {
    if (std::ranges::find(unit_types, settings.types[i]) != unit_types.end()) continue;
    report.at(element_of(*table, "types", i),
              "'types' holds service, socket, timer, path and target, and " +
                  shown(settings.types[i]) + " is none of them");
  }
  if (settings.types.empty()) {
    report.at(place_of(*table, "types"), "'types' names at least one type of units");
  }
}

void on_exit(const toml::table& root, OnExit& into) {
  const auto* table = root["supervisor"].as_table();
  if (table == nullptr) return;
  read<OnExit>(*table, "on_exit", into, {{"leave", OnExit::leave}, {"stop", OnExit::stop}});
}

// What only the supervisor can do, beside a service manager with a life of its own.
void supervisor_only(const toml::table& root, const Settings& settings, Report& report) {
  if (settings.scm.backend == Backend::supervisor) return;
  if (const auto* services = root["service"].as_array();
      services != nullptr && !services->empty()) {
    report.at(*services->get(0),
              "[[service]] is for the backend 'supervisor'; with another one the services are "
              "those of its own service manager, which needs nothing said about them here");
  }
  if (const auto* table = root["supervisor"].as_table();
      table != nullptr && settings.on_exit == OnExit::stop) {
    report.at(place_of(*table, "on_exit"),
              "'on_exit' is for the backend 'supervisor'; the services of another one are not "
              "stopped with the agent");
  }
  // On Windows there is none at all (find_user).
  if (const auto* table = root["server"].as_table(); table != nullptr &&
                                                     !settings.server.user.empty() &&
                                                     settings.scm.backend == Backend::systemd) {
    report.at(place_of(*table, "user"),
              "'user' is for the backend 'supervisor'; with another one start the agent as the "
              "user that it is to be");
  }
}

}  // namespace

void read_scm(const toml::table& root, Settings& settings, Report& report) {
  scm(root, settings.scm, report);
  on_exit(root, settings.on_exit);
  supervisor_only(root, settings, report);
}

std::string canonical_name(const ScmSettings& scm, std::string service) {
  if (scm.backend != Backend::systemd) return service;
  const std::size_t dot = service.rfind('.');
  const std::string_view type =
      dot == std::string::npos ? "" : std::string_view(service).substr(dot + 1);
  const bool typed = std::ranges::find(unit_types, type) != unit_types.end();
  return typed ? service : service + ".service";
}

}  // namespace noforce::config
