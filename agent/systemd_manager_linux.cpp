#include <cstdlib>
#include <utility>

#include "agent/files.hpp"
#include "agent/systemd_manager.hpp"
#if NOFORCE_SCM_SYSTEMD
#include "core/scm/systemd/ask.hpp"
#include "core/scm/systemd/names.hpp"
#endif

namespace noforce::agent {
namespace {

// XDG_RUNTIME_DIR; empty: none that counts.
std::string runtime_dir() {
  const char* value = ::getenv("XDG_RUNTIME_DIR");
  return value != nullptr && *value == '/' ? value : "";
}

#if NOFORCE_SCM_SYSTEMD
constexpr Milliseconds kReload{120'000};
constexpr Milliseconds kState{5'000};

Result<systemd::Value::List> ask(Manager manager, systemd::Call call) {
  const auto scope = manager == Manager::user ? systemd::Scope::user : systemd::Scope::system;
  return systemd::ask(systemd::bus_wire(scope, runtime_dir()), std::move(call));
}

Result<std::string> text_of(Result<systemd::Value::List> said) {
  if (!said) return std::unexpected(said.error());
  return said->empty() ? std::string() : said->front().text();
}
#else
std::unexpected<Error> cannot_ask() {
  return fail(ErrorKind::scm_unavailable, "this build cannot ask systemd");
}
#endif

}  // namespace

Result<bool> manager_runs(Manager manager) {
  if (manager == Manager::system) return exists("/run/systemd/system");  // sd_booted(3)
  const std::string runtime = runtime_dir();
  if (!runtime.empty()) return exists(runtime + "/systemd/private");
  return fail(ErrorKind::scm_unavailable,
              "XDG_RUNTIME_DIR is not set, so the user's manager cannot be asked");
}

#if NOFORCE_SCM_SYSTEMD
Result<std::string> unit_property(Manager manager, const std::string& unit,
                                  const std::string& name) {
  return text_of(ask(manager, {.path = systemd::object_path(unit),
                               .interface = std::string(systemd::kPropertiesInterface),
                               .member = "Get",
                               .arguments = {"org.freedesktop.systemd1.Unit", name}}));
}

Result<std::string> manager_state(Manager manager) {
  return text_of(
      ask(manager, {.interface = std::string(systemd::kPropertiesInterface),
                    .member = "Get",
                    .arguments = {std::string(systemd::kManagerInterface), "SystemState"},
                    .patience = kState}));
}

Result<void> daemon_reload(Manager manager) {
  auto said = ask(manager, {.member = "Reload", .patience = kReload});
  if (!said) return std::unexpected(said.error());
  return {};
}
#else
Result<std::string> unit_property(Manager, const std::string&, const std::string&) {
  return cannot_ask();
}
Result<std::string> manager_state(Manager) {
  return cannot_ask();
}
Result<void> daemon_reload(Manager) {
  return cannot_ask();
}
#endif

}  // namespace noforce::agent
