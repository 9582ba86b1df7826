// The suite that every backend has to pass, on a real systemd with real processes.
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/scm/systemd/backend.hpp"
#include "tests/conformance/any_scm.hpp"
#include "tests/support/puppet.hpp"
#include "tests/systemd/own_manager.hpp"

namespace noforce::test {
namespace {

constexpr int kFailure = 3;
constexpr int kCrash = 7;

class SystemdEstate final : public Estate {
 public:
  Abilities abilities() const override {
    return {.pauses = false,
            .reloads = true,
            .tells_status_text = true,
            .tells_wait_hint = false,  // EXTEND_TIMEOUT_USEC shows in no property
            .can_be_broken = true,
            .knows_missed_exits = true,
            .lists_only_ours = true,
            .remembers_for_others = false,
            .kills_after = Milliseconds(1'000)};
  }

  void install(const std::vector<Role>& roles) override {
    for (const auto& role : roles) {
      roles_[role.name] = role;
      puppets_[role.name] = std::make_unique<Puppet>(manager_.folder() + "/" + role.name + ".fifo");
      write(role);
    }
    manager_.daemon_reload();
  }

  void depend(const std::string& name, const std::vector<std::string>& on) override {
    roles_.at(name).depends_on = on;
    write(roles_.at(name));
    manager_.daemon_reload();
  }

  std::string canonical(const std::string& name) const override { return name + ".service"; }
  std::vector<std::string> spellings(const std::string& name) const override {
    return {name, name + ".service"};
  }

  std::unique_ptr<Scm> connect() override {
    return std::make_unique<systemd::SystemdScm>(systemd::SystemdOptions{
        .state_dir = manager_.folder() + "/state",
        .runtime_dir = manager_.unit_runtime_dir(),
        .open = systemd::bus_wire(systemd::Scope::user, manager_.runtime_dir())});
  }

  void cue(const std::string& name, Cue cue) override {
    const Puppet& puppet = *puppets_.at(name);
    if (cue == Cue::crash) return puppet.tell("exit " + std::to_string(kCrash));
    if (cue == Cue::progress) {
      return puppet.tell("notify STATUS=done " + std::to_string(++told_));
    }
    const bool starts = roles_.at(name).manner == Manner::slow_to_start;
    puppet.tell(starts ? "notify READY=1" : "exit 0");
  }

  void stop_as_a_stranger(const std::string& name) override {
    const auto out = manager_.systemctl({"stop", "--no-block", canonical(name)});
    EXPECT_EQ(out.status, 0) << out.text;
  }

  int stops_heard(const std::string& name) override {
    return static_cast<int>(std::ranges::count(puppets_.at(name)->signals(), "TERM"));
  }

  // systemd tells of a process's end before it reaps it, so a zombie is gone.
  bool lives(std::int64_t pid) const override {
    std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
    std::string stat;
    if (!std::getline(file, stat)) return false;
    const auto name_ends = stat.rfind(')');
    return name_ends != std::string::npos && stat.compare(name_ends, 3, ") Z") != 0;
  }

  Exit exit_after(Ending ending) const override {
    switch (ending) {
      case Ending::asked:
        return {.code = 0, .service_code = {}};
      case Ending::crashed:
        return {.code = kCrash, .service_code = {}};
      case Ending::failed_to_start:
      case Ending::failed_to_stop:
        break;
    }
    return {.code = kFailure, .service_code = {}};
  }

  void break_connection() override { manager_.reexecute(); }

  std::vector<std::string> leftovers() const override {
    auto out = manager_.drop_ins();
    std::error_code bad;
    for (const auto& each :
         std::filesystem::directory_iterator(manager_.folder() + "/state/spared", bad))
      out.push_back(each.path().string());
    return out;
  }

 private:
  void write(const Role& role) const {
    std::string text =
        "[Unit]\nDescription=The service " + role.name + "\nStartLimitIntervalSec=0\n";
    for (const auto& on : role.depends_on)
      text += "Requires=" + canonical(on) + "\nAfter=" + canonical(on) + "\n";
    text += "[Service]\nType=notify\nNotifyAccess=all\nTimeoutStopSec=1\nExecStart=";
    for (const auto& word : puppets_.at(role.name)->command())
      text += word + " ";
    text += "\nExecReload=/bin/kill -HUP $MAINPID\n";
    switch (role.manner) {
      case Manner::ordinary:
        break;
      case Manner::slow_to_start:
        text += "Environment=PUPPET_SILENT=1\n";
        break;
      case Manner::fails_to_start:
        text += "Environment=PUPPET_FAILS=" + std::to_string(kFailure) + "\n";
        break;
      case Manner::slow_to_stop:
        text += "Environment=PUPPET_HOLDS=1\n";
        break;
      case Manner::fails_to_stop:
        text += "Environment=PUPPET_STOP_EXIT=" + std::to_string(kFailure) + "\n";
        break;
      case Manner::comes_back:
        text += "Restart=always\nRestartSec=100ms\n";
        break;
    }
    manager_.write_unit(canonical(role.name), text);
  }

  systemd::testing::OwnManager manager_;
  std::map<std::string, Role> roles_;
  std::map<std::string, std::unique_ptr<Puppet>> puppets_;
  int told_ = 0;
};

std::unique_ptr<Estate> make_estate() {
  return std::make_unique<SystemdEstate>();
}

INSTANTIATE_TEST_SUITE_P(Systemd, AnyScm, ::testing::Values(&make_estate),
                         [](const auto&) { return "UserManager"; });

}  // namespace
}  // namespace noforce::test
