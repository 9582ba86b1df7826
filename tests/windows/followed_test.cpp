// One service as it is followed: statuses, processes and time in, what core sees out.
#include "core/scm/windows/followed.hpp"

#include <gtest/gtest.h>

namespace noforce::windows {
namespace {

constexpr std::uint64_t kMade = 133'000'000'000'000'000;  // in 2022

// A service, what the manager says of it and its process, moved by hand.
struct Scene {
  Followed service{"SMTPSVC"};
  StatusRecord status;
  ProcessSeen process{.pid = 700, .created = kMade, .held = true};
  bool others = false;
  MonoTime now = MonoTime(std::chrono::hours(1));
  WallTime wall = WallTime(Milliseconds(1'700'000'000'000));

  bool look() {
    Sight sight{.others_run_there = others, .now = now, .wall = wall};
    if (status.pid == process.pid) sight.named = process;
    if (status.pid != process.pid && service.process() == process.pid) sight.last = process;
    return service.take(status, sight);
  }
  void after(Milliseconds time) {
    now += time;
    wall += time;
  }
  void report(std::uint32_t number, std::uint32_t checkpoint = 0, std::uint32_t hint = 0) {
    status.state = number;
    status.checkpoint = checkpoint;
    status.wait_hint = hint;
    if (number == state::stopped) status.pid = 0;
    if (number != state::stopped) status.pid = process.pid;
    status.accepts = number == state::running ? accept::stop | accept::pause_continue : 0;
    look();
  }
  const Service& seen() const { return service.service(); }
};

TEST(AFollowedService, IsInTheStateThatTheManagerNames) {
  Scene it;
  const std::pair<std::uint32_t, ServiceState> states[] = {{1, ServiceState::stopped},
                                                           {2, ServiceState::start_pending},
                                                           {3, ServiceState::stop_pending},
                                                           {4, ServiceState::running},
                                                           {5, ServiceState::continue_pending},
                                                           {6, ServiceState::pause_pending},
                                                           {7, ServiceState::paused}};
  for (const auto& [number, named] : states) {
    it.report(number);
    EXPECT_EQ(it.seen().state, named);
  }
}

TEST(AFollowedService, KeepsItsStateWhereOneIsReportedThatIsNone) {
  Scene it;
  it.report(state::running);
  it.status.state = 9;
  EXPECT_TRUE(it.look());
  EXPECT_EQ(it.seen().state, ServiceState::running);
  EXPECT_EQ(it.seen().warnings,
            std::vector<std::string>{"it reported 9 as its state, which is none; the last one is "
                                     "shown"});
  it.report(state::running);
  EXPECT_TRUE(it.seen().warnings.empty());
}

TEST(AFollowedService, TakesNoControlWhereTheManagerWouldHandNoneOn) {
  StatusRecord status{.accepts = accept::stop | accept::pause_continue | accept::paramchange};
  for (const auto number : {state::stopped, state::start_pending, state::stop_pending}) {
    status.state = number;
    EXPECT_EQ(accepts_of(status), Accepts{}) << number;
  }
  for (const auto number :
       {state::running, state::paused, state::continue_pending, state::pause_pending}) {
    status.state = number;
    EXPECT_EQ(accepts_of(status), (Accepts{.stop = true, .pause_continue = true, .reload = true}));
  }
}

TEST(AFollowedService, IsOneInstanceForEachProcess) {
  Scene it;
  it.report(state::running);
  ASSERT_TRUE(it.seen().instance);
  const Instance first = *it.seen().instance;
  EXPECT_EQ(first.pid, 700);
  it.report(state::stopped);
  it.process = {.pid = 700, .created = kMade + 1, .held = true};  // the pid is used again
  it.report(state::running);
  ASSERT_TRUE(it.seen().instance);
  EXPECT_EQ(it.seen().instance->pid, 700);
  EXPECT_FALSE(*it.seen().instance == first);
}

TEST(AStoppedService, IsNotGoneBeforeItsProcess) {
  Scene it;
  it.report(state::running);
  it.report(state::stopped);
  EXPECT_EQ(it.seen().state, ServiceState::stopped);
  EXPECT_TRUE(it.seen().instance);
  EXPECT_TRUE(it.service.look_again());  // the process's end is waited for
  it.process.ended = true;
  it.process.exit_code = 0;
  EXPECT_TRUE(it.look());
  EXPECT_FALSE(it.seen().instance);
  EXPECT_FALSE(it.service.look_again());
}

TEST(AStoppedService, WhoseProcessCannotBeWatchedIsGoneWhenTheManagerSaysStopped) {
  Scene it;
  it.process.held = false;
  it.report(state::running);
  EXPECT_EQ(
      it.seen().warnings,
      std::vector<std::string>{"its process (700) cannot be watched, so it counts as gone once "
                               "the service manager says that it stopped"});
  it.report(state::stopped);
  EXPECT_FALSE(it.seen().instance);
}

TEST(AServiceInASharedProcess, IsGoneAtOnceWhileOthersRunThere) {
  Scene it;
  it.status.type = type::share_process;
  it.others = true;
  it.report(state::running);
  it.report(state::stopped);
  EXPECT_FALSE(it.seen().instance);
}

TEST(AServiceInASharedProcess, WaitsForTheProcessAWhileWhenItWasTheLastThere) {
  Scene it;
  it.status.type = type::share_process;
  it.report(state::running);
  it.report(state::stopped);
  EXPECT_TRUE(it.seen().instance);
  it.after(kSharedLinger);
  it.look();
  EXPECT_FALSE(it.seen().instance);  // the host goes on without services
}

TEST(AServiceInASharedProcess, IsAnotherInstanceEachTimeItRuns) {
  Scene it;
  it.status.type = type::share_process;
  it.others = true;
  it.report(state::running);
  const Instance first = *it.seen().instance;
  it.report(state::stop_pending);
  EXPECT_EQ(*it.seen().instance, first);
  it.report(state::stopped);
  it.report(state::start_pending);
  it.report(state::running);
  EXPECT_EQ(it.seen().instance->pid, first.pid);
  EXPECT_FALSE(*it.seen().instance == first);
  // Stopped and started between two looks.
  const Instance second = *it.seen().instance;
  it.report(state::start_pending);
  EXPECT_FALSE(*it.seen().instance == second);
}

TEST(AServiceInASharedProcess, KeepsItsInstanceOverTheAgentsDeath) {
  Scene before;
  before.status.type = type::share_process;
  before.others = true;
  before.report(state::running);
  before.report(state::stopped);
  before.report(state::running);
  Scene after;
  after.status.type = type::share_process;
  after.others = true;
  after.service.remember(before.service.runs());
  after.report(state::running);
  EXPECT_EQ(*after.seen().instance, *before.seen().instance);
}

TEST(Progress, IsAGrowingCheckpointOfOnePendingState) {
  Scene it;
  it.report(state::running);
  it.after(Milliseconds(500));
  it.report(state::stop_pending, 1, 3000);
  const MonoTime entered = it.now;
  EXPECT_EQ(it.seen().last_progress, entered);
  EXPECT_EQ(it.seen().checkpoint, 1U);
  EXPECT_EQ(it.seen().wait_hint, Milliseconds(3000));
  it.after(Milliseconds(500));
  it.report(state::stop_pending, 1, 3000);
  EXPECT_EQ(it.seen().last_progress, entered);  // the same again is none
  it.report(state::stop_pending, 2, 3000);
  EXPECT_EQ(it.seen().last_progress, it.now);
  it.after(Milliseconds(500));
  it.report(state::stop_pending, 1, 3000);
  EXPECT_EQ(it.seen().last_progress, it.now - Milliseconds(500));  // nor is a step back
  EXPECT_EQ(it.seen().checkpoint, 2U);
}

TEST(Progress, IsNoneWhereOnlyTheWaitHintMoves) {
  Scene it;
  it.report(state::stop_pending, 1, 3000);
  const MonoTime entered = it.now;
  it.after(Milliseconds(500));
  it.report(state::stop_pending, 1, 9000);
  EXPECT_EQ(it.seen().wait_hint, Milliseconds(9000));
  EXPECT_EQ(it.seen().last_progress, entered);
}

TEST(APendingService, IsLookedAtEachTenthOfItsWaitHint) {
  EXPECT_EQ(poll_interval(0), Milliseconds(1'000));
  EXPECT_EQ(poll_interval(30'000), Milliseconds(3'000));
  EXPECT_EQ(poll_interval(0xFFFFFFFF), Milliseconds(10'000));
  Scene it;
  it.report(state::stop_pending, 1, 30'000);
  EXPECT_EQ(it.service.look_again(), Milliseconds(3'000));
  it.report(state::running);
  EXPECT_FALSE(it.service.look_again());
}

TEST(AnEnd, IsToldWithItsCode) {
  Scene it;
  it.report(state::running);
  it.process.ended = true;
  it.report(state::stopped);
  EXPECT_EQ(it.seen().exit, (Exit{.code = 0, .service_code = {}}));
  EXPECT_EQ(it.seen().status_text, "");
}

TEST(AnEnd, WithACodeOfTheServicesOwnIsToldWithBoth) {
  Scene it;
  it.report(state::running);
  it.process.ended = true;
  it.status.exit_code = code::specific_error;
  it.status.service_code = 42;
  it.report(state::stopped);
  EXPECT_EQ(it.seen().exit, (Exit{.code = 1066, .service_code = 42}));
  EXPECT_EQ(it.seen().status_text,
            "stopped with 1066 ERROR_SERVICE_SPECIFIC_ERROR, its own code 42");
}

TEST(AnEnd, WithoutAWordIsToldApartFromAStop) {
  Scene it;
  it.report(state::running);
  it.report(state::stop_pending, 1, 1000);
  it.process.ended = true;
  it.process.exit_code = 3;
  it.status.exit_code = code::process_aborted;
  it.report(state::stopped);
  EXPECT_EQ(it.seen().exit, (Exit{.code = 1067, .service_code = {}}));
  EXPECT_EQ(it.seen().status_text,
            "its process ended without reporting that it stopped: 1067 ERROR_PROCESS_ABORTED, the "
            "process's exit code 3");
}

TEST(AnEnd, IsNotKnownOfAServiceThatNeverRan) {
  Scene it;
  it.status.exit_code = code::never_started;
  it.report(state::stopped);
  EXPECT_FALSE(it.seen().exit);
}

TEST(AProcessThatEndedUnderAService, IsBelievedOnceTheManagerHadItsTime) {
  Scene it;
  it.report(state::running);
  it.process.ended = true;
  it.process.exit_code = 0xC0000005;
  it.look();
  EXPECT_EQ(it.seen().state, ServiceState::running);  // the manager may be about to say it
  EXPECT_TRUE(it.service.look_again());
  it.after(kScmNotices);
  EXPECT_TRUE(it.look());
  EXPECT_EQ(it.seen().state, ServiceState::stopped);
  EXPECT_FALSE(it.seen().instance);
  EXPECT_EQ(it.seen().exit, (Exit{.code = 1067, .service_code = {}}));
  EXPECT_EQ(it.seen().status_text,
            "its process (700) ended without reporting that it stopped, exit code 3221225477");
  EXPECT_FALSE(it.seen().warnings.empty());
  it.after(Milliseconds(500));
  EXPECT_FALSE(it.look());  // and stays so, told once
}

TEST(AProcessThatEndedUnderAService, GivesWayToTheNextOne) {
  Scene it;
  it.report(state::running);
  it.process.ended = true;
  it.look();
  it.after(kScmNotices);
  it.look();
  ASSERT_EQ(it.seen().state, ServiceState::stopped);
  it.process = {.pid = 701, .created = kMade + 5, .held = true};
  it.report(state::running);
  EXPECT_EQ(it.seen().state, ServiceState::running);
  EXPECT_EQ(it.seen().instance->pid, 701);
  EXPECT_EQ(it.seen().status_text, "");
  EXPECT_TRUE(it.seen().warnings.empty());
}

TEST(AFollowedService, IsSinceItsProcessWasMadeWhenItIsSeenTheFirstTime) {
  Scene it;
  it.report(state::running);
  EXPECT_EQ(to_rfc3339(it.seen().since), "2022-06-18T04:26:40.000Z");
  it.report(state::paused);
  EXPECT_EQ(it.seen().since, it.wall);
}

TEST(AFollowedService, ShowsItsConfiguration) {
  Followed service("W3SVC");
  service.describe({.display_name = "World Wide Web", .start = start::automatic}, {"IISADMIN"});
  EXPECT_EQ(service.service().display_name, "World Wide Web");
  EXPECT_EQ(service.service().start_type, StartType::automatic);
  EXPECT_EQ(service.service().depends_on, std::vector<std::string>{"IISADMIN"});
  service.describe({.start = start::disabled}, {});
  EXPECT_EQ(service.service().display_name, "W3SVC");
  EXPECT_EQ(service.service().start_type, StartType::disabled);
}

}  // namespace
}  // namespace noforce::windows
