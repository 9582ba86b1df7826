// What a control does, how it is answered, and when nothing is sent.
#include "tests/conformance/any_scm.hpp"

namespace noforce::test {
namespace {

TEST_P(AnyScm, StartsAndStopsAService) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  EXPECT_TRUE(estate().lives(instance->pid));
  EXPECT_TRUE(client().service("web").accepts.stop);
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  ASSERT_TRUE(client().wait_until_gone("web"));
  EXPECT_FALSE(estate().lives(instance->pid));
  EXPECT_EQ(client().service("web").exit, estate().exit_after(Ending::asked));
  EXPECT_FALSE(client().service("web").accepts.stop);
  EXPECT_EQ(estate().stops_heard("web"), 1);
}

TEST_P(AnyScm, GivesEachRunAnInstanceOfItsOwn) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto first = client().run("web");
  ASSERT_TRUE(first);
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  ASSERT_TRUE(client().wait_until_gone("web"));
  const auto second = client().run("web");
  ASSERT_TRUE(second);
  EXPECT_FALSE(*first == *second);
}

// port.hpp: "A backend publishes the picture that shows the effect before it reports success".
TEST_P(AnyScm, ShowsTheEffectBeforeItAnswers) {
  ASSERT_TRUE(begin({{"web", Manner::slow_to_stop}}));
  const auto start = client().send(ControlOp::start, "web");
  ASSERT_TRUE(client().answer(start));
  const PicturePtr started = client().listener().picture_at_answer(start);
  EXPECT_NE(started->find(canonical("web"))->state, ServiceState::stopped);
  ASSERT_TRUE(client().wait_for("web", ServiceState::running));
  const auto stop = client().send(ControlOp::stop, "web");
  ASSERT_TRUE(client().answer(stop));
  const PicturePtr stopping = client().listener().picture_at_answer(stop);
  EXPECT_EQ(stopping->find(canonical("web"))->state, ServiceState::stop_pending);
  estate().cue("web", Cue::finish);
  EXPECT_TRUE(client().wait_until_gone("web"));
}

TEST_P(AnyScm, AnswersEachControlOnce) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto start = client().send(ControlOp::start, "web");
  ASSERT_TRUE(client().answer(start));
  ASSERT_TRUE(client().wait_for("web", ServiceState::running));
  const auto stop = client().send(ControlOp::stop, "web");
  ASSERT_TRUE(client().answer(stop));
  ASSERT_TRUE(client().wait_until_gone("web"));
  EXPECT_EQ(client().listener().answers(start), 1);
  EXPECT_EQ(client().listener().answers(stop), 1);
}

TEST_P(AnyScm, KnowsNoServiceThatIsNotThere) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto answer = client().control(ControlOp::start, "nobody");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::unknown_service);
  EXPECT_FALSE(answer.error().detail.empty());
}

TEST_P(AnyScm, StartsNothingThatAlreadyRuns) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  const auto answer = client().control(ControlOp::start, "web");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::already_running);
  EXPECT_EQ(client().service("web").instance, instance);
}

TEST_P(AnyScm, StopsNothingThatIsStopped) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  ASSERT_TRUE(client().wait_until_gone("web"));
  const auto token = fresh_token();
  client().send(ControlOp::stop, "web", token, instance);
  const auto answer = client().answer(token);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::not_active);
  EXPECT_EQ(estate().stops_heard("web"), 1);
}

TEST_P(AnyScm, LeavesAnotherInstanceThanTheOneThatIsMeantAlone) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto first = client().run("web");
  ASSERT_TRUE(first);
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  ASSERT_TRUE(client().wait_until_gone("web"));
  const auto second = client().run("web");
  ASSERT_TRUE(second);
  const auto token = fresh_token();
  client().send(ControlOp::stop, "web", token, first);
  const auto answer = client().answer(token);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::not_active);
  EXPECT_EQ(client().service("web").state, ServiceState::running);
  EXPECT_TRUE(estate().lives(second->pid));
  EXPECT_EQ(estate().stops_heard("web"), 1);
}

TEST_P(AnyScm, GivesARepeatedStartItsFirstAnswerAndStartsNothing) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto token = fresh_token();
  client().send(ControlOp::start, "web", token, std::nullopt);
  ASSERT_TRUE(client().answer(token));
  ASSERT_TRUE(client().wait_for("web", ServiceState::running));
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  ASSERT_TRUE(client().wait_until_gone("web"));
  client().send(ControlOp::start, "web", token, std::nullopt);
  ASSERT_TRUE(client().wait([&] { return client().listener().answers(token) == 2; }));
  EXPECT_TRUE(*client().listener().answer(token));
  EXPECT_EQ(client().service("web").state, ServiceState::stopped);
}

TEST_P(AnyScm, AsksAServiceToStopOnceForARepeatedToken) {
  ASSERT_TRUE(begin({{"web", Manner::slow_to_stop}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  const auto token = fresh_token();
  client().send(ControlOp::stop, "web", token, instance);
  ASSERT_TRUE(client().answer(token));
  ASSERT_TRUE(eventually([&] { return estate().stops_heard("web") == 1; }));
  client().send(ControlOp::stop, "web", token, instance);
  ASSERT_TRUE(client().wait([&] { return client().listener().answers(token) == 2; }));
  estate().cue("web", Cue::finish);
  ASSERT_TRUE(client().wait_until_gone("web"));
  EXPECT_EQ(estate().stops_heard("web"), 1);
}

TEST_P(AnyScm, AnswersATokenOfAClientBeforeItWhereTheScmRemembers) {
  ASSERT_TRUE(begin({{"web", Manner::slow_to_stop}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  const auto token = fresh_token();
  client().send(ControlOp::stop, "web", token, instance);
  ASSERT_TRUE(client().answer(token));
  ASSERT_TRUE(eventually([&] { return estate().stops_heard("web") == 1; }));
  client().end();
  const auto next = another();
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->service("web").state, ServiceState::stop_pending);
  next->send(ControlOp::stop, "web", token, instance);
  const auto answer = next->answer(token);
  if (estate().abilities().remembers_for_others) {
    EXPECT_TRUE(answer) << answer.error().detail;
  }
  // Remembered or not: the service hears of it once.
  estate().cue("web", Cue::finish);
  ASSERT_TRUE(next->wait_until_gone("web"));
  EXPECT_EQ(estate().stops_heard("web"), 1);
  // Nor does the token stop or start anything afterwards.
  next->send(ControlOp::stop, "web", token, instance);
  ASSERT_TRUE(next->wait([&] { return next->listener().answers(token) == 2; }));
  EXPECT_EQ(next->service("web").state, ServiceState::stopped);
}

TEST_P(AnyScm, JoinsAStopThatIsUnderWay) {
  ASSERT_TRUE(begin({{"web", Manner::slow_to_stop}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  ASSERT_TRUE(eventually([&] { return estate().stops_heard("web") == 1; }));
  // Taken, or not taken at this moment: never a second word to the service.
  const auto second = client().control(ControlOp::stop, "web");
  if (!second) {
    EXPECT_EQ(second.error().kind, ErrorKind::busy) << second.error().detail;
  }
  EXPECT_EQ(client().service("web").state, ServiceState::stop_pending);
  EXPECT_TRUE(estate().lives(instance->pid));
  estate().cue("web", Cue::finish);
  ASSERT_TRUE(client().wait_until_gone("web"));
  EXPECT_EQ(estate().stops_heard("web"), 1);
}

TEST_P(AnyScm, StartsNothingWhileItStops) {
  ASSERT_TRUE(begin({{"web", Manner::slow_to_stop}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  const auto answer = client().control(ControlOp::start, "web");
  ASSERT_FALSE(answer);
  EXPECT_TRUE(answer.error().kind == ErrorKind::busy ||
              answer.error().kind == ErrorKind::already_running)
      << to_string(answer.error().kind);
  EXPECT_EQ(client().service("web").instance, instance);
  estate().cue("web", Cue::finish);
  ASSERT_TRUE(client().wait_until_gone("web"));
  // The start that was refused does not come afterwards.
  client().scm().refresh({canonical("web")});
  EXPECT_EQ(client().service("web").state, ServiceState::stopped);
}

TEST_P(AnyScm, PausesWhatCanBePaused) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  EXPECT_EQ(client().service("web").accepts.pause_continue, estate().abilities().pauses);
  const auto answer = client().control(ControlOp::pause, "web");
  if (!estate().abilities().pauses) {
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ErrorKind::control_not_accepted);
    EXPECT_EQ(client().service("web").state, ServiceState::running);
    return;
  }
  ASSERT_TRUE(answer) << answer.error().detail;
  ASSERT_TRUE(client().wait_for("web", ServiceState::paused));
  EXPECT_EQ(client().service("web").instance, instance);
  ASSERT_TRUE(client().control(ControlOp::resume, "web"));
  ASSERT_TRUE(client().wait_for("web", ServiceState::running));
  EXPECT_EQ(client().service("web").instance, instance);
  ASSERT_TRUE(client().control(ControlOp::pause, "web"));
  ASSERT_TRUE(client().wait_for("web", ServiceState::paused));
  ASSERT_TRUE(client().control(ControlOp::stop, "web"));
  EXPECT_TRUE(client().wait_until_gone("web"));
}

TEST_P(AnyScm, ReloadsWhatCanBeReloaded) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  EXPECT_EQ(client().service("web").accepts.reload, estate().abilities().reloads);
  const auto answer = client().control(ControlOp::reload, "web");
  if (estate().abilities().reloads) {
    EXPECT_TRUE(answer) << answer.error().detail;
  } else {
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().kind, ErrorKind::control_not_accepted);
  }
  ASSERT_TRUE(client().wait_for("web", ServiceState::running));
  EXPECT_EQ(client().service("web").instance, instance);
}

TEST_P(AnyScm, TakesControlsForManyServicesAtOnce) {
  std::vector<Role> roles;
  for (const std::string name : {"a", "b", "c", "d", "e", "f"})
    roles.push_back({name});
  roles.push_back({"hung", Manner::slow_to_stop});
  ASSERT_TRUE(begin(roles));
  ASSERT_TRUE(client().run("hung"));
  ASSERT_TRUE(client().control(ControlOp::stop, "hung"));
  // A hung service holds up nobody else.
  std::vector<ControlToken> tokens;
  for (const std::string name : {"a", "b", "c", "d", "e", "f"})
    tokens.push_back(client().send(ControlOp::start, name));
  for (const auto& token : tokens)
    EXPECT_TRUE(client().answer(token));
  for (const std::string name : {"a", "b", "c", "d", "e", "f"})
    EXPECT_TRUE(client().wait_for(name, ServiceState::running));
  EXPECT_EQ(client().service("hung").state, ServiceState::stop_pending);
}

}  // namespace
}  // namespace noforce::test
