// The backend over a service manager that runs: Wine's here. What it lacks is tested over paper
// (a_paper_scm.hpp); docs/windows.md says which is which.
#include "tests/windows/real_scm_windows.hpp"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/graph.hpp"

namespace noforce::windows::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(ARealScm, IsListedWithItsDependencies) {
  const auto base = install("base");
  const auto web = install("web", {base});
  ASSERT_TRUE(begin());
  EXPECT_TRUE(scm_->snapshot()->complete);
  EXPECT_EQ(service(web).state, ServiceState::stopped);
  EXPECT_EQ(service(web).display_name, "web of a test");
  EXPECT_EQ(service(web).start_type, StartType::manual);
  EXPECT_FALSE(service(web).exit);                // 1077: never started
  EXPECT_THAT(service(web).warnings, IsEmpty());  // Wine has no triggers and recovery actions: 124
  EXPECT_THAT(service(web).depends_on, ElementsAre(base));
  EXPECT_THAT(scm_->snapshot()->graph->dependents(base), ElementsAre(web));
  EXPECT_EQ(scm_->resolve("WEB of a test"), web);
}

TEST_F(ARealScm, StartsPausesContinuesAndStopsAService) {
  const auto web = install("web");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::start, web));
  ASSERT_TRUE(wait_for(web, ServiceState::running));
  ASSERT_TRUE(service(web).instance);
  const auto pid = service(web).instance->pid;
  EXPECT_TRUE(runs(pid));
  EXPECT_EQ(service(web).accepts, (Accepts{.stop = true, .pause_continue = true, .reload = true}));
  ASSERT_TRUE(control(ControlOp::pause, web));
  ASSERT_TRUE(wait_for(web, ServiceState::paused));
  ASSERT_TRUE(control(ControlOp::resume, web));
  ASSERT_TRUE(wait_for(web, ServiceState::running));
  ASSERT_TRUE(control(ControlOp::reload, web));
  EXPECT_EQ(service(web).instance->pid, pid);
  ASSERT_TRUE(scm_->prepare("01KB", {web}));
  ASSERT_TRUE(control(ControlOp::stop, web));
  ASSERT_TRUE(wait_gone(web));
  EXPECT_FALSE(runs(pid));
  EXPECT_EQ(service(web).exit, (Exit{.code = 0, .service_code = {}}));
  EXPECT_THAT(events(web), ElementsAre("start " + std::to_string(pid), "running", "pause",
                                       "continue", "paramchange", "stop", "stopped"));
}

TEST_F(ARealScm, StartedTwiceSaysThatItRuns) {
  const auto web = install("web");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::start, web));
  const auto again = control(ControlOp::start, web);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::already_running);
  EXPECT_EQ(again.error().native_code, 1056);
}

TEST_F(ARealScm, ShowsCheckpointsAndWaitHintsOfALongStop) {
  const auto store = install("store");
  behave(store, "stop = progress 2000 200\nhint = 700\n");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::start, store));
  ASSERT_TRUE(wait_for(store, ServiceState::running));
  ASSERT_TRUE(scm_->prepare("01KB", {store}));
  ASSERT_TRUE(control(ControlOp::stop, store));
  ASSERT_TRUE(wait_for(store, ServiceState::stop_pending));
  EXPECT_EQ(service(store).wait_hint, Milliseconds(700));
  const auto first = service(store);
  ASSERT_TRUE(wait([&] {
    const auto now = service(store);
    return now.state != ServiceState::stop_pending || now.checkpoint > first.checkpoint;
  }));
  ASSERT_EQ(service(store).state, ServiceState::stop_pending);
  EXPECT_GT(service(store).last_progress, first.last_progress);
  ASSERT_TRUE(wait_gone(store));
  EXPECT_EQ(service(store).exit->code, 0);
  EXPECT_EQ(count(store, "stop"), 1);
}

TEST_F(ARealScm, ShowsThatNothingMovesWhereAStopFreezesAndLetsItLive) {
  const auto store = install("store");
  behave(store, "stop = freeze 400 100\n");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::start, store));
  ASSERT_TRUE(wait_for(store, ServiceState::running));
  const auto pid = service(store).instance->pid;
  ASSERT_TRUE(control(ControlOp::stop, store));
  ASSERT_TRUE(
      wait([&] { return count(store, "stop hangs") == 1 && service(store).checkpoint >= 5; }));
  const auto frozen = service(store);
  scm_->watch({store});
  EXPECT_EQ(frozen.state, ServiceState::stop_pending);
  const auto late = control(ControlOp::stop, store);  // joins the one that is under way
  EXPECT_TRUE(late) << late.error().detail;
  EXPECT_EQ(service(store).last_progress, frozen.last_progress);
  EXPECT_TRUE(runs(pid));
  behave(store, "stop = now\n");
  EXPECT_TRUE(wait_gone(store));
  EXPECT_EQ(count(store, "stop"), 1);
}

TEST_F(ARealScm, RefusesWith1052WhatTheServiceDoesNotAccept) {
  const auto web = install("web");
  behave(web, "accept = nothing\n");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::start, web));
  ASSERT_TRUE(wait_for(web, ServiceState::running));
  EXPECT_FALSE(service(web).accepts.stop);
  const auto refused = control(ControlOp::stop, web);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::control_not_accepted);
  EXPECT_EQ(refused.error().native_code, 1052);
  EXPECT_EQ(refused.error().native_name, "ERROR_INVALID_SERVICE_CONTROL");
  EXPECT_EQ(refused.error().effect, Effect::none);
  EXPECT_EQ(service(web).state, ServiceState::running);
}

TEST_F(ARealScm, TellsOneThatDiesWhileItStopsFromOneThatStopped) {
  const auto good = install("good");
  const auto bad = install("bad");
  behave(bad, "stop = crash 3\n");
  ASSERT_TRUE(begin());
  for (const auto& name : {good, bad}) {
    ASSERT_TRUE(control(ControlOp::start, name));
    ASSERT_TRUE(wait_for(name, ServiceState::running));
    ASSERT_TRUE(control(ControlOp::stop, name));
    ASSERT_TRUE(wait_gone(name));
  }
  EXPECT_EQ(service(good).exit->code, 0);
  EXPECT_EQ(service(good).status_text, "");
  EXPECT_EQ(service(bad).exit->code, 1067);
  EXPECT_THAT(service(bad).status_text, HasSubstr("ended without reporting that it stopped"));
  EXPECT_THAT(service(bad).status_text, HasSubstr("exit code 3"));
}

TEST_F(ARealScm, ShowsACrash) {
  const auto web = install("web");
  behave(web, "run = crash 300 9\n");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::start, web));
  ASSERT_TRUE(wait_for(web, ServiceState::running));
  ASSERT_TRUE(wait_gone(web));
  EXPECT_EQ(service(web).exit->code, 1067);
  EXPECT_THAT(service(web).status_text, HasSubstr("exit code 9"));
}

TEST_F(ARealScm, ShowsACodeOfTheServicesOwn) {
  const auto web = install("web");
  behave(web, "exit = 42\n");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::start, web));
  ASSERT_TRUE(wait_for(web, ServiceState::running));
  ASSERT_TRUE(control(ControlOp::stop, web));
  ASSERT_TRUE(wait_gone(web));
  EXPECT_EQ(service(web).exit, (Exit{.code = 1066, .service_code = 42}));
}

TEST_F(ARealScm, ThatIsBusyWithADeafServiceAnswersTheOthers) {
  const auto deaf = install("deaf");
  const auto web = install("web");
  behave(deaf, "deaf = 12000\n");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::start, deaf));
  ASSERT_TRUE(wait_for(deaf, ServiceState::running));
  const auto slow = send(ControlOp::stop, deaf);
  ASSERT_TRUE(control(ControlOp::start, web));
  EXPECT_FALSE(listener_.answer(slow));
  const auto late = answer(slow);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind, ErrorKind::timeout);
  EXPECT_EQ(late.error().native_name, "ERROR_SERVICE_REQUEST_TIMEOUT");
  EXPECT_EQ(late.error().effect, Effect::unknown);
  EXPECT_TRUE(wait_gone(deaf));  // it did it all the same
  EXPECT_EQ(count(deaf, "stop"), 1);
}

TEST_F(ARealScm, IsSeenToComeAndGo) {
  ASSERT_TRUE(begin());
  const auto web = install("web");
  EXPECT_TRUE(wait([&] { return scm_->snapshot()->find(web) != nullptr; }));
  uninstall(web);
  EXPECT_TRUE(wait([&] { return scm_->snapshot()->find(web) == nullptr; }));
}

TEST_F(ARealScm, IsLookedAtByTheNextAgentWhereTheOneBeforeLeftOff) {
  const auto store = install("store");
  behave(store, "stop = progress 1500 100\n");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::start, store));
  ASSERT_TRUE(wait_for(store, ServiceState::running));
  const auto before = *service(store).instance;
  const auto token = send(ControlOp::stop, store);
  ASSERT_TRUE(answer(token));
  ASSERT_TRUE(begin());
  EXPECT_EQ(service(store).state, ServiceState::stop_pending);
  EXPECT_EQ(*service(store).instance, before);
  scm_->submit({.op = ControlOp::stop, .service = store, .instance = before, .token = token});
  ASSERT_TRUE(wait([&] { return listener_.answers(token) == 2; }));
  EXPECT_TRUE(wait_gone(store));
  EXPECT_EQ(count(store, "stop"), 1);
}

TEST_F(ARealScm, HoldsNoServiceOpenThatIsDeleted) {
  const auto web = install("web");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(scm_->prepare("01KB", {web}));
  ASSERT_TRUE(control(ControlOp::start, web));
  ASSERT_TRUE(wait_for(web, ServiceState::running));
  ASSERT_TRUE(control(ControlOp::stop, web));
  ASSERT_TRUE(wait_gone(web));
  scm_->release("01KB");
  uninstall(web);
  EXPECT_TRUE(wait([&] { return scm_->snapshot()->find(web) == nullptr; }));
}

// One service in many spellings is as good as many services: each has a notice of its own.
TEST_F(ARealScm, MayBeGivenUpByMoreThanAreKeptWhileTheirCallbacksAreQueued) {
  const auto web = install("with-many-spellings");
  const auto calls = system_calls();
  const auto manager = calls->open_manager(right::manager_connect);
  ASSERT_TRUE(manager);
  constexpr unsigned many = 300;
  std::set<std::string> spellings;
  for (unsigned n = 0; n < many; ++n) {
    std::string spelling = web;
    std::size_t letter = spelling.find("spellings");
    for (unsigned bits = n; bits != 0; bits >>= 1, ++letter)
      if ((bits & 1U) != 0) spelling[letter] = static_cast<char>(spelling[letter] - 'a' + 'A');
    spellings.insert(std::move(spelling));
  }
  ASSERT_EQ(spellings.size(), many);
  for (const auto& spelling : spellings)  // it is stopped, so each is told at once
    ASSERT_EQ(calls->watch_service(*manager, spelling, state::running), code::success);
  calls->forget_services();
  for (const auto& told : calls->wait(system_clock().mono()).services)
    EXPECT_TRUE(spellings.contains(told)) << told;
}

}  // namespace
}  // namespace noforce::windows::testing
