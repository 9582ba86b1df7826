// systemd as an SCM: Scm over the D-Bus API of its manager, the system's or a user's.
//
// One thread talks to systemd (session.hpp); everything else only posts to it or reads the last
// picture. What an instance is, and how states are mapped, stands in unit.hpp; what is done so that
// systemd kills nothing, in sparing.hpp and spared_units.hpp.
//
// systemd cannot be asked to stop one run of a unit and no other: between the look at the run and
// StopUnit another one may have begun. That gap is the time of one D-Bus call.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/clock.hpp"
#include "core/scm/port.hpp"
#include "core/scm/systemd/mailbox.hpp"
#include "core/scm/systemd/session.hpp"
#include "core/scm/systemd/wire.hpp"

namespace noforce::systemd {

struct SystemdOptions {
  std::string state_dir;    // the agent's: records of what is spared, in "spared/"
  std::string runtime_dir;  // systemd's of unit files: "/run/systemd/system"
  OpenWire open;            // bus_wire(), or a test's
  std::set<std::string, std::less<>> types = {"service"};  // of units that are listed
  // Units are given a drop-in for as long as they stop. Where there is a reason not to ("the settings
  // forbid it"), no job is accepted that stops one that systemd could kill.
  std::string no_disarming;
  std::set<std::string> begun;  // jobs of agents before this one that go on
};

// "/run/systemd/system", or the user's.
[[nodiscard]] std::string unit_runtime_dir(Scope scope, const std::string& user_runtime_dir);

class SystemdScm final : public Scm {
 public:
  explicit SystemdScm(SystemdOptions options, const Clock& clock = system_clock());
  ~SystemdScm() override;

  [[nodiscard]] Result<void> start(ScmSink& sink, Milliseconds patience) override;
  // What is spared stays so; the next agent knows of it by the records.
  void stop() override;

  [[nodiscard]] std::optional<std::string> resolve(std::string_view spelling) const override;
  [[nodiscard]] PicturePtr snapshot() const override;
  void refresh(const std::vector<std::string>& services) override;
  void watch(const std::vector<std::string>& services) override;
  // Disarms what systemd has to end these by force, where there is any; costs a daemon-reload then.
  [[nodiscard]] Result<void> prepare(const std::string& job,
                                     const std::vector<std::string>& services) override;
  void release(const std::string& job) override;
  void submit(Control control) override;
  [[nodiscard]] std::vector<std::string> plan_warnings(std::string_view service) const override;
  [[nodiscard]] std::string off_limits(std::string_view service) const override;
  [[nodiscard]] std::optional<Error> stop_refusal(std::string_view service) const override;

 private:
  SystemdOptions options_;
  const Clock& clock_;
  const std::set<std::string, std::less<>> own_units_;  // that this process runs in
  const std::set<std::int64_t> own_ancestors_;          // this process and all above it
  mutable Shared shared_;
  Mailbox mailbox_;
  std::thread thread_;
};

}  // namespace noforce::systemd
