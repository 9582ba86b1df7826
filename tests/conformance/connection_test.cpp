// Being connected, losing the SCM, leaving; and what is put in place around a stop.
#include "tests/conformance/any_scm.hpp"

namespace noforce::test {
namespace {

TEST_P(AnyScm, TouchesNoServiceWhenItLeaves) {
  ASSERT_TRUE(begin({{"web"}, {"slow", Manner::slow_to_stop}}));
  const auto web = client().run("web");
  const auto slow = client().run("slow");
  ASSERT_TRUE(web && slow);
  ASSERT_TRUE(client().control(ControlOp::stop, "slow"));
  client().end();
  client().end();  // idempotent
  EXPECT_TRUE(estate().lives(web->pid));
  EXPECT_TRUE(estate().lives(slow->pid));
  // A stop that was sent lives on in the SCM.
  estate().cue("slow", Cue::finish);
  EXPECT_TRUE(eventually([&] { return !estate().lives(slow->pid); }));
  EXPECT_TRUE(estate().lives(web->pid));
}

TEST_P(AnyScm, SaysNothingMoreOnceItHasStopped) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto beside = another();
  ASSERT_NE(beside, nullptr);
  client().end();
  const auto calls = client().listener().calls();
  const auto revision = client().scm().snapshot()->revision;
  ASSERT_TRUE(beside->run("web"));
  ASSERT_TRUE(beside->control(ControlOp::stop, "web"));
  ASSERT_TRUE(beside->wait_until_gone("web"));
  // The other one saw all of that, so this one could have.
  EXPECT_EQ(client().listener().calls(), calls);
  EXPECT_EQ(client().scm().snapshot()->revision, revision);
}

TEST_P(AnyScm, FindsItsWayBackToAnScmThatWentAway) {
  if (!estate().abilities().can_be_broken) {
    ASSERT_TRUE(begin({{"web"}}));
    EXPECT_EQ(client().listener().losses(), 0);
    return;
  }
  ASSERT_TRUE(begin({{"web"}, {"db"}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  estate().break_connection();
  ASSERT_TRUE(client().wait(
      [&] { return client().listener().losses() > 0 && !client().listener().lost(); }));
  EXPECT_TRUE(client().scm().snapshot()->complete);
  ASSERT_TRUE(client().service("web").instance);
  EXPECT_EQ(client().service("web").instance, instance);
  EXPECT_EQ(client().service("web").state, ServiceState::running);
  EXPECT_TRUE(estate().lives(instance->pid));
  EXPECT_EQ(estate().stops_heard("web"), 0);
  // And everything works as before.
  EXPECT_TRUE(client().run("db"));
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  EXPECT_TRUE(client().wait_until_gone("web"));
}

TEST_P(AnyScm, GoesOnWithAStopOverALostConnection) {
  if (!estate().abilities().can_be_broken) {
    ASSERT_TRUE(begin({{"web"}}));
    EXPECT_EQ(client().listener().losses(), 0);
    return;
  }
  ASSERT_TRUE(begin({{"web", Manner::slow_to_stop}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  ASSERT_TRUE(client().scm().prepare("job", {canonical("web")}));
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  ASSERT_TRUE(eventually([&] { return estate().stops_heard("web") == 1; }));
  estate().break_connection();
  ASSERT_TRUE(client().wait(
      [&] { return client().listener().losses() > 0 && !client().listener().lost(); }));
  outlast_the_scms_patience();
  EXPECT_EQ(client().service("web").state, ServiceState::stop_pending);
  EXPECT_TRUE(estate().lives(instance->pid));
  estate().cue("web", Cue::finish);
  ASSERT_TRUE(client().wait_until_gone("web"));
  EXPECT_EQ(estate().stops_heard("web"), 1);
  if (estate().abilities().knows_missed_exits) {
    EXPECT_EQ(client().service("web").exit, estate().exit_after(Ending::asked));
  }
  client().scm().release("job");
  EXPECT_TRUE(eventually([&] { return estate().leftovers().empty(); }));
}

TEST_P(AnyScm, AnswersAControlThatIsSentWhileTheScmIsAway) {
  if (!estate().abilities().can_be_broken) {
    ASSERT_TRUE(begin({{"web"}}));
    EXPECT_TRUE(client().run("web"));
    return;
  }
  ASSERT_TRUE(begin({{"web"}}));
  estate().break_connection();
  const auto token = client().send(ControlOp::start, "web");
  const auto answer = client().answer(token);
  // Carried out, or an answer that lets the executor ask again or go on looking.
  if (!answer) {
    EXPECT_TRUE(answer.error().kind == ErrorKind::scm_unavailable ||
                answer.error().effect == Effect::unknown)
        << to_string(answer.error().kind) << ": " << answer.error().detail;
  } else {
    EXPECT_TRUE(client().wait_for("web", ServiceState::running));
  }
}

TEST_P(AnyScm, TakesNoControlOnceItHasStopped) {
  ASSERT_TRUE(begin({{"web"}}));
  client().end();
  const auto calls = client().listener().calls();
  client().send(ControlOp::start, "web");
  client().scm().refresh({canonical("web")});
  client().scm().watch({});
  client().scm().release("job");
  // "No sink call after it returned": so no answer either, and nothing that was sent.
  const auto next = another();
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->service("web").state, ServiceState::stopped);
  EXPECT_EQ(client().listener().calls(), calls);
}

TEST_P(AnyScm, PreparesAndReleasesAsOftenAsItIsAsked) {
  ASSERT_TRUE(begin({{"web"}, {"db"}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  EXPECT_TRUE(client().scm().prepare("one", {canonical("web"), canonical("db")}));
  EXPECT_TRUE(client().scm().prepare("one", {canonical("web")}));
  EXPECT_TRUE(client().scm().prepare("two", {canonical("web")}));
  client().scm().release("one");
  client().scm().release("one");
  client().scm().release("nobody");
  client().scm().release("two");
  // Nobody stopped anything: all is as before.
  EXPECT_TRUE(eventually([&] { return estate().leftovers().empty(); }));
  EXPECT_EQ(client().service("web").state, ServiceState::running);
  EXPECT_EQ(client().service("web").instance, instance);
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  EXPECT_TRUE(client().wait_until_gone("web"));
}

// port.hpp: "What protects an instance that a stop was submitted for stays until that one is gone".
TEST_P(AnyScm, ProtectsAStoppingInstanceBeyondItsJobAndItsClient) {
  ASSERT_TRUE(begin({{"web", Manner::slow_to_stop}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  ASSERT_TRUE(client().scm().prepare("job", {canonical("web")}));
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  client().scm().release("job");
  outlast_the_scms_patience();
  EXPECT_TRUE(estate().lives(instance->pid));
  client().end();
  outlast_the_scms_patience();
  EXPECT_TRUE(estate().lives(instance->pid));
  // The next client protects it as well, and clears up once the instance is gone.
  const auto next = another();
  ASSERT_NE(next, nullptr);
  outlast_the_scms_patience();
  EXPECT_TRUE(estate().lives(instance->pid));
  EXPECT_EQ(next->service("web").state, ServiceState::stop_pending);
  estate().cue("web", Cue::finish);
  ASSERT_TRUE(next->wait_until_gone("web"));
  EXPECT_EQ(next->service("web").exit, estate().exit_after(Ending::asked));
  EXPECT_TRUE(eventually([&] { return estate().leftovers().empty(); }));
}

TEST_P(AnyScm, ProtectsAStopThatSomebodyElseHasBegun) {
  ASSERT_TRUE(begin({{"web", Manner::slow_to_stop}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  estate().stop_as_a_stranger("web");
  ASSERT_TRUE(client().wait_for("web", ServiceState::stop_pending));
  ASSERT_TRUE(client().scm().prepare("job", {canonical("web")}));
  outlast_the_scms_patience();
  EXPECT_TRUE(estate().lives(instance->pid));
  EXPECT_EQ(client().service("web").state, ServiceState::stop_pending);
  client().scm().release("job");
  outlast_the_scms_patience();
  EXPECT_TRUE(estate().lives(instance->pid));
  estate().cue("web", Cue::finish);
  ASSERT_TRUE(client().wait_until_gone("web"));
  EXPECT_TRUE(eventually([&] { return estate().leftovers().empty(); }));
}

}  // namespace
}  // namespace noforce::test
