// The estates over the service manager on paper, as on a real Windows: services that share a process, drivers
// below them, and a manager that refuses a wrong order (1051, 1068). An agent without its face decides and acts.
// tests/windows/*.test.mjs has them as real services, each in a process of its own under Wine.
#include "tests/services/windows/estates.hpp"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/digest.hpp"
#include "core/jobs.hpp"
#include "core/scm/windows/backend.hpp"
#include "tests/support/fake_scm.hpp"
#include "tests/windows/paper_scm.hpp"

namespace noforce::windows::testing {
namespace {

using ::services::windows::Estate;
using ::services::windows::EstateService;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;
using Names = std::vector<std::string>;
using States = std::map<std::string, std::uint32_t>;

const Caller kAdmin{{.name = "token:admin", .role = Role::admin, .services = {}, .actions = {}},
                    "127.0.0.1"};
// Of what the estates stand on these are drivers.
const std::set<std::string_view> kDrivers{"HTTP", "EXIFS"};

class AnEstateOnPaper : public ::testing::Test {
 protected:
  AnEstateOnPaper()
      : directory_(std::filesystem::temp_directory_path() /
                   ("noforce-estate-" + to_hex(random_bytes(8)))) {
    std::filesystem::create_directory(directory_);
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
  }
  ~AnEstateOnPaper() override {
    jobs_.reset();
    scm_.reset();
    journal_.reset();
    std::filesystem::remove_all(directory_);
  }

  // All that starts with Windows runs.
  void install(const Estate& estate) {
    for (const auto name : ::services::windows::kOfWindows) {
      if (kDrivers.contains(name)) {
        paper_->driver(std::string(name));
      } else {
        add({.name = name,
             .display_name = name,
             .process = {},
             .depends_on = {},
             .load_group = {}});
      }
    }
    for (const auto& service : estate.services)
      add(service);
  }

  void begin() {
    auto opened = Journal::open((directory_ / "noforce.db").string());
    ASSERT_TRUE(opened) << opened.error().detail;
    journal_ = std::move(*opened);
    scm_ = std::make_unique<WindowsScm>(WindowsOptions{.state_dir = directory_, .own_service = {}},
                                        system_clock(), paper_);
    auto started =
        Jobs::start({*journal_, *scm_, events_, test::no_http}, Policies{}, Milliseconds(20'000));
    ASSERT_TRUE(started) << started.error().detail;
    jobs_ = std::move(*started);
  }

  static JobRequest restart_of(const std::string& name, Dependents dependents) {
    JobRequest request;
    request.action = Action::restart;
    request.services = {name};
    request.options.dependents = dependents;
    return request;
  }
  DryRun dry_restart_of(const std::string& name) {
    auto dry = jobs_->dry_run(kAdmin, restart_of(name, Dependents::refuse));
    EXPECT_TRUE(dry) << dry.error().detail;
    return dry ? *dry : DryRun{};
  }
  JobPtr restart(const std::string& name) {
    const auto accepted =
        jobs_->submit(kAdmin, restart_of(name, Dependents::include), std::nullopt);
    EXPECT_TRUE(accepted) << accepted.error().detail;
    if (!accepted) return std::make_shared<const Job>();
    constexpr std::chrono::seconds broken{40};  // only broken code takes so long
    auto job = jobs_->wait(kAdmin, accepted->job->id, system_clock().mono() + broken);
    EXPECT_TRUE(job && (*job)->state == JobState::done) << "the job has not ended";
    return job ? *job : std::make_shared<const Job>();
  }
  States states() {
    States all;
    for (const auto& [name, service] : estate_)
      all[name] = paper_->status(name).state;
    return all;
  }
  std::uint32_t pid(const std::string& name) { return paper_->status(name).pid; }
  std::string sharing(const std::string& name, const std::string& others) {
    return name + " shares its process (" + std::to_string(pid(name)) + ") with " + others +
           "; what it takes down there goes down with it";
  }
  Names sent(const std::string& control) {
    Names names;
    for (const auto& one : paper_->sent()) {
      if (one.starts_with(control + " ")) names.push_back(one.substr(control.size() + 1));
    }
    return names;
  }

  std::shared_ptr<PaperScm> paper_ = std::make_shared<PaperScm>();

 private:
  void add(const EstateService& service) {
    const std::string name(service.name);
    estate_[name] = service;
    PaperScm::Service made;
    made.config = {.display_name = std::string(service.display_name),
                   .start = service.automatic ? start::automatic : start::demand,
                   .dependencies = {service.depends_on.begin(), service.depends_on.end()}};
    if (!service.process.empty()) {
      made.status.type = made.config.type = type::share_process;
    }
    made.answers = [this, name](std::uint32_t control) { return take(name, control); };
    paper_->add(name, std::move(made));
    if (service.automatic) run(name);
  }

  // On the thread that sends; the manager hands controls on one at a time here.
  Code take(const std::string& name, std::uint32_t control) {
    const std::lock_guard lock(mutex_);
    switch (control) {
      case 0:
        for (const auto dependency : estate_.at(name).depends_on) {
          const std::string needed(dependency);
          if (estate_.contains(needed) && !is_up(needed)) return code::dependency_failed;
        }
        run(name);
        return code::success;
      case control::stop: {
        for (const auto& [other, its] : estate_) {
          const auto& needs = its.depends_on;
          const bool hangs_on_it = std::find(needs.begin(), needs.end(), name) != needs.end();
          if (hangs_on_it && is_up(other)) return code::dependents_running;
        }
        const std::uint32_t pid = paper_->status(name).pid;
        paper_->stopped(name);
        if (pid_of_host(name) == 0) paper_->end_process(pid);
        return code::success;
      }
      default:
        paper_->report(name, control == control::pause ? state::paused : state::running);
        return code::success;
    }
  }
  bool is_up(const std::string& name) { return paper_->status(name).state != state::stopped; }
  void run(const std::string& name) { paper_->run(name, pid_of_host(name)); }
  // The process that services of the same one run in; 0: none does.
  std::uint32_t pid_of_host(const std::string& name) {
    const auto process = estate_.at(name).process;
    for (const auto& [other, its] : estate_) {
      if (!process.empty() && its.process == process && is_up(other)) {
        return paper_->status(other).pid;
      }
    }
    return 0;
  }

  std::mutex mutex_;
  std::map<std::string, EstateService> estate_;
  std::filesystem::path directory_;
  EventFeed events_{"epoch"};
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<WindowsScm> scm_;
  std::unique_ptr<Jobs> jobs_;
};

TEST_F(AnEstateOnPaper, OfIis6NamesWhatGoesDownAndWhoSharesInetinfo) {
  install(::services::windows::kIis6);
  begin();
  const DryRun dry = dry_restart_of("iisadmin");
  EXPECT_THAT(dry.plan.goes_down,
              UnorderedElementsAre("AntiSpam", "IISADMIN", "IMAP4Svc", "MSExchangeMTA", "NNTPSVC",
                                   "POP3SVC", "RESvc", "SMTPSVC", "W3SVC"));
  ASSERT_TRUE(dry.refusal);
  EXPECT_EQ(dry.refusal->kind, ErrorKind::dependents_running);
  // MSFTPSVC is down and so has no process.
  EXPECT_THAT(dry.plan.warnings,
              Contains(sharing("IISADMIN", "IMAP4Svc, NNTPSVC, POP3SVC, RESvc, SMTPSVC")));
  EXPECT_THAT(dry.plan.warnings,
              Contains(sharing("SMTPSVC", "IISADMIN, IMAP4Svc, NNTPSVC, POP3SVC, RESvc")));
  EXPECT_THAT(paper_->sent(), IsEmpty());
}

TEST_F(AnEstateOnPaper, OfIis6IsRestoredExactlyFromItsRoot) {
  install(::services::windows::kIis6);
  const auto store = pid("MSExchangeIS");
  const auto inetinfo = pid("IISADMIN");
  paper_->report("W3SVC", state::paused);
  paper_->report("NNTPSVC", state::paused);  // one of those that share a process
  begin();
  const States found = states();
  const JobPtr job = restart("IISADMIN");
  EXPECT_EQ(job->result, JobResult::succeeded);
  EXPECT_THAT(job->down, IsEmpty());
  EXPECT_EQ(states(), found);
  EXPECT_EQ(sent("1").size(), 9U);  // each once
  EXPECT_EQ(sent("1").back(), "IISADMIN");
  EXPECT_THAT(sent("2"), UnorderedElementsAre("W3SVC", "NNTPSVC"));
  EXPECT_FALSE(paper_->process_runs(inetinfo));
  EXPECT_EQ(pid("SMTPSVC"), pid("IISADMIN"));
  EXPECT_EQ(pid("MSExchangeIS"), store);  // hangs on other things
}

TEST_F(AnEstateOnPaper, IsRestoredToWhatItWasAMomentBeforeTheJob) {
  install(::services::windows::kIis6);
  begin();
  // Nobody watches them, so nobody tells.
  paper_->report("W3SVC", state::paused);
  paper_->stopped("NNTPSVC");
  const States found = states();
  const JobPtr job = restart("IISADMIN");
  EXPECT_EQ(job->result, JobResult::succeeded);
  EXPECT_EQ(states(), found);
}

TEST_F(AnEstateOnPaper, OfIis6RestartsOneOfASharedProcessAlone) {
  install(::services::windows::kIis6);
  begin();
  const auto inetinfo = pid("IISADMIN");
  const States found = states();
  const JobPtr job = restart("SMTPSVC");
  EXPECT_EQ(job->result, JobResult::succeeded);
  EXPECT_EQ(states(), found);
  EXPECT_THAT(sent("1"), ElementsAre("AntiSpam", "SMTPSVC"));
  EXPECT_TRUE(paper_->process_runs(inetinfo));
  EXPECT_EQ(pid("SMTPSVC"), inetinfo);
}

TEST_F(AnEstateOnPaper, OfIis7NamesW3svcAndTheActivatorsAndWhoSharesTheirProcesses) {
  install(::services::windows::kIis7);
  begin();
  const DryRun dry = dry_restart_of("was");
  EXPECT_THAT(dry.plan.goes_down, UnorderedElementsAre("NetMsmqActivator", "NetPipeActivator",
                                                       "NetTcpActivator", "W3SVC", "WAS"));
  ASSERT_TRUE(dry.refusal);
  EXPECT_EQ(dry.refusal->kind, ErrorKind::dependents_running);
  EXPECT_THAT(dry.plan.warnings, Contains(sharing("WAS", "W3SVC")));
  EXPECT_THAT(dry.plan.warnings,
              Contains(sharing("NetTcpActivator",
                               "NetMsmqActivator, NetPipeActivator, NetTcpPortSharing")));
}

TEST_F(AnEstateOnPaper, OfIis7IsRestoredExactlyFromItsRoot) {
  install(::services::windows::kIis7);
  const auto sharing_port = pid("NetTcpPortSharing");
  paper_->report("NetPipeActivator", state::paused);
  paper_->stopped("NetMsmqActivator");  // on purpose
  begin();
  const States found = states();
  const JobPtr job = restart("WAS");
  EXPECT_EQ(job->result, JobResult::succeeded);
  EXPECT_THAT(job->down, IsEmpty());
  EXPECT_EQ(states(), found);
  EXPECT_THAT(sent("1"),
              UnorderedElementsAre("NetPipeActivator", "NetTcpActivator", "W3SVC", "WAS"));
  EXPECT_EQ(sent("1").back(), "WAS");
  EXPECT_THAT(sent("start"),
              UnorderedElementsAre("NetPipeActivator", "NetTcpActivator", "W3SVC", "WAS"));
  EXPECT_EQ(sent("start").front(), "WAS");
  // Their host goes on with the one that hangs on nothing here.
  EXPECT_EQ(pid("NetTcpPortSharing"), sharing_port);
  EXPECT_EQ(pid("NetTcpActivator"), sharing_port);
}

}  // namespace
}  // namespace noforce::windows::testing
