// One service's decisions, over a world of paper.
#include "core/scm/supervisor/supervised.hpp"

#include <gmock/gmock.h>

#include "tests/supervisor/paper_world.hpp"

namespace noforce::supervisor::testing {
namespace {

using ::testing::HasSubstr;

class ASupervised : public ::testing::Test {
 protected:
  Supervised& make(ServiceSpec spec) {
    service_.emplace(world_, std::move(spec), std::nullopt);
    return *service_;
  }
  Supervised& running(ServiceSpec spec) {
    auto& service = make(std::move(spec));
    service.control(command(ControlOp::start, 0));
    service.executed();
    if (service.spec().type == Readiness::notify) service.notified({.ready = true});
    EXPECT_EQ(service.status().state, ServiceState::running);
    return service;
  }
  void end(std::optional<std::int64_t> code) {
    machine_.main = 0;
    machine_.halted = false;
    service_->main_ended(code, std::nullopt);
  }
  Result<void> last_answer(std::uint32_t step) {
    const auto& answers = world_.answers_[token(step)];
    return answers.empty() ? noforce::fail(ErrorKind::internal, "no answer") : answers.back();
  }

  Machine machine_;
  PaperWorld world_{machine_};
  std::optional<Supervised> service_;
};

// ---- states

TEST_F(ASupervised, OfTypeSimpleRunsOnceItsProgramRuns) {
  auto& service = make(simple());
  service.control(command(ControlOp::start, 1));
  EXPECT_EQ(service.status().state, ServiceState::start_pending);
  EXPECT_EQ(service.status().wait_hint_ms, 2000);
  EXPECT_TRUE(service.status().accepts.stop);
  EXPECT_TRUE(world_.answers_.empty());
  service.executed();
  EXPECT_EQ(service.status().state, ServiceState::running);
  EXPECT_TRUE(last_answer(1));
}

TEST_F(ASupervised, OfTypeNotifyRunsOnceItSaysSo) {
  auto& service = make(notifying());
  service.control(command(ControlOp::start, 1));
  service.executed();
  EXPECT_TRUE(last_answer(1));  // taken, not finished
  EXPECT_EQ(service.status().state, ServiceState::start_pending);
  service.notified({.ready = true});
  EXPECT_EQ(service.status().state, ServiceState::running);
}

TEST_F(ASupervised, WithReadyTcpRunsOnceTheAgentSawItAccept) {
  auto spec = notifying();
  spec.ready_tcp = "127.0.0.1:80";
  auto& service = make(spec);
  service.control(command(ControlOp::start, 1));
  service.executed();
  EXPECT_FALSE(service.status().wants_tcp);
  service.notified({.ready = true});
  EXPECT_EQ(service.status().state, ServiceState::start_pending);
  EXPECT_TRUE(service.status().wants_tcp);
  service.tcp_ready("another instance");
  EXPECT_EQ(service.status().state, ServiceState::start_pending);
  service.tcp_ready(service.status().instance->key);
  EXPECT_EQ(service.status().state, ServiceState::running);
}

TEST_F(ASupervised, IsStopPendingUntilItsProcessIsGone) {
  auto& service = running(simple());
  const std::string key = service.status().instance->key;
  service.control(command(ControlOp::stop, 1, key));
  EXPECT_TRUE(last_answer(1));
  EXPECT_EQ(service.status().state, ServiceState::stop_pending);
  EXPECT_TRUE(service.status().instance);
  EXPECT_FALSE(service.status().accepts.stop);
  machine_.now += std::chrono::hours(10);
  service.look();
  EXPECT_EQ(service.status().state, ServiceState::stop_pending);
  EXPECT_EQ(machine_.signals, std::vector<int>{SIGTERM});
  end(0);
  EXPECT_EQ(service.status().state, ServiceState::stopped);
  EXPECT_FALSE(service.status().instance);
  EXPECT_EQ(service.status().exit->code, 0);
}

TEST_F(ASupervised, CountsEachMessageInAPendingStateAsProgress) {
  auto& service = running(notifying());
  service.notified({.status = "serving"});
  EXPECT_EQ(service.status().checkpoint, 0U);
  service.control(command(ControlOp::stop, 1));
  const auto entered = service.status().last_progress_ns;
  EXPECT_EQ(service.status().checkpoint, 0U);
  machine_.now += std::chrono::seconds(5);
  service.notified({.status = "flushed 1 of 2", .extend = Milliseconds(9000)});
  EXPECT_EQ(service.status().checkpoint, 1U);
  EXPECT_EQ(service.status().wait_hint_ms, 9000);
  EXPECT_EQ(service.status().status_text, "flushed 1 of 2");
  EXPECT_EQ(service.status().last_progress_ns - entered, 5'000'000'000);
}

TEST_F(ASupervised, BelievesWhatItHeardThoughItCannotBeRecorded) {
  auto& service = make(notifying());
  service.control(command(ControlOp::start, 1));
  service.executed();
  world_.disk_full_ = true;
  service.notified({.ready = true});
  EXPECT_EQ(service.status().state, ServiceState::running);
  ASSERT_EQ(service.status().warnings.size(), 1U);
  EXPECT_NE(service.status().warnings[0].find("its record cannot be written"), std::string::npos);
  // The next one carries all of it.
  world_.disk_full_ = false;
  service.notified({.status = "serving"});
  EXPECT_EQ(machine_.disk->state, ServiceState::running);
  EXPECT_TRUE(machine_.disk->said_ready);
  EXPECT_TRUE(service.status().warnings.empty());
}

TEST_F(ASupervised, ThatBeginsToStopByItselfIsStopPending) {
  auto& service = running(notifying());
  service.notified({.stopping = true});
  EXPECT_EQ(service.status().state, ServiceState::stop_pending);
  service.control(command(ControlOp::stop, 1));  // joined, not sent
  EXPECT_TRUE(last_answer(1));
  EXPECT_TRUE(machine_.signals.empty());
}

TEST_F(ASupervised, IsPausedAndContinued) {
  auto& service = running(simple());
  service.control(command(ControlOp::pause, 1));
  EXPECT_EQ(service.status().state, ServiceState::paused);
  EXPECT_TRUE(service.status().accepts.pause_continue);
  service.control(command(ControlOp::resume, 2));
  EXPECT_EQ(service.status().state, ServiceState::running);
  EXPECT_FALSE(machine_.halted);
}

TEST_F(ASupervised, IsPausePendingUntilItsProcessHasHalted) {
  world_.slow_halt_ = true;
  auto& service = running(simple());
  service.control(command(ControlOp::pause, 1));
  EXPECT_EQ(service.status().state, ServiceState::pause_pending);
  ASSERT_TRUE(service.due());
  machine_.halted = true;
  service.look();
  EXPECT_EQ(service.status().state, ServiceState::paused);
  EXPECT_FALSE(service.due());
}

TEST_F(ASupervised, IsContinuedAfterTheStopSignalWhenItWasPaused) {
  auto& service = running(simple());
  service.control(command(ControlOp::pause, 1));
  service.control(command(ControlOp::stop, 2));
  EXPECT_EQ(machine_.signals, std::vector<int>{SIGTERM});
  EXPECT_FALSE(machine_.halted);
  EXPECT_EQ(service.status().state, ServiceState::stop_pending);
}

// ---- controls that are refused, repeated, or meant for another instance

TEST_F(ASupervised, RefusesAStartThatWouldDoubleIt) {
  auto& service = running(simple());
  service.control(command(ControlOp::start, 1));
  EXPECT_EQ(last_answer(1).error().kind, ErrorKind::already_running);
  service.control(command(ControlOp::stop, 2));
  service.control(command(ControlOp::start, 3));
  EXPECT_EQ(last_answer(3).error().kind, ErrorKind::busy);
  EXPECT_EQ(machine_.started, 1);
}

TEST_F(ASupervised, RefusesWhatIsMeantForAnInstanceThatIsGone) {
  auto& service = running(simple());
  for (const auto op : {ControlOp::stop, ControlOp::pause, ControlOp::resume, ControlOp::reload}) {
    const auto step = 10 + static_cast<std::uint32_t>(op);
    service.control(command(op, step, "99:1:boot-0"));
    EXPECT_EQ(last_answer(step).error().kind, ErrorKind::not_active);
  }
  EXPECT_TRUE(machine_.signals.empty());
  EXPECT_EQ(service.status().state, ServiceState::running);
}

TEST_F(ASupervised, AnswersARepeatedTokenWithItsFirstResult) {
  auto& service = running(simple());
  service.control(command(ControlOp::stop, 1));
  service.control(command(ControlOp::stop, 1));
  EXPECT_EQ(machine_.signals.size(), 1U);
  end(0);
  service.control(command(ControlOp::start, 2));
  service.executed();
  service.control(command(ControlOp::stop, 1));  // long answered; another instance runs now
  EXPECT_EQ(machine_.signals.size(), 1U);
  EXPECT_EQ(world_.answers_[token(1)].size(), 3U);
  EXPECT_TRUE(last_answer(1));
  service.control(command(ControlOp::stop, 3, "99:1:x"));
  service.control(command(ControlOp::stop, 3, "99:1:x"));
  EXPECT_EQ(last_answer(3).error().kind, ErrorKind::not_active);
}

TEST_F(ASupervised, JoinsAStopThatIsUnderWayWithoutASecondSignal) {
  auto& service = running(simple());
  service.control(command(ControlOp::stop, 1));
  service.control(command(ControlOp::stop, 2));
  EXPECT_TRUE(last_answer(2));
  EXPECT_EQ(machine_.signals.size(), 1U);
}

TEST_F(ASupervised, TellsTheSystemsOwnErrorWhenASignalIsRefused) {
  auto& service = running(simple());
  world_.refuse_signals_ = EPERM;
  service.control(command(ControlOp::stop, 1));
  EXPECT_EQ(last_answer(1).error().kind, ErrorKind::access_denied);
  EXPECT_EQ(last_answer(1).error().native_name, "EPERM");
  EXPECT_EQ(service.status().state, ServiceState::running);
}

TEST_F(ASupervised, ThatIsDisabledIsNotStarted) {
  auto spec = simple();
  spec.start = StartType::disabled;
  make(spec).control(command(ControlOp::start, 1));
  EXPECT_EQ(last_answer(1).error().kind, ErrorKind::service_disabled);
}

TEST_F(ASupervised, DoesNotStopWhenItsRecordCannotBeWritten) {
  auto& service = running(simple());
  world_.disk_full_ = true;
  service.control(command(ControlOp::stop, 1));
  EXPECT_EQ(last_answer(1).error().native_name, "ENOSPC");
  EXPECT_TRUE(machine_.signals.empty());
  EXPECT_EQ(service.status().state, ServiceState::running);
}

TEST_F(ASupervised, StartsNothingThatItCannotRecord) {
  auto& service = make(simple());
  world_.disk_full_ = true;
  service.control(command(ControlOp::start, 1));
  EXPECT_EQ(last_answer(1).error().native_name, "ENOSPC");
  EXPECT_EQ(machine_.started, 0);
  EXPECT_EQ(machine_.main, 0);
  EXPECT_EQ(service.status().state, ServiceState::stopped);
}

TEST_F(ASupervised, ReloadsOnlyWhereThatIsConfigured) {
  auto& plain = running(simple());
  EXPECT_FALSE(plain.status().accepts.reload);
  plain.control(command(ControlOp::reload, 1));
  EXPECT_EQ(last_answer(1).error().kind, ErrorKind::control_not_accepted);
  auto spec = simple();
  spec.reload_signal = SIGHUP;
  plain.define(spec);
  EXPECT_TRUE(plain.status().accepts.reload);
  plain.control(command(ControlOp::reload, 2));
  EXPECT_TRUE(last_answer(2));
  EXPECT_EQ(machine_.signals, std::vector<int>{SIGHUP});
}

// ---- commands beside it

TEST_F(ASupervised, StopsByItsCommandWhereThereIsOne) {
  auto spec = simple();
  spec.stop_command = {"/bin/stop"};
  auto& service = running(spec);
  service.control(command(ControlOp::stop, 1));
  service.control(command(ControlOp::stop, 2));  // while the first is under way
  EXPECT_EQ(world_.companions_, 1);
  service.companion_executed(Companion::stop);
  EXPECT_TRUE(last_answer(1));
  EXPECT_TRUE(last_answer(2));
  EXPECT_EQ(service.status().state, ServiceState::stop_pending);
  EXPECT_TRUE(machine_.signals.empty());
}

TEST_F(ASupervised, RunsAFailedStopCommandAgainForANewStop) {
  auto spec = simple();
  spec.stop_command = {"/bin/stop"};
  auto& service = running(spec);
  service.control(command(ControlOp::stop, 1));
  service.companion_executed(Companion::stop);
  service.companion_ended(Companion::stop, 1);
  EXPECT_EQ(service.status().state, ServiceState::stop_pending);
  EXPECT_EQ(service.status().warnings,
            std::vector<std::string>{"its stop_command failed with exit 1"});
  service.control(command(ControlOp::stop, 2));
  EXPECT_EQ(world_.companions_, 2);
}

TEST_F(ASupervised, GoesOnRunningWhenItsStopCommandCannotBeExecuted) {
  auto spec = simple();
  spec.stop_command = {"/bin/stop"};
  auto& service = running(spec);
  service.control(command(ControlOp::stop, 1));
  Error error;
  error.kind = ErrorKind::scm_failure;
  error.native_name = "ENOENT";
  service.companion_failed(Companion::stop, error);
  EXPECT_EQ(last_answer(1).error().native_name, "ENOENT");
  EXPECT_EQ(service.status().state, ServiceState::running);
}

// ---- the restart policy

TEST_F(ASupervised, IsStartedAgainWithGrowingPausesAfterFailures) {
  auto spec = simple();
  spec.restart = RestartPolicy::on_failure;
  auto& service = running(spec);
  Milliseconds expected{100};
  for (int i = 0; i < 12; ++i) {
    end(1);
    EXPECT_EQ(service.status().state, ServiceState::stopped);
    EXPECT_TRUE(service.status().accepts.stop);  // a stop would cancel the restart
    ASSERT_TRUE(service.due());
    EXPECT_EQ(*service.due() - machine_.now, expected) << i;
    EXPECT_EQ(service.status().warnings.front(),
              "restarting in " + std::to_string(expected.count()) + " ms after exit 1");
    machine_.now += expected;
    service.look();
    service.executed();
    EXPECT_EQ(service.status().state, ServiceState::running);
    expected = std::min(expected * 2, Milliseconds(30'000));
  }
  machine_.now += std::chrono::seconds(11);  // a good run
  end(1);
  EXPECT_EQ(*service.due() - machine_.now, Milliseconds(100));
}

TEST_F(ASupervised, IsNotStartedAgainAfterAStop) {
  auto spec = simple();
  spec.restart = RestartPolicy::always;
  auto& service = running(spec);
  service.control(command(ControlOp::stop, 1));
  end(1);
  EXPECT_FALSE(service.due());
}

TEST_F(ASupervised, IsNotStartedAgainAfterAStopDuringThePause) {
  auto spec = simple();
  spec.restart = RestartPolicy::always;
  auto& service = running(spec);
  end(1);
  ASSERT_TRUE(service.due());
  service.control(command(ControlOp::stop, 1));
  EXPECT_EQ(last_answer(1).error().kind, ErrorKind::not_active);
  EXPECT_FALSE(service.due());
  EXPECT_FALSE(service.status().accepts.stop);
}

TEST_F(ASupervised, IsStartedAgainAfterSuccessOnlyWhenThatIsThePolicy) {
  auto spec = simple();
  spec.restart = RestartPolicy::on_failure;
  running(spec);
  end(0);
  EXPECT_FALSE(service_->due());
  spec.restart = RestartPolicy::always;
  running(spec);
  end(0);
  EXPECT_TRUE(service_->due());
}

TEST_F(ASupervised, IsNotStartedAgainWhileTheMachineGoesDown) {
  auto spec = simple();
  spec.restart = RestartPolicy::always;
  running(spec);
  world_.draining_ = true;
  end(143);
  EXPECT_FALSE(service_->due());
}

TEST_F(ASupervised, WhoseAskedStartFailedIsNotTriedAgainByItself) {
  auto spec = simple();
  spec.restart = RestartPolicy::always;
  auto& service = make(spec);
  service.control(command(ControlOp::start, 1));
  Error error;
  error.kind = ErrorKind::scm_failure;
  error.detail = "cannot execute /bin/web";
  error.native_name = "ENOENT";
  machine_.main = 0;
  service.main_ended(127, error);
  EXPECT_EQ(last_answer(1).error().native_name, "ENOENT");
  EXPECT_FALSE(service.due());
  EXPECT_EQ(service.status().status_text, "cannot execute /bin/web");
}

// ---- settings

TEST_F(ASupervised, ThatIsTakenOutStaysListedUntilItStops) {
  auto& service = running(simple());
  service.take_out();
  EXPECT_FALSE(service.status().defined);
  EXPECT_EQ(service.status().warnings.size(), 1U);
  service.control(command(ControlOp::stop, 1));
  end(0);
  service.control(command(ControlOp::start, 2));
  EXPECT_EQ(last_answer(2).error().kind, ErrorKind::unknown_service);
}

TEST_F(ASupervised, ThatIsTakenOutIsStartedAgainOnlyByTheJobThatHoldsIt) {
  auto& service = running(simple());
  service.keep(true);
  service.take_out();
  EXPECT_THAT(service.status().warnings.front(), HasSubstr("the job that holds it"));
  service.control(command(ControlOp::stop, 1));
  end(0);
  service.control(command(ControlOp::start, 2));
  service.executed();
  EXPECT_TRUE(last_answer(2));
  EXPECT_TRUE(service.up());
  service.keep(false);
  EXPECT_THAT(service.status().warnings.front(), HasSubstr("until it stops"));
}

TEST_F(ASupervised, WhoseSettingsHaveChangedSaysThatTheyCountFromItsNextStart) {
  auto spec = simple();
  auto& service = running(spec);
  EXPECT_TRUE(service.status().warnings.empty());
  spec.stop_signal = SIGINT;  // counts at once
  service.define(spec);
  EXPECT_TRUE(service.status().warnings.empty());
  spec.environment.emplace_back("LANG", "C");
  service.define(spec);
  ASSERT_EQ(service.status().warnings.size(), 1U);
  EXPECT_THAT(service.status().warnings.front(), HasSubstr("count from its next start on"));
  service.control(command(ControlOp::stop, 1));
  end(0);
  EXPECT_TRUE(service.status().warnings.empty());
  service.control(command(ControlOp::start, 2));
  EXPECT_TRUE(service.status().warnings.empty());
}

}  // namespace
}  // namespace noforce::supervisor::testing
