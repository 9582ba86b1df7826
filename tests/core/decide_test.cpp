#include "core/decide.hpp"

#include <gtest/gtest.h>

#include "tests/support/estate.hpp"

namespace noforce {
namespace {

using std::chrono::seconds;
using test::make_picture;
using test::make_service;

const MonoTime kStart = MonoTime{} + seconds(1000);

// One step on one service, looked at from outside of any executor.
class Stepping : public ::testing::Test {
 protected:
  Stepping() {
    drive.begun = kStart;
    rules.no_progress = seconds(10);
    rules.deadline = kStart + seconds(100);
    rules.policy = &policy;
    step.service = "a";
  }

  Move decide(seconds after = seconds(0)) {
    return decide_step(step, drive, gone ? nullptr : &service, rules, kStart + after);
  }
  void sent(seconds after = seconds(0)) {
    drive.sent = true;
    drive.outstanding = true;
    drive.sent_at = kStart + after;
  }
  void answered(Result<void> result) {
    drive.outstanding = false;
    drive.answer = std::move(result);
  }
  void is(ServiceState state, seconds progress = seconds(0)) {
    service.state = state;
    service.last_progress = kStart + progress;
    if (state == ServiceState::stopped) {
      service.instance.reset();
      service.accepts = {};
    }
  }

  Policy policy;
  Step step;
  StepDrive drive;
  StepRules rules;
  Service service = make_service("a");
  bool gone = false;
};

template <typename T>
const T* as(const Move& move) {
  return std::get_if<T>(&move);
}

void expect_end(const Move& move, StepResult result) {
  const auto* end = as<StepEnd>(move);
  ASSERT_NE(end, nullptr);
  EXPECT_EQ(end->result, result) << (end->error ? end->error->detail : "");
}

void expect_end(const Move& move, StepResult result, ErrorKind kind) {
  expect_end(move, result);
  const auto* end = as<StepEnd>(move);
  ASSERT_TRUE(end != nullptr && end->error.has_value());
  EXPECT_EQ(end->error->kind, kind);
}

void expect_wait(const Move& move, MonoTime until) {
  const auto* wait = as<WaitFor>(move);
  ASSERT_NE(wait, nullptr);
  EXPECT_EQ(wait->until, until);
}

class AStop : public Stepping {};

TEST_F(AStop, IsSentOnceToTheInstanceThatRuns) {
  const Move move = decide();
  const auto* send = as<Send>(move);
  ASSERT_NE(send, nullptr);
  EXPECT_EQ(send->op, ControlOp::stop);
  EXPECT_EQ(send->instance, service.instance);
  sent();
  EXPECT_NE(as<WaitFor>(decide()), nullptr);
  answered({});
  EXPECT_NE(as<WaitFor>(decide(seconds(9))), nullptr) << "a taken stop is never sent again";
}

TEST_F(AStop, OfAStoppedServiceChangesNothing) {
  is(ServiceState::stopped);
  expect_end(decide(), StepResult::unchanged);
}

TEST_F(AStop, JoinsOneThatIsUnderWayWithoutASecondSignal) {
  is(ServiceState::stop_pending);
  EXPECT_NE(as<WaitFor>(decide()), nullptr);
  is(ServiceState::stopped);
  expect_end(decide(), StepResult::succeeded);
}

TEST_F(AStop, WaitsAsLongAsTheCheckpointMoves) {
  sent();
  answered({});
  for (int at = 0; at <= 80; at += 8) {
    is(ServiceState::stop_pending, seconds(at));
    service.wait_hint = seconds(2);
    expect_wait(decide(seconds(at)), std::min(kStart + seconds(at + 12), rules.deadline));
  }
}

TEST_F(AStop, TimesOutWithoutProgressBeyondItsWaitHint) {
  sent();
  is(ServiceState::stop_pending);
  service.wait_hint = seconds(5);
  expect_wait(decide(seconds(14)), kStart + seconds(15));
  const Move move = decide(seconds(15));
  expect_end(move, StepResult::timed_out, ErrorKind::no_progress);
  EXPECT_NE(as<StepEnd>(move)->error->detail.find("last progress 15.0 s ago"), std::string::npos);
  EXPECT_NE(as<StepEnd>(move)->error->detail.find("Nothing was killed"), std::string::npos);
}

TEST_F(AStop, TimesOutAtTheDeadlineAlthoughThereIsProgress) {
  sent();
  is(ServiceState::stop_pending, seconds(99));
  expect_end(decide(seconds(100)), StepResult::timed_out, ErrorKind::deadline_passed);
}

TEST_F(AStop, IsNotSentAfterTheDeadline) {
  expect_end(decide(seconds(100)), StepResult::timed_out, ErrorKind::deadline_passed);
}

TEST_F(AStop, IsDoneOnlyWhenTheProcessIsGone) {
  sent();
  answered({});
  service.state = ServiceState::stopped;  // reported, but the process is still there
  EXPECT_NE(as<WaitFor>(decide()), nullptr);
  service.instance.reset();
  expect_end(decide(), StepResult::succeeded);
}

TEST_F(AStop, OfAServiceThatTakesNoneFailsWithTheScmsOwnWord) {
  service.accepts.stop = false;
  EXPECT_NE(as<Send>(decide()), nullptr);
  sent();
  Error refused{.kind = ErrorKind::control_not_accepted, .native_code = 1052};
  answered(std::unexpected(refused));
  const Move move = decide();
  expect_end(move, StepResult::failed, ErrorKind::control_not_accepted);
  EXPECT_EQ(as<StepEnd>(move)->error->native_code, 1052);
}

TEST_F(AStop, WaitsForAStartThatIsUnderWayFirst) {
  is(ServiceState::start_pending);
  service.accepts.stop = false;
  EXPECT_NE(as<WaitFor>(decide()), nullptr);
  service.state = ServiceState::running;
  service.accepts.stop = true;
  EXPECT_NE(as<Send>(decide()), nullptr);
}

TEST_F(AStop, IsSentAtOnceToOneThatTakesItOnItsWayUp) {
  is(ServiceState::start_pending);
  EXPECT_NE(as<Send>(decide()), nullptr);
}

TEST_F(AStop, TimesOutOnOneThatHangsOnItsWayUpAndTakesNoStop) {
  is(ServiceState::start_pending);
  service.accepts.stop = false;
  expect_end(decide(seconds(10)), StepResult::timed_out, ErrorKind::no_progress);
}

TEST_F(AStop, StopsAnotherInstanceToo_ButNotForEver) {
  drive.target = Instance{1, "before"};
  for (int n = 0; n < kMostInstancesMet; ++n) {
    service.instance = Instance{2 + n, "again" + std::to_string(n)};
    EXPECT_NE(as<Send>(decide()), nullptr);
    sent();
    answered({});
  }
  service.instance = Instance{9, "once more"};
  expect_end(decide(), StepResult::failed, ErrorKind::started_again);
}

TEST_F(AStop, LeavesAnotherInstanceAloneInARestart) {
  rules.leave_other_instance = true;
  drive.target = Instance{1, "before"};
  expect_end(decide(), StepResult::succeeded);
}

TEST_F(AStop, KeepsLookingAfterAnAnswerWithUnknownEffect) {
  sent();
  Error unknown{.kind = ErrorKind::timeout, .detail = "1053"};
  unknown.effect = Effect::unknown;
  answered(std::unexpected(unknown));
  EXPECT_NE(as<WaitFor>(decide(seconds(1))), nullptr);
  is(ServiceState::stopped);
  expect_end(decide(seconds(2)), StepResult::succeeded);
}

TEST_F(AStop, TriesAgainWhenTheServiceIsBusyAndGivesUpInTheEnd) {
  const Error busy{.kind = ErrorKind::busy, .detail = "1061"};
  seconds at{0};
  for (int n = 0; n < kMostBusyAnswers; ++n) {
    at += seconds(8);
    sent(at - seconds(8));
    answered(std::unexpected(busy));
    EXPECT_NE(as<WaitFor>(decide(at - seconds(8))), nullptr) << n;
    EXPECT_NE(as<Send>(decide(at)), nullptr) << n;
  }
  sent(at);
  answered(std::unexpected(busy));
  expect_end(decide(at), StepResult::failed, ErrorKind::busy);
}

TEST_F(AStop, FailsWithTheScmsOwnWordWhenItIsRefused) {
  sent();
  Error denied{.kind = ErrorKind::access_denied, .detail = "denied", .service = "a"};
  denied.native_code = 5;
  denied.native_name = "ERROR_ACCESS_DENIED";
  answered(std::unexpected(denied));
  const Move move = decide();
  expect_end(move, StepResult::failed, ErrorKind::access_denied);
  EXPECT_EQ(as<StepEnd>(move)->error->native_code, 5);
}

TEST_F(AStop, OfAServiceThatIsNoLongerKnownIsDone) {
  gone = true;
  expect_end(decide(), StepResult::unchanged);
}

class AStart : public Stepping {
 protected:
  AStart() {
    step.operation = Operation::start;
    is(ServiceState::stopped);
  }
};

TEST_F(AStart, IsSentOnceAndDoneWhenItRuns) {
  EXPECT_NE(as<Send>(decide()), nullptr);
  sent();
  answered({});
  is(ServiceState::start_pending);
  EXPECT_NE(as<WaitFor>(decide()), nullptr);
  is(ServiceState::running);
  expect_end(decide(), StepResult::succeeded);
}

TEST_F(AStart, OfARunningServiceChangesNothing) {
  is(ServiceState::running);
  expect_end(decide(), StepResult::unchanged);
}

TEST_F(AStart, WaitsForAStopThatIsStillUnderWay) {
  is(ServiceState::stop_pending);
  EXPECT_NE(as<WaitFor>(decide()), nullptr);
  is(ServiceState::stopped);
  EXPECT_NE(as<Send>(decide()), nullptr);
}

TEST_F(AStart, FailsWithTheExitCodeWhenItIsStoppedAgain) {
  sent();
  answered({});
  service.exit = Exit{.code = 7, .service_code = {}};
  const Move move = decide();
  expect_end(move, StepResult::failed, ErrorKind::start_failed);
  EXPECT_EQ(as<StepEnd>(move)->error->native_code, 7);
}

TEST_F(AStart, IsAskedForAgainAfterAnAnswerWithUnknownEffectWhileItIsStopped) {
  sent();
  Error unknown{.kind = ErrorKind::timeout, .detail = "1053"};
  unknown.effect = Effect::unknown;
  answered(std::unexpected(unknown));
  EXPECT_NE(as<WaitFor>(decide()), nullptr);
  EXPECT_NE(as<Send>(decide(seconds(1))), nullptr);
}

TEST_F(AStart, IsNotSentToADisabledService) {
  service.start_type = StartType::disabled;
  expect_end(decide(), StepResult::failed, ErrorKind::service_disabled);
}

TEST_F(AStart, TimesOutWhenItHangsOnItsWayUp) {
  sent();
  answered({});
  is(ServiceState::start_pending);
  expect_end(decide(seconds(10)), StepResult::timed_out, ErrorKind::no_progress);
}

class APause : public Stepping {
 protected:
  APause() { step.operation = Operation::pause; }
};

TEST_F(APause, IsSentAndWaitedFor) {
  EXPECT_NE(as<Send>(decide()), nullptr);
  sent();
  answered({});
  EXPECT_NE(as<WaitFor>(decide()), nullptr);
  is(ServiceState::paused);
  expect_end(decide(), StepResult::succeeded);
}

TEST_F(APause, FailsWhenTheServiceDoesNotRun) {
  is(ServiceState::stopped);
  expect_end(decide(), StepResult::failed, ErrorKind::not_active);
}

class AVerification : public Stepping {
 protected:
  AVerification() {
    step.operation = Operation::verify;
    policy.verify =
        Verify{.http = "http://127.0.0.1/", .tcp = "", .within = seconds(5), .hold = seconds(2)};
  }
};

TEST_F(AVerification, AsksHoldsAndSucceeds) {
  EXPECT_NE(as<AskProbe>(decide()), nullptr);
  sent();
  answered({});
  expect_wait(decide(seconds(1)), kStart + seconds(3));
  expect_end(decide(seconds(3)), StepResult::succeeded);
}

TEST_F(AVerification, AsksAgainUntilItsTimeIsUp) {
  sent();
  answered(fail(ErrorKind::verify_failed, "HTTP 500"));
  EXPECT_NE(as<WaitFor>(decide()), nullptr);
  EXPECT_NE(as<AskProbe>(decide(seconds(1))), nullptr);
  const Move move = decide(seconds(5));
  expect_end(move, StepResult::failed, ErrorKind::verify_failed);
  EXPECT_NE(as<StepEnd>(move)->error->detail.find("HTTP 500"), std::string::npos);
}

TEST_F(AVerification, FailsWhenTheServiceEndsWithinItsHoldTime) {
  sent();
  answered({});
  EXPECT_NE(as<WaitFor>(decide()), nullptr);
  is(ServiceState::stopped);
  service.exit = Exit{.code = 3, .service_code = {}};
  const Move move = decide(seconds(1));
  expect_end(move, StepResult::failed, ErrorKind::verify_failed);
  EXPECT_NE(as<StepEnd>(move)->error->detail.find("exit code 3"), std::string::npos);
}

TEST_F(AVerification, FailsWhenAnotherInstanceHasTakenItsPlace) {
  sent();
  answered({});
  EXPECT_NE(as<WaitFor>(decide()), nullptr);
  service.instance = Instance{77, "other"};
  expect_end(decide(seconds(1)), StepResult::failed, ErrorKind::verify_failed);
}

// Restoring ----------------------------------------------------------------------------------

Job job_that_stopped(const std::vector<Service>& before, const std::vector<std::string>& stopped) {
  Job job;
  job.action = Action::restart;
  job.services = {"iisadmin"};
  for (const auto& service : before) {
    job.found.push_back({service.name, service.state, service.instance});
  }
  for (const auto& name : stopped) {
    Step step;
    step.service = name;
    step.operation = Operation::stop;
    step.state = StepState::done;
    step.result = StepResult::succeeded;
    job.steps.push_back(step);
  }
  return job;
}

std::vector<std::string> services_of(const Restoration& restoration) {
  std::vector<std::string> names;
  for (const auto& one : restoration.steps) {
    names.push_back(std::string(to_string(one.operation)) + " " + one.service);
  }
  return names;
}

using Names = std::vector<std::string>;

TEST(ARestoration, BringsBackWhatTheJobStoppedInOrderAndPausesAgain) {
  auto services = test::exchange_estate();
  test::set_state(services, "pop3svc", ServiceState::paused);
  const Job job = job_that_stopped(services, {"w3svc", "antispam", "smtpsvc", "pop3svc"});
  for (const auto* name : {"w3svc", "antispam", "smtpsvc", "pop3svc"}) {
    test::set_state(services, name, ServiceState::stopped);
  }
  const auto restoration = plan_restoration(job, make_picture(services), {});
  EXPECT_EQ(services_of(restoration), (Names{"start smtpsvc", "start antispam", "start pop3svc",
                                             "pause pop3svc", "start w3svc"}));
  EXPECT_TRUE(restoration.blocked.empty());
}

TEST(ARestoration, LeavesDownWhatSomebodyElseStopped) {
  auto services = test::exchange_estate();
  const Job job = job_that_stopped(services, {"w3svc"});
  test::set_state(services, "w3svc", ServiceState::stopped);
  test::set_state(services, "pop3svc", ServiceState::stopped);
  EXPECT_EQ(services_of(plan_restoration(job, make_picture(services), {})), (Names{"start w3svc"}));
}

TEST(ARestoration, WaitsForWhatIsStillStopping) {
  auto services = test::exchange_estate();
  const Job job = job_that_stopped(services, {"w3svc", "antispam", "smtpsvc"});
  test::set_state(services, "w3svc", ServiceState::stopped);
  test::set_state(services, "antispam", ServiceState::stopped);
  test::set_state(services, "smtpsvc", ServiceState::stop_pending);
  const Picture picture = make_picture(services);
  const auto restoration = plan_restoration(job, picture, {});
  EXPECT_EQ(services_of(restoration), (Names{"start w3svc"}));
  EXPECT_EQ(restoration.blocked, (Names{"smtpsvc", "antispam"}));
  EXPECT_EQ(now_down(job, picture), (Names{"smtpsvc", "antispam", "w3svc"}));
}

TEST(ARestoration, IsPendingWhileAnythingCanStillBeBroughtBack) {
  auto services = test::exchange_estate();
  const Job job = job_that_stopped(services, {"w3svc", "antispam", "smtpsvc"});
  EXPECT_EQ(judge_restored(job, make_picture(services)), Restored::complete);
  test::set_state(services, "smtpsvc", ServiceState::stop_pending);
  test::set_state(services, "antispam", ServiceState::stopped);
  EXPECT_EQ(judge_restored(job, make_picture(services)), Restored::pending);
  test::set_state(services, "w3svc", ServiceState::stopped);
  EXPECT_EQ(judge_restored(job, make_picture(services)), Restored::pending);
  for (const char* name : {"smtpsvc", "antispam", "w3svc"}) {
    test::set_state(services, name, ServiceState::stopped);
    test::in(services, name).start_type = StartType::disabled;
  }
  EXPECT_EQ(judge_restored(job, make_picture(services)), Restored::incomplete);
  EXPECT_EQ(judge_restored(job_that_stopped(services, {}), make_picture(services)),
            Restored::not_needed);
}

}  // namespace
}  // namespace noforce
