#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "agent/files.hpp"
#include "agent/process.hpp"
#include "agent/systemd_manager.hpp"
#include "agent/systemd_unit.hpp"
#include "agent/unit_installation.hpp"
#include "core/trusted_program.hpp"

namespace noforce::agent {
namespace {

constexpr mode_t kReadable = 0644;
constexpr const char* kSystemsUnits = "/etc/systemd/system";

std::string variable(const char* name) {
  const char* value = ::getenv(name);
  return value != nullptr && *value == '/' ? value : "";
}

// Where the administrator's units are, or the user's own.
Result<std::string> units_folder(bool for_user) {
  if (!for_user) return kSystemsUnits;
  if (const std::string config = variable("XDG_CONFIG_HOME"); !config.empty()) {
    return config + "/systemd/user";
  }
  if (const std::string home = variable("HOME"); !home.empty())
    return home + "/.config/systemd/user";
  return fail(ErrorKind::not_found,
              "neither XDG_CONFIG_HOME nor HOME says where the user's units are");
}

std::string file_name(const UnitOrder& order) {
  return order.name + ".service";
}

std::string systemctl(const UnitOrder& order, const std::string& words) {
  return std::string("systemctl ") + (order.for_user ? "--user " : "") + words;
}

bool is_anything(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

// The manager ----------------------------------------------------------------------------------------

Manager manager_of(const UnitOrder& order) {
  return order.for_user ? Manager::user : Manager::system;
}

Result<std::string> property(const UnitOrder& order, const char* name) {
  return unit_property(manager_of(order), file_name(order), name);
}

// Lets the manager read its files, or says who has to.
void let_it_be_read(const UnitOrder& order) {
  const auto runs = manager_runs(manager_of(order));
  if (runs && !*runs) {
    (void)std::printf("No systemd runs here now; the next one reads it.\n");
    return;
  }
  const Result<void> read = runs ? daemon_reload(manager_of(order)) : std::unexpected(runs.error());
  if (read) return;
  (void)std::printf("systemd has not read it yet (%s): %s\n", read.error().detail.c_str(),
                    systemctl(order, "daemon-reload").c_str());
}

// Install --------------------------------------------------------------------------------------------

Result<void> check_name(const std::string& name) {
  if (is_service_name(name)) return {};
  return fail(
      ErrorKind::malformed,
      "'" + name + "' is no name for a unit: letters, digits, '-', '_' and '.', as in noforce");
}

// Of the system's units none has a user's manager beside it.
Result<void> check_manager(const UnitOrder& order, const config::Settings& settings) {
  const bool drives_users = settings.scm.backend == config::Backend::systemd &&
                            settings.scm.manager == config::ServiceManager::user;
  if (!drives_users || order.for_user) return {};
  return fail(ErrorKind::malformed,
              settings.file +
                  ": manager = \"user\" in [scm] needs a unit of the same user's "
                  "manager: noforce service install --user");
}

Result<void> check_trust(const std::string& path) {
  const bool is_one_line =
      std::ranges::none_of(path, [](char c) { return static_cast<unsigned char>(c) < ' '; });
  if (!is_one_line)
    return fail(ErrorKind::malformed, "a path with control characters is in no unit");
  auto trusted = check_trusted_path(path, ::geteuid());
  if (!trusted) trusted.error().detail += "; systemd would run what they put there";
  return trusted;
}

// Nothing there, or what we wrote.
Result<void> check_place(const UnitOrder& order, const std::string& path) {
  if (is_anything(path)) {
    struct stat status{};
    (void)::lstat(path.c_str(), &status);
    const auto old = read_small_file(path);
    if (!S_ISREG(status.st_mode) || !old || !is_written_by_us(*old)) {
      return fail(ErrorKind::busy,
                  path +
                      " is not as `noforce service install` wrote it, and stays as it "
                      "is: move it away, or give another --name");
    }
    return {};
  }
  const auto runs = manager_runs(manager_of(order));
  if (!runs || !*runs) return {};
  if (const auto elsewhere = property(order, "FragmentPath");
      elsewhere && !elsewhere->empty() && *elsewhere != path) {
    return fail(ErrorKind::busy, "there is a unit " + file_name(order) + " already, in " +
                                     *elsewhere + ": give another --name");
  }
  return {};
}

Result<void> write_unit(const std::string& path, const std::string& text) {
  std::error_code failed;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), failed);
  auto written = replace_file(path, text, kReadable);
  if (!written && ::geteuid() != 0) {
    written.error().detail += "; do this as root, or for your own manager with --user";
  }
  return written;
}

void say_what_is_next(const UnitOrder& order, const config::Settings& settings) {
  if (config::starts_programs(settings)) {
    (void)std::printf(
        "It is without hardening: services and hooks would inherit it "
        "(docs/decisions/0014-the-agent-as-a-unit.md).\n");
  }
  if (settings.tls.certificate.empty() &&
      !exists(StateDir(settings.server.state_dir).server_certificate())) {
    (void)std::printf("Next: noforce init --config %s\n", settings.file.c_str());
  }
  (void)std::printf("Next: %s\n", systemctl(order, "enable --now " + order.name).c_str());
}

// Uninstall ------------------------------------------------------------------------------------------

// A link is what `systemctl enable` makes.
bool is_enabled(const UnitOrder& order, const std::string& folder) {
  const std::string target = order.for_user ? "default.target" : "multi-user.target";
  return is_anything(folder + "/" + target + ".wants/" + file_name(order));
}

Result<void> check_at_rest(const UnitOrder& order, const std::string& folder) {
  const std::string first = ": " + systemctl(order, "disable --now " + order.name) + " first";
  if (is_enabled(order, folder)) {
    return fail(ErrorKind::busy, file_name(order) + " is enabled" + first);
  }
  const auto runs = manager_runs(manager_of(order));
  if (!runs) return std::unexpected(runs.error());
  if (!*runs) return {};
  const auto state = property(order, "ActiveState");
  if (!state) {
    return fail(ErrorKind::scm_unavailable,
                "whether " + file_name(order) +
                    " runs cannot be seen, so it stays: " + state.error().detail);
  }
  if (*state == "inactive" || *state == "failed") return {};
  return fail(ErrorKind::busy, file_name(order) + " runs (" + *state + ")" + first);
}

Result<void> take_away(const UnitOrder& order) {
  const auto folder = units_folder(order.for_user);
  if (!folder) return std::unexpected(folder.error());
  const std::string path = *folder + "/" + file_name(order);
  if (!is_anything(path)) {
    return fail(ErrorKind::busy, "there is no " + path + ", so there is nothing to take away");
  }
  if (auto ours = check_place(order, path); !ours) return ours;
  if (auto at_rest = check_at_rest(order, *folder); !at_rest) return at_rest;
  if (::unlink(path.c_str()) != 0) return system_error("cannot remove " + path, errno);
  (void)std::printf("%s is taken away; state and settings stay.\n", path.c_str());
  return {};
}

}  // namespace

int install_unit(const UnitOrder& order) {
  if (auto good = check_name(order.name); !good) {
    (void)report(good.error());
    return exit_usage;
  }
  std::error_code ignored;
  const std::string config =
      std::filesystem::absolute(order.config.empty() ? default_settings() : order.config, ignored)
          .lexically_normal()
          .string();
  if (const int status = check_config(config); status != exit_ok) return status;
  const auto settings = read_settings(config);
  if (!settings) return report(settings.error());

  if (const auto fits = check_manager(order, *settings); !fits) return report(fits.error());
  const std::string program = this_executable();
  for (const std::string& path : {program, config}) {
    if (auto trusted = check_trust(path); !trusted) return report(trusted.error());
  }
  const auto folder = units_folder(order.for_user);
  if (!folder) return report(folder.error());
  const std::string path = *folder + "/" + file_name(order);
  if (auto free = check_place(order, path); !free) return report(free.error());
  const std::string text =
      systemd_unit({.program = program, .for_user = order.for_user, .settings = *settings});
  if (auto written = write_unit(path, text); !written) return report(written.error());
  (void)std::printf("%s is written.\n", path.c_str());
  let_it_be_read(order);
  say_what_is_next(order, *settings);
  return exit_ok;
}

int uninstall_unit(const UnitOrder& order) {
  if (auto good = check_name(order.name); !good) {
    (void)report(good.error());
    return exit_usage;
  }
  if (auto gone = take_away(order); !gone) return report(gone.error());
  let_it_be_read(order);
  return exit_ok;
}

}  // namespace noforce::agent
