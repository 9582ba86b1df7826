// Controls and their answers, and the same token again.
#include "core/scm/windows/controls.hpp"

#include <algorithm>
#include <atomic>
#include <memory>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/graph.hpp"
#include "tests/windows/a_paper_scm.hpp"

namespace noforce::windows::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

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

}  // namespace
}  // namespace noforce::windows::testing
