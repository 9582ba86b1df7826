// The suite that every backend has to pass, over the service manager that runs: Wine's here.
#include <windows.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "core/scm/windows/backend.hpp"
#include "core/windows_handle.hpp"
#include "tests/conformance/any_scm.hpp"
#include "tests/services/windows/installer_windows.hpp"
#include "tests/windows/real_scm_windows.hpp"

namespace noforce::test {
namespace {

namespace fs = std::filesystem;
namespace real = windows::testing;

constexpr std::int64_t kFailure = 3;
constexpr const char* kCrash = "crash 7";

class RealEstate final : public Estate {
 public:
  RealEstate()
      : prefix_("nfc" + std::to_string(GetCurrentProcessId()) + "-" + std::to_string(++estates_) +
                "-"),
        folder_(fs::temp_directory_path() / (prefix_ + "folder")) {
    fs::create_directories(folder_);
    installer_ =
        std::make_unique<services::windows::Installer>(folder_.string(), real::host_program());
  }

  ~RealEstate() override {
    for (const auto& [name, manner] : manners_)
      say(name, "");
    {
      Client last(*this, connect());
      if (last.begin()) {
        for (const auto& [name, manner] : manners_)
          bring_down(last, name);
      }
    }
    std::vector<std::string> all;
    for (const auto& [name, manner] : manners_)
      all.push_back(canonical(name));
    EXPECT_TRUE(installer_->remove(all));
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  Abilities abilities() const override {
    return {.pauses = true,
            .reloads = true,
            .tells_wait_hint = true,
            .remembers_for_others = true,
            .brings_back = false};  // Wine has no recovery actions
  }

  void install(const std::vector<Role>& roles) override {
    for (const auto& role : roles) {
      manners_[role.name] = role.manner;
      say(role.name, "");
      depend(role.name, role.depends_on);
    }
  }

  void depend(const std::string& name, const std::vector<std::string>& on) override {
    services::windows::ToInstall service{.name = canonical(name),
                                         .display_name = prefix_ + name + " of a test",
                                         .process = {},
                                         .depends_on = {},
                                         .load_group = {}};
    for (const auto& dependency : on)
      service.depends_on.push_back(canonical(dependency));
    ASSERT_TRUE(installer_->install({service}));
  }

  std::string canonical(const std::string& name) const override { return prefix_ + name; }
  std::vector<std::string> spellings(const std::string& name) const override {
    return {"NFC" + canonical(name).substr(3), canonical(name), canonical(name) + " OF a test"};
  }

  std::unique_ptr<Scm> connect() override {
    return std::make_unique<windows::WindowsScm>(
        windows::WindowsOptions{.state_dir = folder_, .own_service = {}});
  }

  void cue(const std::string& name, Cue cue) override {
    switch (cue) {
      case Cue::progress:
        return say(name, "tick = " + std::to_string(++ticks_) + "\n");
      case Cue::finish:
        return say(name, "start = now\nstop = now\n");
      case Cue::crash:
        say(name, std::string("once = yes\nrun = crash 0 7\nstart = ") + kCrash +
                      "\nstop = " + kCrash + "\n");
    }
  }

  void stop_as_a_stranger(const std::string& name) override {
    const auto calls = windows::system_calls();
    EXPECT_EQ(windows::carry_out(*calls, {.token = {},
                                          .op = ControlOp::stop,
                                          .service = canonical(name),
                                          .pid = 0,
                                          .comment = "a stranger"}),
              windows::code::success);
  }

  int stops_heard(const std::string& name) override {
    std::ifstream in(folder_ / (canonical(name) + ".events"));
    int count = 0;
    for (std::string line; std::getline(in, line);)
      count += line == "stop" ? 1 : 0;
    return count;
  }

  bool lives(std::int64_t pid) const override { return real::runs(pid); }

  Exit exit_after(Ending ending) const override {
    switch (ending) {
      case Ending::asked:
        return {.code = 0, .service_code = {}};
      case Ending::crashed:
        return {.code = windows::code::process_aborted, .service_code = {}};
      case Ending::failed_to_start:
      case Ending::failed_to_stop:
        break;
    }
    return {.code = windows::code::specific_error, .service_code = kFailure};
  }

  void break_connection() override {}  // it cannot be
  std::vector<std::string> leftovers() const override { return {}; }

 private:
  // What its control file says besides its manner.
  void say(const std::string& name, const std::string& cue) {
    std::string text = cue;
    switch (manners_.at(name)) {
      case Manner::slow_to_start:
        text += "start = hang\n";
        break;
      case Manner::slow_to_stop:
        text += "stop = hang\n";
        break;
      case Manner::fails_to_start:
        text += "start = fail 3\n";
        break;
      case Manner::fails_to_stop:
        text += "exit = 3\n";
        break;
      case Manner::ordinary:
      case Manner::comes_back:
        break;
    }
    const fs::path next = folder_ / (canonical(name) + ".next");
    std::ofstream(next) << text;  // the first line of a key counts
    real::put_in_place(next, folder_ / (canonical(name) + ".control"));
  }

  void bring_down(Client& client, const std::string& name) {
    if (client.service(name).state == ServiceState::stopped) return;
    cue(name, Cue::finish);
    EXPECT_TRUE(client.wait([&] { return !is_pending(client.service(name).state); })) << name;
    if (client.service(name).state != ServiceState::stopped) {
      (void)client.control(ControlOp::stop, name);
    }
    EXPECT_TRUE(client.wait_until_gone(name)) << name;
  }

  static inline int estates_ = 0;
  std::string prefix_;
  fs::path folder_;
  std::unique_ptr<services::windows::Installer> installer_;
  std::map<std::string, Manner> manners_;
  int ticks_ = 0;
};

std::unique_ptr<Estate> make_estate() {
  return std::make_unique<RealEstate>();
}

INSTANTIATE_TEST_SUITE_P(WindowsService, AnyScm, ::testing::Values(&make_estate),
                         [](const auto&) { return "ThatRuns"; });

}  // namespace
}  // namespace noforce::test
