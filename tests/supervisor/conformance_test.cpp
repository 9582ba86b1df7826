// The suite that every backend has to pass, on a real keeper with real processes.
#include <algorithm>
#include <map>

#include "core/scm/supervisor/backend.hpp"
#include "tests/conformance/any_scm.hpp"
#include "tests/supervisor/estate.hpp"

namespace noforce::test {
namespace {

namespace kept = supervisor::testing;

constexpr int kFailure = 3;
constexpr int kCrash = 7;

class SupervisorEstate final : public Estate {
 public:
  Abilities abilities() const override {
    return {.pauses = true,
            .reloads = true,
            .tells_status_text = true,
            .tells_wait_hint = true,
            .can_be_broken = true,
            .knows_missed_exits = false,  // a keeper is not told how another's children ended
            .lists_only_ours = true,
            .remembers_for_others = true};
  }

  void install(const std::vector<Role>& roles) override {
    for (const auto& role : roles)
      add(role);
    if (newest_ != nullptr) newest_->reconfigure(kept_.specs());
  }

  void depend(const std::string& name, const std::vector<std::string>& on) override {
    kept_.spec(name).depends_on = on;
    if (newest_ != nullptr) newest_->reconfigure(kept_.specs());
  }

  std::string canonical(const std::string& name) const override { return name; }
  std::vector<std::string> spellings(const std::string& name) const override { return {name}; }

  std::unique_ptr<Scm> connect() override {
    auto scm = std::make_unique<supervisor::SupervisorScm>(
        supervisor::SupervisorOptions{.state_dir = kept_.folder(),
                                      .executable = "/proc/self/exe",
                                      .keeper_args = {"--keeper", kept_.folder()},
                                      .specs = kept_.specs()});
    newest_ = scm.get();
    return scm;
  }

  void cue(const std::string& name, Cue cue) override {
    const Puppet& puppet = *puppets_.at(name);
    if (cue == Cue::crash) return puppet.tell("exit " + std::to_string(kCrash));
    if (cue == Cue::progress) {
      return puppet.tell("notify STATUS=done " + std::to_string(++told_) +
                         "|EXTEND_TIMEOUT_USEC=9000000");
    }
    const bool starts = manners_.at(name) == Manner::slow_to_start;
    puppet.tell(starts ? "notify READY=1" : "exit 0");
  }

  void stop_as_a_stranger(const std::string& name) override {
    Client stranger(*this, connect());
    ASSERT_TRUE(stranger.begin());
    EXPECT_TRUE(stranger.control(ControlOp::stop, name));
    newest_ = nullptr;  // no settings change after this
  }

  int stops_heard(const std::string& name) override {
    return static_cast<int>(std::ranges::count(puppets_.at(name)->signals(), "TERM"));
  }

  bool lives(std::int64_t pid) const override { return kept::alive(pid); }

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

  void break_connection() override { kept_.kill_keeper(); }
  std::vector<std::string> leftovers() const override { return {}; }

 private:
  void add(const Role& role) {
    puppets_[role.name] = &kept_.add_puppet(role.name);
    manners_[role.name] = role.manner;
    supervisor::ServiceSpec& spec = kept_.spec(role.name);
    spec.depends_on = role.depends_on;
    spec.start = StartType::manual;
    spec.reload_signal = 1;  // SIGHUP
    switch (role.manner) {
      case Manner::ordinary:
        break;
      case Manner::slow_to_start:
        spec.environment = {{"PUPPET_SILENT", "1"}};
        break;
      case Manner::fails_to_start:
        spec.environment = {{"PUPPET_FAILS", std::to_string(kFailure)}};
        break;
      case Manner::slow_to_stop:
        spec.environment = {{"PUPPET_HOLDS", "1"}};
        break;
      case Manner::fails_to_stop:
        spec.environment = {{"PUPPET_STOP_EXIT", std::to_string(kFailure)}};
        break;
      case Manner::comes_back:
        spec.restart = supervisor::RestartPolicy::always;
        break;
    }
  }

  kept::Estate kept_;
  std::map<std::string, Puppet*> puppets_;
  std::map<std::string, Manner> manners_;
  // Whose settings count; lives while services are installed or changed.
  supervisor::SupervisorScm* newest_ = nullptr;
  int told_ = 0;
};

std::unique_ptr<Estate> make_estate() {
  return std::make_unique<SupervisorEstate>();
}

INSTANTIATE_TEST_SUITE_P(Supervisor, AnyScm, ::testing::Values(&make_estate),
                         [](const auto&) { return "Keeper"; });

}  // namespace
}  // namespace noforce::test
