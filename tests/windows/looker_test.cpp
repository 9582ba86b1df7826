// When the backend looks and what it hears: rounds, notifications, calls that fail, a manager that is lost.
#include "core/scm/windows/looker.hpp"

#include <atomic>
#include <future>
#include <new>
#include <string>

#include <gtest/gtest.h>

#include "tests/windows/a_paper_scm.hpp"

namespace noforce::windows::testing {
namespace {

TEST_F(APaperScm, IsSeenByTheRoundWhereNobodyTells) {
  paper_->add("W3SVC");
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  paper_->report("W3SVC", state::paused);  // nobody has asked to hear of it
  EXPECT_TRUE(wait_for("W3SVC", ServiceState::paused));
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

TEST_F(APaperScm, HoldsNoServiceOpenSoThatItCanBeDeleted) {
  for (const char* name : {"A", "B", "C"})
    paper_->add(name);
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::start, "A"));
  ASSERT_TRUE(wait_for("A", ServiceState::running));
  // The manager's own handle and A's process.
  EXPECT_TRUE(listener_.wait([&] { return paper_->open_handles() == 2; }));
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

}  // namespace
}  // namespace noforce::windows::testing
