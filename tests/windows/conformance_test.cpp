// The suite that every backend has to pass, over the service manager on paper.
#include <algorithm>
#include <atomic>
#include <filesystem>
#include <map>

#include "core/scm/windows/backend.hpp"
#include "core/text.hpp"
#include "tests/conformance/any_scm.hpp"
#include "tests/windows/paper_scm.hpp"

namespace noforce::test {
namespace {

namespace fs = std::filesystem;
using windows::Code;
using windows::testing::PaperScm;

constexpr Code kFailure = 3;
constexpr Code kCrash = 7;

class PaperEstate final : public Estate {
 public:
  PaperEstate() : paper_(std::make_shared<PaperScm>()) {
    folder_ = fs::temp_directory_path() /
              ("noforce-paper-" +
               std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()));
    fs::create_directory(folder_);
  }
  ~PaperEstate() override { fs::remove_all(folder_); }

  Abilities abilities() const override {
    return {.pauses = true,
            .reloads = true,
            .tells_wait_hint = true,
            .can_be_broken = true,
            .knows_missed_exits = true,  // the manager remembers them
            .lists_only_ours = true,
            .remembers_for_others = true};
  }

  void install(const std::vector<Role>& roles) override {
    for (const auto& role : roles) {
      manners_[role.name] = role.manner;
      PaperScm::Service service;
      service.status.exit_code = windows::code::never_started;
      service.config.display_name = role.name + " of a test";
      for (const auto& dependency : role.depends_on)
        service.config.dependencies.push_back(canonical(dependency));
      if (role.manner == Manner::comes_back) {
        service.recovery.steps = {{.action = windows::RecoveryAction::restart, .delay_ms = 0}};
      }
      service.answers = [this, name = role.name](std::uint32_t control) {
        return take(name, control);
      };
      paper_->add(canonical(role.name), std::move(service));
    }
  }

  void depend(const std::string& name, const std::vector<std::string>& on) override {
    paper_->change(canonical(name), [&](PaperScm::Service& it) {
      it.config.dependencies.clear();
      for (const auto& dependency : on)
        it.config.dependencies.push_back(canonical(dependency));
    });
  }

  std::string canonical(const std::string& name) const override { return "NF-" + name; }
  std::vector<std::string> spellings(const std::string& name) const override {
    return {"nf-" + name, "NF-" + name, "Nf-" + name, name + " OF A TEST"};
  }

  std::unique_ptr<Scm> connect() override {
    return std::make_unique<windows::WindowsScm>(
        windows::WindowsOptions{.state_dir = folder_, .own_service = {}}, system_clock(), paper_);
  }

  void cue(const std::string& name, Cue cue) override {
    const std::string whole = canonical(name);
    const auto status = paper_->status(whole);
    switch (cue) {
      case Cue::progress:
        return paper_->report(whole, status.state, status.checkpoint + 1, 9'000);
      case Cue::crash:
        paper_->end_process(status.pid, kCrash);
        paper_->stopped(whole, windows::code::process_aborted);
        if (manners_.at(name) == Manner::comes_back) paper_->run(whole);
        return;
      case Cue::finish:
        break;
    }
    if (status.state == windows::state::start_pending) {
      paper_->run(whole, status.pid);
    } else {
      end(whole, 0, 0);
    }
  }

  void stop_as_a_stranger(const std::string& name) override {
    (void)take(name, windows::control::stop);
  }
  int stops_heard(const std::string& name) override { return stops_[name]; }
  bool lives(std::int64_t pid) const override {
    return paper_->process_runs(static_cast<std::uint32_t>(pid));
  }

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

  void break_connection() override { paper_->lose_once(windows::code::server_unavailable); }
  std::vector<std::string> leftovers() const override { return {}; }

 private:
  // The manager's part of a control, and the service's.
  Code take(const std::string& name, std::uint32_t control) {
    const std::string whole = canonical(name);
    const auto state = paper_->status(whole).state;
    if (control == 0) {
      if (state != windows::state::stopped) return windows::code::already_running;
      paper_->run(whole);
      if (manners_.at(name) == Manner::slow_to_start) {
        paper_->report(whole, windows::state::start_pending, 1, 2'000);
      }
      if (manners_.at(name) == Manner::fails_to_start) {
        end(whole, windows::code::specific_error, kFailure);
      }
      return windows::code::success;
    }
    if (state == windows::state::stopped) return windows::code::not_active;
    if (state == windows::state::stop_pending || state == windows::state::start_pending) {
      return windows::code::cannot_accept;
    }
    if (control == windows::control::pause) paper_->report(whole, windows::state::paused);
    if (control == windows::control::resume) paper_->report(whole, windows::state::running);
    if (control != windows::control::stop) return windows::code::success;
    ++stops_[name];
    if (manners_.at(name) == Manner::slow_to_stop) {
      paper_->report(whole, windows::state::stop_pending, 1, 2'000);
    } else if (manners_.at(name) == Manner::fails_to_stop) {
      end(whole, windows::code::specific_error, kFailure);
    } else {
      end(whole, 0, 0);
    }
    return windows::code::success;
  }

  void end(const std::string& whole, Code code, Code own) {
    const auto pid = paper_->status(whole).pid;
    paper_->stopped(whole, code, own);
    paper_->end_process(pid, own);
  }

  std::shared_ptr<PaperScm> paper_;
  fs::path folder_;
  std::map<std::string, Manner> manners_;
  std::map<std::string, std::atomic<int>> stops_;
};

std::unique_ptr<Estate> make_estate() {
  return std::make_unique<PaperEstate>();
}

INSTANTIATE_TEST_SUITE_P(Windows, AnyScm, ::testing::Values(&make_estate),
                         [](const auto&) { return "OnPaper"; });

}  // namespace
}  // namespace noforce::test
