// The services' processes: whose they are, when they are gone, and which run is which.
#include "core/scm/windows/processes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/windows/a_paper_scm.hpp"

namespace noforce::windows::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

}  // namespace
}  // namespace noforce::windows::testing
