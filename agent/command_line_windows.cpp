#include <cstdio>
#include <filesystem>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "agent/files.hpp"
#include "agent/platform_commands.hpp"
#include "agent/process.hpp"
#include "agent/windows_service.hpp"
#include "core/trusted_program.hpp"
#include "core/windows_security.hpp"

namespace noforce::agent {
namespace {

constexpr const char* default_service = "noforce";

int say(const Result<void>& done, const std::string& sentence) {
  if (!done) {
    const int status = report(done.error());
    const bool conflict =
        done.error().kind == ErrorKind::already_done || done.error().kind == ErrorKind::not_found;
    return conflict ? exit_refused : status;
  }
  (void)std::printf("%s\n", sentence.c_str());
  return exit_ok;
}

std::string name_of(const PlatformWords& words) {
  return words.service.empty() ? default_service : words.service;
}

int refuse_install(const std::string& why, const char* what_to_do) {
  return report({.kind = ErrorKind::access_denied,
                 .detail = "the service would have the system's rights, and " + why + what_to_do});
}

// What the service will run and read is judged as it will judge it: an administrator trusts nobody else
// than SYSTEM does (user_to_trust).
int install(const PlatformWords& words) {
  if (!has_administrators_rights()) {
    return refuse_install("only an administrator may give them",
                          "; do this in a console that was started as administrator");
  }
  if (const auto trusted = check_trusted_program(this_executable()); !trusted) {
    return refuse_install(trusted.error().detail,
                          ". Put noforce.exe into a directory of its own below C:\\Program Files");
  }
  // The SCM starts it in a directory of its own.
  std::error_code ignored;
  const std::string config =
      words.config.empty()
          ? ""
          : std::filesystem::absolute(words.config, ignored).lexically_normal().string();
  const auto settings = read_settings(config);
  if (!settings) return report(settings.error());
  if (const auto trusted = check_trusted_file(settings->file);
      !trusted && !settings->file.empty()) {
    return refuse_install(trusted.error().detail,
                          ". Put the settings into the state directory, or where only "
                          "administrators may write");
  }
  const std::string& state = settings->server.state_dir;
  if (exists(state)) {
    if (const auto good = prepare_private_directory(state); !good) return report(good.error());
  }
  const std::string name = name_of(words);
  return say(install_service({.name = name, .config = config}),
             "the service " + name +
                 " is installed and starts with Windows; now: noforce service "
                 "start");
}

}  // namespace

void add_platform_commands(CLI::App& app, CLI::App& serve, PlatformWords& words,
                           std::function<int()>& chosen) {
  serve.add_option("--service", words.service, "Being this Windows service; for the SCM alone")
      ->group("");

  CLI::App* service = app.add_subcommand("service", "The agent as a Windows service");
  service->require_subcommand(1);
  const auto add = [&words, service](const char* name, const char* what) {
    CLI::App* command = service->add_subcommand(name, what);
    command->add_option("--name", words.service, "The service's name (default: noforce)");
    return command;
  };
  CLI::App* in = add("install", "Registers this noforce.exe, where it is, to start with Windows");
  in->add_option("--config", words.config,
                 "Settings file (default: " + default_settings() + ", if it exists)");
  in->callback([&words, &chosen] { chosen = [&words] { return install(words); }; });
  add("uninstall", "Takes the stopped service away; state and settings stay")
      ->callback([&words, &chosen] {
        chosen = [&words] {
          return say(uninstall_service(name_of(words)),
                     "the service " + name_of(words) + " is taken away");
        };
      });
  add("start", "Starts it, and waits until it serves")->callback([&words, &chosen] {
    chosen = [&words] {
      return say(start_service(name_of(words)), "the service " + name_of(words) + " runs");
    };
  });
}

}  // namespace noforce::agent
