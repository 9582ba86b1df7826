#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "agent/commands.hpp"
#include "agent/platform_commands.hpp"
#include "agent/unit_installation.hpp"

namespace noforce::agent {
namespace {

constexpr const char* default_unit = "noforce";

UnitOrder order(const PlatformWords& words) {
  return {.name = words.service.empty() ? default_unit : words.service,
          .config = words.config,
          .for_user = words.for_user};
}

}  // namespace

void add_platform_commands(CLI::App& app, CLI::App&, PlatformWords& words,
                           std::function<int()>& chosen) {
  CLI::App* service = app.add_subcommand("service", "The agent as a unit of systemd's");
  service->require_subcommand(1);
  const auto add = [&words, service](const char* name, const char* what) {
    CLI::App* command = service->add_subcommand(name, what);
    command->add_option("--name", words.service, "The unit's name (default: noforce)");
    command->add_flag("--user", words.for_user, "Of this user's manager, not of the system's");
    return command;
  };
  CLI::App* in = add("install", "Writes a unit for this executable, where it is; starts nothing");
  in->add_option("--config", words.config,
                 "Settings file (default: " + default_settings() + "); checked first");
  in->callback([&words, &chosen] { chosen = [&words] { return install_unit(order(words)); }; });
  add("uninstall", "Takes the stopped unit away; state and settings stay")
      ->callback([&words, &chosen] { chosen = [&words] { return uninstall_unit(order(words)); }; });
}

}  // namespace noforce::agent
