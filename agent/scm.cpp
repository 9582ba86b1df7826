#include "agent/scm.hpp"

#include <cstdlib>
#include <set>
#include <utility>

#include "agent/process.hpp"
#if NOFORCE_SCM_SUPERVISOR
#include "core/scm/supervisor/backend.hpp"
#endif
#if NOFORCE_SCM_SYSTEMD
#include <unistd.h>

#include <cerrno>

#include "core/scm/systemd/backend.hpp"
#endif
#if NOFORCE_SCM_WINDOWS
#include "agent/windows_service.hpp"
#include "core/scm/windows/backend.hpp"
#endif

namespace noforce::agent {
namespace {

#if NOFORCE_SCM_SUPERVISOR
supervisor::SeeToKeeper wish_for_keeper(OpenerLine* opener) {
  if (opener == nullptr) return {};
  return [opener]() -> std::expected<void, std::string> {
    auto granted = opener->wish(Wish::keeper);
    if (granted) return {};
    return std::unexpected(std::move(granted.error().detail));
  };
}

// Root's own one where the agent's part has a user of its own.
std::string keepers_directory(const ScmParts& parts) {
  return parts.opener != nullptr ? parts.settings.server.keeper_dir : parts.state_dir;
}

class Supervisor final : public ChosenScm {
 public:
  explicit Supervisor(ScmParts parts)
      : scm_({.state_dir = keepers_directory(parts),
              .executable = this_executable(),
              .keeper_args = {},
              .specs = parts.settings.services,
              .begun = std::move(parts.begun),
              .opener = wish_for_keeper(parts.opener)}) {}

  Scm& scm() override { return scm_; }
  [[nodiscard]] std::string_view name() const override { return "supervisor"; }
  [[nodiscard]] bool owns_services() const override { return true; }
  void reconfigure(const std::vector<supervisor::ServiceSpec>& services) override {
    scm_.reconfigure(services);
  }
  Result<void> end_keeper(Milliseconds patience) override { return scm_.end_keeper(patience); }

 private:
  supervisor::SupervisorScm scm_;
};
#endif

#if NOFORCE_SCM_SYSTEMD
class Systemd final : public ChosenScm {
 public:
  explicit Systemd(systemd::SystemdOptions options) : scm_(std::move(options)) {}

  Scm& scm() override { return scm_; }
  [[nodiscard]] std::string_view name() const override { return "systemd"; }
  [[nodiscard]] bool owns_services() const override { return false; }
  void reconfigure(const std::vector<supervisor::ServiceSpec>&) override {}
  Result<void> end_keeper(Milliseconds) override { return {}; }

 private:
  systemd::SystemdScm scm_;
};

std::string why_no_disarming(bool disarm, const std::string& units) {
  if (!disarm) return "the settings do not let noforce disarm that ([scm] disarm = false)";
  if (::access(units.c_str(), W_OK) != 0 && errno == EACCES) {
    return "the agent's user may not write to " + units + ", where a drop-in would disarm that";
  }
  return {};
}

Result<std::unique_ptr<ChosenScm>> make_systemd(const ScmParts& parts) {
  const config::ScmSettings& scm = parts.settings.scm;
  const bool is_user = scm.manager == config::ServiceManager::user;
  const char* runtime = std::getenv("XDG_RUNTIME_DIR");  // NOLINT(concurrency-mt-unsafe)
  if (is_user && (runtime == nullptr || *runtime != '/')) {
    return fail(ErrorKind::scm_unavailable,
                "manager = \"user\" in [scm] needs XDG_RUNTIME_DIR in the agent's environment: it "
                "says which user's manager that is");
  }
  const std::string runtime_dir = is_user ? runtime : "";
  const auto scope = is_user ? systemd::Scope::user : systemd::Scope::system;
  std::set<std::string> begun;
  for (const auto& [job, services] : parts.begun)
    begun.insert(job);
  const std::string units = systemd::unit_runtime_dir(scope, runtime_dir);
  return std::make_unique<Systemd>(
      systemd::SystemdOptions{.state_dir = parts.state_dir,
                              .runtime_dir = units,
                              .open = systemd::bus_wire(scope, runtime_dir),
                              .types = {scm.types.begin(), scm.types.end()},
                              .no_disarming = why_no_disarming(scm.disarm, units),
                              .begun = std::move(begun)});
}
#endif

#if NOFORCE_SCM_WINDOWS
class Windows final : public ChosenScm {
 public:
  explicit Windows(const ScmParts& parts)
      : scm_({.state_dir = parts.state_dir, .own_service = own_service()}) {}

  Scm& scm() override { return scm_; }
  [[nodiscard]] std::string_view name() const override { return "windows"; }
  [[nodiscard]] bool owns_services() const override { return false; }
  void reconfigure(const std::vector<supervisor::ServiceSpec>&) override {}
  Result<void> end_keeper(Milliseconds) override { return {}; }

 private:
  windows::WindowsScm scm_;
};
#endif

}  // namespace

Result<std::unique_ptr<ChosenScm>> choose_scm(ScmParts parts) {
  switch (parts.settings.scm.backend) {
#if NOFORCE_SCM_SUPERVISOR
    case config::Backend::supervisor:
      if (parts.opener != nullptr) {
        if (auto runs = parts.opener->wish(Wish::keeper); !runs) {
          return std::unexpected(runs.error());
        }
      }
      return std::make_unique<Supervisor>(std::move(parts));
#endif
#if NOFORCE_SCM_SYSTEMD
    case config::Backend::systemd:
      return make_systemd(parts);
#endif
#if NOFORCE_SCM_WINDOWS
    case config::Backend::windows:
      return std::make_unique<Windows>(parts);
#endif
    default:
      return fail(ErrorKind::scm_unavailable,
                  "this build has no such SCM backend ('backend' in [scm])");
  }
}

}  // namespace noforce::agent
