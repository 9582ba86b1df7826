// The backend over a service control manager on paper. What is shown here is what the backend makes of
// our reading of the documentation; tests/windows/real_scm_windows_test.cpp shows it on a manager that runs.
#include "core/scm/windows/backend.hpp"

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <future>
#include <mutex>
#include <new>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/graph.hpp"
#include "core/job.hpp"
#include "tests/support/listener.hpp"
#include "tests/windows/paper_scm.hpp"

namespace noforce::windows::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::chrono::seconds kBroken{40};  // only broken code waits for so long

// Holds the thread that sends a control, until the test lets it go.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  [[nodiscard]] bool wait_for(int waiting) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, kBroken, [&] { return waiting_ >= waiting; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

class APaperScm : public ::testing::Test {
 protected:
  APaperScm() : paper_(std::make_shared<PaperScm>()) {
    folder_ = fs::temp_directory_path() /
              ("noforce-windows-" +
               std::to_string(std::chrono::steady_clock::now().time_since_epoch().count()));
    fs::create_directory(folder_);
  }
  ~APaperScm() override {
    scm_.reset();
    fs::remove_all(folder_);
  }

  // Starts the agent's backend, or the next one's after it died.
  Result<void> begin(const std::string& own_service = {}) {
    scm_.reset();
    scm_ = std::make_unique<WindowsScm>(
        WindowsOptions{.state_dir = folder_, .own_service = own_service}, system_clock(), paper_);
    return scm_->start(listener_, Milliseconds(20'000));
  }
  noforce::Service service(const std::string& name) {
    const PicturePtr picture = scm_->snapshot();
    const noforce::Service* found = picture->find(name);
    return found == nullptr ? noforce::Service{} : *found;
  }
  ControlToken send(ControlOp op, const std::string& name, std::optional<ControlToken> token = {}) {
    if (!token) token = ControlToken{.job = "01KB", .step = next_++, .attempt = 1};
    Control control{
        .op = op, .service = name, .token = *token, .comment = "noforce job 01KB by me"};
    if (op != ControlOp::start) control.instance = service(name).instance;
    scm_->submit(std::move(control));
    return *token;
  }
  Result<void> answer(const ControlToken& token) {
    if (!listener_.wait([&] { return listener_.answer(token).has_value(); })) {
      return fail(ErrorKind::internal, "no answer came");
    }
    return *listener_.answer(token);
  }
  Result<void> control(ControlOp op, const std::string& name) { return answer(send(op, name)); }
  bool wait_for(const std::string& name, ServiceState state) {
    return listener_.wait([&] { return service(name).state == state; });
  }

  fs::path folder_;
  std::shared_ptr<PaperScm> paper_;
  test::Listener listener_;
  std::unique_ptr<WindowsScm> scm_;
  std::uint32_t next_ = 1;
};

TEST_F(APaperScm, IsShownWithNamesStatesAndDependencies) {
  paper_->add("IISADMIN", {.config = {.display_name = "IIS Admin", .start = start::automatic}});
  paper_->add("W3SVC",
              {.config = {.display_name = "World Wide Web", .dependencies = {"iisadmin", "HTTP"}}});
  paper_->driver("HTTP");
  const auto pid = paper_->run("IISADMIN");
  ASSERT_TRUE(begin());
  const PicturePtr picture = scm_->snapshot();
  EXPECT_TRUE(picture->complete);
  ASSERT_EQ(picture->services.size(), 2U);
  EXPECT_EQ(service("IISADMIN").state, ServiceState::running);
  EXPECT_EQ(service("IISADMIN").instance->pid, pid);
  EXPECT_EQ(service("IISADMIN").start_type, StartType::automatic);
  EXPECT_EQ(service("W3SVC").state, ServiceState::stopped);
  EXPECT_THAT(service("W3SVC").depends_on, ElementsAre("IISADMIN"));
  EXPECT_THAT(picture->graph->dependents("IISADMIN"), ElementsAre("W3SVC"));
}

TEST_F(APaperScm, ListsItsDriversAgainWhereAServiceDependsOnWhatNobodyKnows) {
  paper_->add("W3SVC");
  ASSERT_TRUE(begin());
  paper_->driver("HTTP");
  paper_->add("WMSVC", {.config = {.dependencies = {"http"}}});
  scm_->refresh({});
  ASSERT_TRUE(listener_.wait([&] { return scm_->snapshot()->find("WMSVC") != nullptr; }));
  EXPECT_THAT(service("WMSVC").depends_on, IsEmpty());
  // The other way round: first the service, then what it depends on.
  paper_->add("NetMsmqActivator", {.config = {.dependencies = {"MQAC"}}});
  scm_->refresh({});
  ASSERT_TRUE(
      listener_.wait([&] { return scm_->snapshot()->find("NetMsmqActivator") != nullptr; }));
  EXPECT_THAT(service("NetMsmqActivator").depends_on, ElementsAre("MQAC"));
  paper_->driver("mqac");
  scm_->refresh({});
  EXPECT_TRUE(listener_.wait([&] { return service("NetMsmqActivator").depends_on.empty(); }));
}

TEST_F(APaperScm, MatchesNamesInAnyCaseAndByDisplayName) {
  paper_->add("W3SVC", {.config = {.display_name = "World Wide Web"}});
  paper_->add("A", {.config = {.display_name = "Twin"}});
  paper_->add("B", {.config = {.display_name = "Twin"}});
  ASSERT_TRUE(begin());
  EXPECT_EQ(scm_->resolve("w3svc"), "W3SVC");
  EXPECT_EQ(scm_->resolve("world wide WEB"), "W3SVC");
  EXPECT_FALSE(scm_->resolve("twin"));
  EXPECT_FALSE(scm_->resolve("W3"));
}

TEST_F(APaperScm, IsAskedForNoMoreRightsThanEachCallNeeds) {
  paper_->add("W3SVC");
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::pause, "W3SVC"));
  ASSERT_TRUE(control(ControlOp::stop, "W3SVC"));
  ASSERT_TRUE(control(ControlOp::start, "W3SVC"));
  const std::uint32_t looking = right::query_status;
  const std::uint32_t reading = right::query_config | right::enumerate_dependents;
  EXPECT_THAT(paper_->rights("W3SVC"),
              ElementsAre(looking, reading, right::start, looking | right::stop,
                          looking | right::pause_continue));
  EXPECT_THAT(
      paper_->manager_rights(),
      ElementsAre(right::manager_connect, right::manager_connect | right::manager_enumerate));
}

TEST_F(APaperScm, HoldsNoServiceOpenSoThatItCanBeDeleted) {
  for (const char* name : {"A", "B", "C"})
    paper_->add(name);
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::start, "A"));
  ASSERT_TRUE(wait_for("A", ServiceState::running));
  // The manager's own handle and A's process.
  EXPECT_TRUE(listener_.wait([&] { return paper_->open_handles() == 2; }));
}

TEST_F(APaperScm, ShowsTheEffectBeforeItAnswers) {
  paper_->add("W3SVC");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::start, "W3SVC"));
  EXPECT_EQ(service("W3SVC").state, ServiceState::running);
  ASSERT_TRUE(control(ControlOp::pause, "W3SVC"));
  EXPECT_EQ(service("W3SVC").state, ServiceState::paused);
  ASSERT_TRUE(control(ControlOp::resume, "W3SVC"));
  EXPECT_EQ(service("W3SVC").state, ServiceState::running);
  ASSERT_TRUE(control(ControlOp::reload, "W3SVC"));
  ASSERT_TRUE(control(ControlOp::stop, "W3SVC"));
  EXPECT_EQ(service("W3SVC").state, ServiceState::stopped);
  EXPECT_THAT(paper_->sent(),
              ElementsAre("start W3SVC", "2 W3SVC", "3 W3SVC", "6 W3SVC", "1 W3SVC"));
}

TEST_F(APaperScm, HearsJobAndPrincipalAsTheReasonOfAStop) {
  paper_->add("W3SVC");
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::stop, "W3SVC"));
  EXPECT_THAT(paper_->reasons(), ElementsAre("40040002 noforce job 01KB by me"));
}

TEST_F(APaperScm, IsSentAPlainStopWhereItTakesNoReasons) {
  paper_->without_reasons();
  paper_->add("W3SVC");
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::stop, "W3SVC"));
  EXPECT_THAT(paper_->sent(), ElementsAre("1 W3SVC"));
}

TEST_F(APaperScm, TakesAReasonOf127CharactersAtMost) {
  EXPECT_EQ(cut_comment(std::string(200, 'x')), std::string(127, 'x'));
  std::string umlauts;
  for (int n = 0; n < 200; ++n)
    umlauts += "\xC3\xBC";
  EXPECT_EQ(cut_comment(umlauts).size(), 2U * 127U);
  EXPECT_EQ(cut_comment("short"), "short");
}

TEST_F(APaperScm, SaysThatDependentsRunWithTheirNamesInStopOrder) {
  // 1051 comes although the configuration showed no dependents: somebody has just added them.
  paper_->add("IISADMIN", {.answers = [](std::uint32_t) { return code::dependents_running; }});
  paper_->add("SMTPSVC");
  paper_->add("AntiSpam");
  for (const char* name : {"IISADMIN", "SMTPSVC", "AntiSpam"})
    paper_->run(name);
  ASSERT_TRUE(begin());
  EXPECT_THAT(scm_->snapshot()->graph->dependents("IISADMIN"), IsEmpty());
  paper_->change("SMTPSVC", [](auto& it) { it.config.dependencies = {"IISADMIN"}; });
  paper_->change("AntiSpam", [](auto& it) { it.config.dependencies = {"SMTPSVC"}; });
  const auto refused = control(ControlOp::stop, "IISADMIN");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::dependents_running);
  EXPECT_EQ(refused.error().native_code, 1051);
  EXPECT_EQ(refused.error().native_name, "ERROR_DEPENDENT_SERVICES_RUNNING");
  EXPECT_THAT(refused.error().dependents, ElementsAre("AntiSpam", "SMTPSVC"));
  EXPECT_THAT(scm_->snapshot()->graph->dependents("IISADMIN"), ElementsAre("SMTPSVC"));
  EXPECT_GE(listener_.inventories(), 1);
}

TEST_F(APaperScm, RefusesWithItsNumberAndName) {
  paper_->add("W3SVC", {.answers = [](std::uint32_t) { return code::invalid_control; }});
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  const auto refused = control(ControlOp::stop, "W3SVC");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::control_not_accepted);
  EXPECT_EQ(refused.error().native_code, 1052);
  EXPECT_EQ(refused.error().native_name, "ERROR_INVALID_SERVICE_CONTROL");
  EXPECT_EQ(refused.error().effect, Effect::none);
  EXPECT_EQ(service("W3SVC").state, ServiceState::running);
}

TEST_F(APaperScm, MayTimeOutAndTheStopComesAllTheSame) {
  paper_->add("W3SVC", {.answers = [](std::uint32_t) { return code::request_timeout; }});
  const auto pid = paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(scm_->prepare("01KB", {"W3SVC"}));
  const auto late = control(ControlOp::stop, "W3SVC");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::timeout);
  EXPECT_EQ(late.error().native_code, 1053);
  EXPECT_EQ(late.error().effect, Effect::unknown);
  EXPECT_EQ(service("W3SVC").state, ServiceState::running);
  paper_->report("W3SVC", state::stop_pending, 1, 5'000);
  ASSERT_TRUE(wait_for("W3SVC", ServiceState::stop_pending));
  paper_->stopped("W3SVC");
  paper_->end_process(pid);
  EXPECT_TRUE(listener_.wait([&] { return !service("W3SVC").instance; }));
  EXPECT_EQ(service("W3SVC").state, ServiceState::stopped);
}

TEST_F(APaperScm, IsBusyWhileItsDatabaseIsLockedAndTakesTheNextTry) {
  std::atomic<int> tries = 0;
  paper_->add("W3SVC", {.answers = [&](std::uint32_t) {
                if (++tries == 1) return code::database_locked;
                paper_->run("W3SVC");
                return code::success;
              }});
  ASSERT_TRUE(begin());
  const auto locked = control(ControlOp::start, "W3SVC");
  ASSERT_FALSE(locked);
  EXPECT_EQ(locked.error().kind, ErrorKind::busy);
  EXPECT_EQ(locked.error().native_name, "ERROR_SERVICE_DATABASE_LOCKED");
  EXPECT_EQ(locked.error().effect, Effect::none);
  EXPECT_TRUE(control(ControlOp::start, "W3SVC"));
}

TEST_F(APaperScm, ThatIsBusyWithOneServiceBlocksNeitherTheOthersNorThePicture) {
  Gate gate;
  paper_->add("Busy", {.answers = [&](std::uint32_t) {
                gate.pass();
                return code::request_timeout;
              }});
  paper_->add("W3SVC");
  paper_->run("Busy");
  ASSERT_TRUE(begin());
  const auto busy = send(ControlOp::stop, "Busy");
  ASSERT_TRUE(gate.wait_for(1));
  EXPECT_TRUE(control(ControlOp::start, "W3SVC"));
  EXPECT_EQ(service("W3SVC").state, ServiceState::running);
  EXPECT_FALSE(listener_.answer(busy));
  gate.open();
  EXPECT_FALSE(answer(busy));
}

TEST_F(APaperScm, IsNeverSentTwoControlsOfOneServiceAtOnceNorMoreThanTheBound) {
  Gate gate;
  constexpr int kMany = static_cast<int>(ControlCrew::kMost) + 4;
  for (int n = 0; n < kMany; ++n) {
    const std::string name = "Busy" + std::to_string(n);
    paper_->add(name, {.answers = [&](std::uint32_t) {
                  gate.pass();
                  return code::success;
                }});
    paper_->run(name);
  }
  ASSERT_TRUE(begin());
  std::vector<ControlToken> tokens;
  tokens.push_back(send(ControlOp::pause, "Busy0"));
  tokens.push_back(send(ControlOp::resume, "Busy0"));
  for (int n = 1; n < kMany; ++n)
    tokens.push_back(send(ControlOp::pause, "Busy" + std::to_string(n)));
  ASSERT_TRUE(gate.wait_for(static_cast<int>(ControlCrew::kMost)));
  const auto sent = paper_->sent();
  EXPECT_EQ(sent.size(), ControlCrew::kMost);
  EXPECT_EQ(std::count(sent.begin(), sent.end(), "3 Busy0"), 0);
  gate.open();
  for (const auto& token : tokens)
    EXPECT_TRUE(answer(token));
  EXPECT_EQ(paper_->sent().size(), tokens.size());
}

TEST_F(APaperScm, DoesNotHoldUpTheAgentsEndWithACallThatBlocks) {
  auto gate = std::make_shared<Gate>();
  paper_->add("Busy", {.answers = [gate](std::uint32_t) {
                gate->pass();
                return code::success;
              }});
  paper_->run("Busy");
  ASSERT_TRUE(begin());
  const auto token = send(ControlOp::stop, "Busy");
  ASSERT_TRUE(gate->wait_for(1));
  scm_->stop();
  EXPECT_FALSE(listener_.answer(token));
  gate->open();
}

TEST_F(APaperScm, ThatSaysTheClientLagsIsOpenedAnewAndLookedAtAgain) {
  paper_->add("W3SVC");
  const auto pid = paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  const int opened = paper_->managers_opened();
  paper_->lag_once();
  ASSERT_TRUE(scm_->prepare("01KB", {"W3SVC"}));
  ASSERT_FALSE(control(ControlOp::stop, "Nobody"));  // the backend has been around once
  EXPECT_EQ(paper_->watches(), 1);
  EXPECT_EQ(paper_->managers_opened(), opened + 1);
  EXPECT_EQ(listener_.losses(), 0);
  paper_->report("W3SVC", state::stop_pending, 1, 60'000);
  EXPECT_TRUE(wait_for("W3SVC", ServiceState::stop_pending));
  paper_->stopped("W3SVC");
  paper_->end_process(pid);
  EXPECT_TRUE(listener_.wait([&] { return !service("W3SVC").instance; }));
}

TEST_F(APaperScm, ThatIsOpenedAnewIsNotMissedByWhatWasAskedInTheSameBreath) {
  for (const char* name : {"W3SVC", "SMTPSVC"}) {
    paper_->add(name);
    paper_->run(name);
  }
  ASSERT_TRUE(begin());
  paper_->lag_once();
  paper_->hold();
  scm_->watch({"W3SVC"});  // hears of 1294
  const auto stop = send(ControlOp::stop, "SMTPSVC");
  auto prepared = std::async(std::launch::async, [&] { return scm_->prepare("01KB", {"W3SVC"}); });
  ASSERT_TRUE(paper_->has_been_asked(3));
  paper_->let_go();
  EXPECT_TRUE(answer(stop));
  EXPECT_TRUE(prepared.get());
  EXPECT_EQ(listener_.losses(), 0);
}

TEST_F(APaperScm, WhoseCallFailsInTheAgentTakesNoOtherRequestWithIt) {
  for (const char* name : {"Broken", "W3SVC"})
    paper_->add(name);
  std::atomic<bool> breaks = false;
  paper_->at_query_config([&](const std::string& name) {
    if (breaks && name == "Broken") throw std::bad_alloc();
  });
  ASSERT_TRUE(begin());
  breaks = true;
  paper_->hold();
  scm_->refresh({"Broken"});
  const auto started = send(ControlOp::start, "W3SVC");
  ASSERT_TRUE(paper_->has_been_asked(2));
  paper_->let_go();
  EXPECT_TRUE(answer(started));
  paper_->hold();
  scm_->refresh({"Broken"});
  auto ended = std::async(std::launch::async, [&] { scm_->stop(); });
  ASSERT_TRUE(paper_->has_been_asked(2));
  paper_->let_go();
  ended.get();
}

TEST_F(APaperScm, WhoseCallFailsInTheAgentAnswersThatTheEffectIsNotKnown) {
  paper_->add("W3SVC");
  paper_->run("W3SVC");
  std::atomic<bool> breaks = false;
  paper_->at_open_process([&](std::uint32_t) {
    if (breaks) throw std::bad_alloc();
  });
  ASSERT_TRUE(begin());
  breaks = true;
  paper_->hold();
  paper_->end_process(paper_->status("W3SVC").pid);
  paper_->run("W3SVC");  // so that its process has to be opened
  const auto token = send(ControlOp::stop, "W3SVC");
  paper_->let_go();
  const auto lost = answer(token);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().kind, ErrorKind::internal);
  EXPECT_EQ(lost.error().effect, Effect::unknown);
  EXPECT_FALSE(scm_->prepare("01KB", {"W3SVC"}));
}

TEST_F(APaperScm, WhoseAnswerMeetsAFailureInTheAgentIsToldAsOneWhoseEffectIsNotKnown) {
  paper_->add("W3SVC");
  std::atomic<bool> breaks = true;
  paper_->at_open_process([&](std::uint32_t) {
    if (breaks) throw std::bad_alloc();
  });
  ASSERT_TRUE(begin());
  const auto lost = control(ControlOp::start, "W3SVC");  // it came up, and cannot be looked at
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().effect, Effect::unknown);
  breaks = false;
  scm_->refresh({"W3SVC"});
  EXPECT_TRUE(wait_for("W3SVC", ServiceState::running));
}

TEST_F(APaperScm, WithoutNotificationsIsLookedAtInstead) {
  paper_->without_notifications();
  paper_->add("W3SVC");
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(scm_->prepare("01KB", {"W3SVC"}));
  paper_->report("W3SVC", state::stop_pending, 1, 60'000);
  EXPECT_TRUE(wait_for("W3SVC", ServiceState::stop_pending));
}

TEST_F(APaperScm, IsSeenByTheRoundWhereNobodyTells) {
  paper_->add("W3SVC");
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  paper_->report("W3SVC", state::paused);  // nobody has asked to hear of it
  EXPECT_TRUE(wait_for("W3SVC", ServiceState::paused));
}

TEST_F(APaperScm, SaysStoppedBeforeTheProcessIsGone) {
  paper_->add("W3SVC", {.answers = [this](std::uint32_t) {
                paper_->stopped("W3SVC");
                return code::success;
              }});
  const auto pid = paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::stop, "W3SVC"));
  EXPECT_EQ(service("W3SVC").state, ServiceState::stopped);
  ASSERT_TRUE(service("W3SVC").instance);
  EXPECT_EQ(service("W3SVC").instance->pid, pid);
  paper_->end_process(pid);
  EXPECT_TRUE(listener_.wait([&] { return !service("W3SVC").instance; }));
}

TEST_F(APaperScm, KeepsTheProcessOfAServiceWhoseJobIsOver) {
  paper_->add("W3SVC", {.answers = [](std::uint32_t) { return code::success; }});
  const auto pid = paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(scm_->prepare("01KB", {"W3SVC"}));
  ASSERT_TRUE(control(ControlOp::stop, "W3SVC"));
  scm_->release("01KB");
  paper_->stopped("W3SVC");
  ASSERT_TRUE(wait_for("W3SVC", ServiceState::stopped));
  EXPECT_TRUE(service("W3SVC").instance);
  paper_->end_process(pid);
  EXPECT_TRUE(listener_.wait([&] { return !service("W3SVC").instance; }));
}

TEST_F(APaperScm, WhoseServiceLosesItsPidWhileThatIsOpenedIsFollowedToItsNewProcess) {
  paper_->add("W3SVC");
  const auto before = paper_->run("W3SVC");
  std::uint32_t now = 0;
  paper_->at_open_process([&](std::uint32_t pid) {
    if (pid != before || now != 0) return;
    paper_->end_process(pid);
    paper_->take_over(pid);
    now = paper_->run("W3SVC");
  });
  ASSERT_TRUE(begin());
  ASSERT_TRUE(service("W3SVC").instance);
  EXPECT_EQ(service("W3SVC").instance->pid, now);
  EXPECT_TRUE(paper_->is_held(now));
  EXPECT_FALSE(paper_->is_held(before));  // that one is a stranger's
}

TEST_F(APaperScm, WhoseServiceStopsWhileItsPidIsOpenedHoldsNoStranger) {
  paper_->add("W3SVC");
  const auto before = paper_->run("W3SVC");
  paper_->at_open_process([&](std::uint32_t pid) {
    paper_->stopped("W3SVC");
    paper_->end_process(pid);
    paper_->take_over(pid);
  });
  ASSERT_TRUE(begin());
  EXPECT_EQ(service("W3SVC").state, ServiceState::stopped);
  EXPECT_FALSE(service("W3SVC").instance);
  EXPECT_FALSE(paper_->is_held(before));
}

TEST_F(APaperScm, IsListedAgainOnceManyConfigurationsWereRead) {
  paper_->add("IISADMIN");
  paper_->add("W3SVC");
  paper_->run("IISADMIN");
  paper_->run("W3SVC");
  paper_->at_query_config([&](const std::string& name) {
    if (name == "W3SVC") paper_->report("IISADMIN", state::paused);
  });
  ASSERT_TRUE(begin());
  EXPECT_EQ(service("IISADMIN").state, ServiceState::paused);
}

TEST_F(APaperScm, StopsOneServiceOfASharedProcessAndTheOthersRunOn) {
  for (const char* name : {"IISADMIN", "SMTPSVC", "NNTPSVC"}) {
    paper_->add(name,
                {.status = {.type = type::share_process}, .answers = [this, name](std::uint32_t) {
                   paper_->stopped(name);
                   return code::success;
                 }});
    paper_->run(name, 700);
  }
  ASSERT_TRUE(begin());
  EXPECT_THAT(scm_->plan_warnings("IISADMIN"),
              ElementsAre("IISADMIN shares its process (700) with NNTPSVC, SMTPSVC; what it takes "
                          "down there goes down with it"));
  const Instance before = *service("SMTPSVC").instance;
  ASSERT_TRUE(control(ControlOp::stop, "SMTPSVC"));
  EXPECT_EQ(service("SMTPSVC").state, ServiceState::stopped);
  EXPECT_FALSE(service("SMTPSVC").instance);
  EXPECT_EQ(service("IISADMIN").state, ServiceState::running);
  paper_->change("SMTPSVC", [](auto& it) { it.answers = nullptr; });
  paper_->run("SMTPSVC", 700);
  scm_->refresh({});
  ASSERT_TRUE(wait_for("SMTPSVC", ServiceState::running));
  EXPECT_EQ(service("SMTPSVC").instance->pid, 700);
  EXPECT_FALSE(*service("SMTPSVC").instance == before);  // the same process, and another run
  // So a stop that is meant for the first run is not sent to the second.
  const ControlToken token{.job = "01KB", .step = 90, .attempt = 1};
  const auto sent = paper_->sent().size();
  scm_->submit({.op = ControlOp::stop, .service = "SMTPSVC", .instance = before, .token = token});
  const auto refused = answer(token);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::not_active);
  EXPECT_EQ(paper_->sent().size(), sent);
}

TEST_F(APaperScm, StartsAServiceAgainByATriggerAndItIsSeenAsAnotherInstance) {
  paper_->add("W32Time",
              {.triggers = {{.kind = 3, .starts = true}}, .answers = [this](std::uint32_t) {
                 const auto pid = paper_->status("W32Time").pid;
                 paper_->stopped("W32Time");
                 paper_->end_process(pid);
                 paper_->run("W32Time");  // before anybody could look
                 return code::success;
               }});
  paper_->run("W32Time");
  ASSERT_TRUE(begin());
  EXPECT_THAT(scm_->plan_warnings("W32Time"),
              ElementsAre(HasSubstr("has a trigger, so Windows starts it again by itself when the "
                                    "machine joins or leaves a domain")));
  const Instance before = *service("W32Time").instance;
  ASSERT_TRUE(control(ControlOp::stop, "W32Time"));
  EXPECT_EQ(service("W32Time").state, ServiceState::running);
  EXPECT_FALSE(*service("W32Time").instance == before);
}

TEST_F(APaperScm, WarnsOfRecoveryActions) {
  paper_->add("IISADMIN", {.recovery = {.steps = {{RecoveryAction::run_command, 1'000},
                                                  {RecoveryAction::reboot, 60'000}}}});
  ASSERT_TRUE(begin());
  EXPECT_THAT(scm_->plan_warnings("IISADMIN"),
              ElementsAre(HasSubstr("run a command after 1 s, REBOOT THE MACHINE after 60 s")));
}

TEST_F(APaperScm, WarnsOfTriggersAndRecoveryActionsThatWereChangedWhileNothingElseWas) {
  paper_->add("IISADMIN");
  ASSERT_TRUE(begin());
  EXPECT_THAT(scm_->plan_warnings("IISADMIN"), IsEmpty());
  paper_->change("IISADMIN", [](auto& it) {
    it.recovery.steps = {{RecoveryAction::reboot, 60'000}};
    it.triggers = {{.kind = 2, .starts = true}};
  });
  scm_->refresh({"IISADMIN"});
  ASSERT_TRUE(listener_.wait([&] { return scm_->plan_warnings("IISADMIN").size() == 2; }));
  EXPECT_THAT(scm_->plan_warnings("IISADMIN"),
              ElementsAre(HasSubstr("has a trigger"), HasSubstr("REBOOT THE MACHINE")));
}

TEST_F(APaperScm, ShowsAProcessThatDiesWhileItStops) {
  paper_->add("SMTPSVC", {.answers = [this](std::uint32_t) {
                paper_->report("SMTPSVC", state::stop_pending, 1, 30'000);
                return code::success;
              }});
  const auto pid = paper_->run("SMTPSVC");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::stop, "SMTPSVC"));
  paper_->end_process(pid, 3);
  paper_->stopped("SMTPSVC", code::process_aborted);
  ASSERT_TRUE(listener_.wait([&] { return !service("SMTPSVC").instance; }));
  EXPECT_EQ(service("SMTPSVC").exit->code, 1067);
  EXPECT_THAT(service("SMTPSVC").status_text, HasSubstr("without reporting that it stopped"));
}

TEST_F(APaperScm, ThatDoesNotNoticeADeadProcessIsNotBelieved) {
  paper_->add("W3SVC");
  const auto pid = paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  paper_->end_process(pid, 0xC0000005);
  ASSERT_TRUE(wait_for("W3SVC", ServiceState::stopped));
  EXPECT_FALSE(service("W3SVC").instance);
  EXPECT_THAT(scm_->plan_warnings("W3SVC"),
              ElementsAre("the service manager still says running of a process that has ended"));
}

TEST_F(APaperScm, WhoseProcessMayNotBeOpenedSaysSoInThePlan) {
  paper_->add("WinDefend");
  paper_->deny_process(paper_->run("WinDefend"));
  ASSERT_TRUE(begin());
  EXPECT_THAT(scm_->plan_warnings("WinDefend"), ElementsAre(HasSubstr("cannot be watched")));
  ASSERT_TRUE(control(ControlOp::pause, "WinDefend"));
}

TEST_F(APaperScm, RefusesAStopOfAnInstanceThatIsGoneWithoutSendingIt) {
  paper_->add("W3SVC");
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  const ControlToken token{.job = "01KB", .step = 1, .attempt = 1};
  scm_->submit({.op = ControlOp::stop,
                .service = "W3SVC",
                .instance = Instance{.pid = 4, .key = "4:1"},
                .token = token});
  const auto refused = answer(token);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::not_active);
  EXPECT_EQ(refused.error().native_code, 1062);
  EXPECT_THAT(paper_->sent(), IsEmpty());
}

TEST_F(APaperScm, SaysOfAServiceThatIsGoneThatThereIsNone) {
  paper_->add("W3SVC");
  ASSERT_TRUE(begin());
  paper_->remove("W3SVC");
  scm_->refresh({});
  ASSERT_TRUE(listener_.wait([&] { return scm_->snapshot()->find("W3SVC") == nullptr; }));
  EXPECT_GE(listener_.inventories(), 1);
  const auto refused = control(ControlOp::start, "W3SVC");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::unknown_service);
  paper_->add("Fresh");
  scm_->refresh({});
  EXPECT_TRUE(listener_.wait([&] { return scm_->snapshot()->find("Fresh") != nullptr; }));
}

TEST_F(APaperScm, JoinsAStopThatIsUnderWay) {
  paper_->add("W3SVC", {.answers = [this](std::uint32_t) {
                paper_->report("W3SVC", state::stop_pending, 1, 30'000);  // somebody was faster
                return code::cannot_accept;
              }});
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  EXPECT_TRUE(control(ControlOp::stop, "W3SVC"));
}

// ---- the same token again

TEST_F(APaperScm, IsSentATokenOnce) {
  Gate gate;
  paper_->add("W3SVC", {.answers = [&](std::uint32_t) {
                gate.pass();
                return code::invalid_control;
              }});
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  const auto token = send(ControlOp::stop, "W3SVC");
  send(ControlOp::stop, "W3SVC", token);
  ASSERT_TRUE(gate.wait_for(1));
  gate.open();
  EXPECT_FALSE(answer(token));
  send(ControlOp::stop, "W3SVC", token);
  ASSERT_TRUE(listener_.wait([&] { return listener_.answers(token) == 2; }));
  EXPECT_EQ((*listener_.answer(token)).error().native_code, 1052);
  EXPECT_THAT(paper_->sent(), ElementsAre("1 W3SVC"));
}

TEST_F(APaperScm, AnswersATokenOfAnAgentBeforeWithItsFirstResult) {
  std::atomic<int> times = 0;
  paper_->add("W3SVC", {.answers = [&](std::uint32_t) {
                ++times;
                return code::access_denied;
              }});
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  const auto token = send(ControlOp::stop, "W3SVC");
  ASSERT_FALSE(answer(token));
  ASSERT_TRUE(begin());
  send(ControlOp::stop, "W3SVC", token);
  ASSERT_TRUE(listener_.wait([&] { return listener_.answers(token) == 2; }));
  EXPECT_EQ((*listener_.answer(token)).error().kind, ErrorKind::access_denied);
  EXPECT_EQ(times, 1);
}

TEST_F(APaperScm, IsNotSentTheStopOfAnAgentThatDiedInMidCallASecondTime) {
  auto gate = std::make_shared<Gate>();
  paper_->add("W3SVC", {.answers = [gate](std::uint32_t) {
                gate->pass();
                return code::success;
              }});
  const auto pid = paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  const auto token = send(ControlOp::stop, "W3SVC");
  ASSERT_TRUE(gate->wait_for(1));
  ASSERT_TRUE(begin());  // the next agent; the one before never heard the answer
  send(ControlOp::stop, "W3SVC", token);
  scm_->refresh({"W3SVC"});
  ASSERT_FALSE(control(ControlOp::stop, "Nobody"));  // the backend has been around once
  EXPECT_FALSE(listener_.answer(token));  // it may be in its handler: looked at, not sent
  paper_->report("W3SVC", state::stop_pending, 1, 30'000);
  EXPECT_TRUE(answer(token));
  paper_->stopped("W3SVC");
  paper_->end_process(pid);
  gate->open();
  EXPECT_TRUE(listener_.wait([&] { return !service("W3SVC").instance; }));
  const auto sent = paper_->sent();
  EXPECT_EQ(std::count(sent.begin(), sent.end(), "1 W3SVC"), 1);
}

// ---- the manager lost

TEST_F(APaperScm, ThatIsLostIsToldAndFoundAgain) {
  paper_->add("W3SVC");
  ASSERT_TRUE(begin());
  paper_->lose(code::server_unavailable);
  scm_->refresh({});
  ASSERT_TRUE(listener_.wait([&] { return listener_.lost(); }));
  EXPECT_FALSE(scm_->snapshot()->complete);
  const auto refused = control(ControlOp::start, "W3SVC");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::scm_unavailable);
  EXPECT_EQ(refused.error().effect, Effect::none);
  EXPECT_FALSE(scm_->prepare("01KB", {"W3SVC"}));
  paper_->lose(0);
  ASSERT_TRUE(listener_.wait([&] { return !listener_.lost(); }));
  EXPECT_TRUE(scm_->snapshot()->complete);
  EXPECT_TRUE(control(ControlOp::start, "W3SVC"));
}

TEST_F(APaperScm, ThatIsLostStillGivesAKnownTokenItsFirstAnswer) {
  paper_->add("W3SVC", {.answers = [](std::uint32_t) { return code::success; }});
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  const auto token = send(ControlOp::stop, "W3SVC");
  ASSERT_TRUE(answer(token));
  paper_->lose(code::server_unavailable);
  scm_->refresh({});
  ASSERT_TRUE(listener_.wait([&] { return listener_.lost(); }));
  send(ControlOp::stop, "W3SVC", token);
  ASSERT_TRUE(listener_.wait([&] { return listener_.answers(token) == 2; }));
  EXPECT_TRUE(*listener_.last_answer(token));
}

TEST_F(APaperScm, ThatIsLostLeavesAControlWhoseAnswerWasNotHeardOpenUntilItIsFoundAgain) {
  auto gate = std::make_shared<Gate>();
  paper_->add("W3SVC", {.answers = [gate](std::uint32_t) {
                gate->pass();
                return code::success;
              }});
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  const auto token = send(ControlOp::stop, "W3SVC");
  ASSERT_TRUE(gate->wait_for(1));
  ASSERT_TRUE(begin());  // the next agent; the one before never heard the answer
  paper_->lose(code::server_unavailable);
  scm_->refresh({});
  ASSERT_TRUE(listener_.wait([&] { return listener_.lost(); }));
  send(ControlOp::stop, "W3SVC", token);
  ASSERT_FALSE(control(ControlOp::start, "W3SVC"));  // the backend has been around once
  EXPECT_FALSE(listener_.answer(token));             // never told as unsent
  paper_->report("W3SVC", state::stop_pending, 1, 30'000);
  paper_->lose(0);
  EXPECT_TRUE(answer(token));
  gate->open();
  const auto sent = paper_->sent();
  EXPECT_EQ(std::count(sent.begin(), sent.end(), "1 W3SVC"), 1);
}

TEST_F(APaperScm, ThatForbidsTheListEndsTheStartWithASentence) {
  paper_->lose(code::access_denied);
  const auto refused = begin();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::access_denied);
  EXPECT_EQ(refused.error().native_name, "ERROR_ACCESS_DENIED");
}

TEST_F(APaperScm, ListsAServiceThatMayNotBeOpenedAndSaysWhatIsNotKnownOfIt) {
  paper_->add("Secret", {.config = {.display_name = "A secret"}, .denies = ~0U});
  ASSERT_TRUE(begin());
  EXPECT_EQ(service("Secret").display_name, "A secret");
  const auto warnings = ElementsAre(
      "its configuration cannot be read (5 ERROR_ACCESS_DENIED), so what it depends on, its "
      "triggers and its recovery actions are not known",
      "the list of what depends on it cannot be read (5 ERROR_ACCESS_DENIED), so only those are "
      "known whose own configuration says so");
  EXPECT_THAT(service("Secret").warnings, warnings);
  EXPECT_THAT(scm_->plan_warnings("Secret"), warnings);
  const auto refused = control(ControlOp::start, "Secret");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::access_denied);
}

TEST_F(APaperScm, ThatRefusesOneRightShowsWhatTheOtherOneDoes) {
  paper_->add("RpcSs");
  paper_->add("NoList", {.config = {.dependencies = {"RpcSs"}},
                         .dependents = {"W3SVC"},
                         .denies = right::enumerate_dependents});
  paper_->add("NoConfig", {.config = {.dependencies = {"RpcSs"}},
                           .dependents = {"W3SVC"},
                           .denies = right::query_config});
  paper_->add("W3SVC");
  ASSERT_TRUE(begin());
  EXPECT_THAT(service("NoList").depends_on, ElementsAre("RpcSs"));
  EXPECT_THAT(service("NoList").warnings, ElementsAre(HasSubstr("what depends on it cannot")));
  EXPECT_THAT(scm_->snapshot()->graph->dependents("NoConfig"), ElementsAre("W3SVC"));
  EXPECT_THAT(service("NoConfig").warnings, ElementsAre(HasSubstr("its configuration cannot")));
}

TEST_F(APaperScm, ThatNoLongerShowsAConfigurationKeepsWhatItShowedAndSaysSo) {
  paper_->add("RpcSs");
  paper_->add("W3SVC", {.config = {.dependencies = {"RpcSs"}}});
  ASSERT_TRUE(begin());
  EXPECT_THAT(service("W3SVC").warnings, IsEmpty());
  paper_->change("W3SVC", [](auto& it) { it.denies = right::query_config; });
  scm_->refresh({"W3SVC"});
  ASSERT_TRUE(listener_.wait([&] { return !service("W3SVC").warnings.empty(); }));
  EXPECT_THAT(service("W3SVC").warnings, ElementsAre(HasSubstr("as it was when it last could be")));
  EXPECT_THAT(service("W3SVC").depends_on, ElementsAre("RpcSs"));
  paper_->change("W3SVC", [](auto& it) { it.denies = 0; });
  scm_->refresh({"W3SVC"});
  EXPECT_TRUE(listener_.wait([&] { return service("W3SVC").warnings.empty(); }));
}

TEST_F(APaperScm, SaysThatRecoveryActionsAreNotKnownUnlessItHasNoneAtAll) {
  paper_->add("W3SVC", {.refuses_recovery = code::access_denied});
  paper_->add("SMTPSVC", {.refuses_recovery = code::invalid_level});  // as Wine says it
  ASSERT_TRUE(begin());
  EXPECT_THAT(service("W3SVC").warnings, ElementsAre(HasSubstr("its recovery actions cannot")));
  EXPECT_THAT(service("SMTPSVC").warnings, IsEmpty());
}

// ---- what no job may touch

TEST_F(APaperScm, IsNotAskedToStopTheAgentNorWhatItNeeds) {
  paper_->line({4321, 700});
  paper_->add("noforce", {.config = {.dependencies = {"Tcpip", "EventLog"}}});
  paper_->add("Tcpip");
  paper_->add("EventLog", {.config = {.dependencies = {"Base"}}});
  paper_->add("Base");
  paper_->add("RpcSs");
  paper_->add("W3SVC");
  paper_->run("noforce", 4321);
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  EXPECT_EQ(scm_->off_limits("noforce"), "this agent runs as noforce and would go down with it");
  EXPECT_EQ(scm_->off_limits("Base"),
            "this agent's own service needs Base and would go down with it");
  EXPECT_NE(scm_->off_limits("EventLog"), "");
  EXPECT_EQ(scm_->off_limits("RpcSs"), "");  // stopped it carries nothing, and may be started
  paper_->run("RpcSs");
  scm_->refresh({});
  ASSERT_TRUE(wait_for("RpcSs", ServiceState::running));
  EXPECT_NE(scm_->off_limits("RpcSs"), "");
  EXPECT_EQ(scm_->off_limits("W3SVC"), "");
  ASSERT_TRUE(begin("w3svc"));  // by name, while it does not run as that service
  EXPECT_NE(scm_->off_limits("W3SVC"), "");
}

}  // namespace
}  // namespace noforce::windows::testing
