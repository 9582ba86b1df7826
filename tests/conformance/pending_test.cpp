// Pending states, progress, and the ways in which a service ends.
#include "tests/conformance/any_scm.hpp"

namespace noforce::test {
namespace {

TEST_P(AnyScm, ShowsTheProgressOfAStop) {
  ASSERT_TRUE(begin({{"web", Manner::slow_to_stop}}));
  ASSERT_TRUE(client().run("web"));
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  ASSERT_TRUE(client().wait_for("web", ServiceState::stop_pending));
  client().scm().watch({canonical("web")});
  Service before = client().service("web");
  for (int i = 0; i < 3; ++i) {
    estate().cue("web", Cue::progress);
    ASSERT_TRUE(
        client().wait([&] { return client().service("web").checkpoint > before.checkpoint; }));
    const Service now = client().service("web");
    EXPECT_EQ(now.state, ServiceState::stop_pending);
    EXPECT_GT(now.last_progress, before.last_progress);
    before = now;
  }
  EXPECT_EQ(!before.status_text.empty(), estate().abilities().tells_status_text);
  if (estate().abilities().tells_wait_hint) {
    EXPECT_GT(before.wait_hint.count(), 0);
  }
  estate().cue("web", Cue::finish);
  ASSERT_TRUE(client().wait_until_gone("web"));
  EXPECT_EQ(client().service("web").exit, estate().exit_after(Ending::asked));
}

TEST_P(AnyScm, ShowsTheProgressOfAStart) {
  ASSERT_TRUE(begin({{"web", Manner::slow_to_start}}));
  ASSERT_TRUE(client().control(ControlOp::start, "web"));
  ASSERT_TRUE(client().wait_for("web", ServiceState::start_pending));
  ASSERT_TRUE(client().wait([&] { return client().service("web").instance.has_value(); }));
  const Service before = client().service("web");
  EXPECT_TRUE(estate().lives(before.instance->pid));
  estate().cue("web", Cue::progress);
  ASSERT_TRUE(
      client().wait([&] { return client().service("web").checkpoint > before.checkpoint; }));
  EXPECT_EQ(client().service("web").state, ServiceState::start_pending);
  estate().cue("web", Cue::finish);
  ASSERT_TRUE(client().wait_for("web", ServiceState::running));
  EXPECT_EQ(client().service("web").instance, before.instance);
}

TEST_P(AnyScm, LeavesAHungServiceStopPendingAndAlive) {
  ASSERT_TRUE(begin({{"web", Manner::slow_to_stop}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  ASSERT_TRUE(client().scm().prepare("job", {canonical("web")}));
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  outlast_the_scms_patience();
  client().scm().refresh({canonical("web")});
  EXPECT_EQ(client().service("web").state, ServiceState::stop_pending);
  EXPECT_EQ(client().service("web").instance, instance);
  EXPECT_TRUE(estate().lives(instance->pid));
  estate().cue("web", Cue::finish);
  ASSERT_TRUE(client().wait_until_gone("web"));
  EXPECT_EQ(client().service("web").exit, estate().exit_after(Ending::asked));
  client().scm().release("job");
  EXPECT_TRUE(eventually([&] { return estate().leftovers().empty(); }));
}

TEST_P(AnyScm, TellsADeathWhileStoppingFromAStop) {
  ASSERT_TRUE(begin({{"web", Manner::slow_to_stop}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  ASSERT_TRUE(eventually([&] { return estate().stops_heard("web") == 1; }));
  estate().cue("web", Cue::crash);
  ASSERT_TRUE(client().wait_until_gone("web"));
  EXPECT_FALSE(estate().lives(instance->pid));
  EXPECT_EQ(client().service("web").exit, estate().exit_after(Ending::crashed));
  EXPECT_NE(client().service("web").exit, estate().exit_after(Ending::asked));
}

TEST_P(AnyScm, SaysWithWhichErrorAServiceStopped) {
  ASSERT_TRUE(begin({{"web", Manner::fails_to_stop}}));
  ASSERT_TRUE(client().run("web"));
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  ASSERT_TRUE(client().wait_until_gone("web"));
  EXPECT_EQ(client().service("web").exit, estate().exit_after(Ending::failed_to_stop));
  EXPECT_NE(client().service("web").exit, estate().exit_after(Ending::asked));
}

TEST_P(AnyScm, SeesARunningServiceCrash) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  estate().cue("web", Cue::crash);
  ASSERT_TRUE(client().wait_until_gone("web"));
  EXPECT_FALSE(estate().lives(instance->pid));
  EXPECT_EQ(client().service("web").exit, estate().exit_after(Ending::crashed));
  EXPECT_EQ(estate().stops_heard("web"), 0);
  // And it can be started again.
  EXPECT_TRUE(client().run("web"));
}

TEST_P(AnyScm, SaysThatAServiceFailedToStart) {
  ASSERT_TRUE(begin({{"web", Manner::fails_to_start}}));
  // The answer may come before the failure or with it; the picture says it in the end.
  const auto answer = client().control(ControlOp::start, "web");
  if (!answer) {
    EXPECT_NE(answer.error().kind, ErrorKind::internal) << answer.error().detail;
  }
  ASSERT_TRUE(client().wait([&] {
    const Service web = client().service("web");
    return web.state == ServiceState::stopped && web.exit.has_value();
  }));
  EXPECT_EQ(client().service("web").exit, estate().exit_after(Ending::failed_to_start));
  EXPECT_FALSE(client().service("web").instance);
}

TEST_P(AnyScm, SeesAServiceThatComesBackByItself) {
  ASSERT_TRUE(begin({{"web", Manner::comes_back}}));
  const auto first = client().run("web");
  ASSERT_TRUE(first);
  estate().cue("web", Cue::crash);
  if (!estate().abilities().brings_back) {
    ASSERT_TRUE(client().wait_until_gone("web"));
    EXPECT_FALSE(estate().lives(first->pid));
    return;
  }
  ASSERT_TRUE(client().wait([&] {
    const Service web = client().service("web");
    return web.state == ServiceState::running && web.instance && !(*web.instance == *first);
  }));
  EXPECT_FALSE(estate().lives(first->pid));
  EXPECT_FALSE(client().scm().plan_warnings(canonical("web")).empty());
  // A stop that was asked for is no crash.
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  ASSERT_TRUE(client().wait_until_gone("web"));
  EXPECT_EQ(estate().stops_heard("web"), 1);
}

TEST_P(AnyScm, ShowsStoppedOnlyOnceTheProcessIsGone) {
  ASSERT_TRUE(begin({{"web"}}));
  for (int i = 0; i < 5; ++i) {
    const auto instance = client().run("web");
    ASSERT_TRUE(instance);
    bool too_early = false;
    client().send(ControlOp::stop, "web");
    ASSERT_TRUE(client().wait([&] {
      const Service web = client().service("web");
      if (web.state != ServiceState::stopped || web.instance) return false;
      too_early = estate().lives(instance->pid);
      return true;
    }));
    EXPECT_FALSE(too_early);
  }
}

}  // namespace
}  // namespace noforce::test
