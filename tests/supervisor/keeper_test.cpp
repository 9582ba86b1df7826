// The keeper's life and death: agents come and go, keepers are killed, services run on.
#include "core/scm/supervisor/keeper.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <random>
#include <thread>

#include <gtest/gtest.h>

#include "core/scm/supervisor/keeper_start.hpp"
#include "core/scm/supervisor/packet.hpp"
#include "core/scm/supervisor/process.hpp"
#include "core/scm/supervisor/protocol.hpp"
#include "tests/supervisor/estate.hpp"

namespace noforce::supervisor::testing {
namespace {

ControlToken token(std::uint32_t step) {
  return {.job = "01K", .step = step, .attempt = 1};
}

TEST(AKeeper, AnswersARepeatedTokenWithItsFirstResult) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  puppet.tell("hold");
  puppet.tell("notify STATUS=holding");
  ASSERT_TRUE(estate.wait([&] { return estate.service("web").status_text == "holding"; }));
  const auto instance = estate.service("web").instance;
  for (int i = 1; i <= 3; ++i) {
    estate.send(ControlOp::stop, "web", token(1), instance);
    ASSERT_TRUE(estate.wait([&] { return estate.listener().answers(token(1)) == i; }));
    EXPECT_TRUE(*estate.listener().answer(token(1)));
  }
  puppet.tell("exit 0");
  ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped));
  EXPECT_EQ(puppet.signals(), std::vector<std::string>{"TERM"});
}

TEST(AKeeper, GoesOnWithoutAnAgent) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  estate.add("db", {"/bin/sleep", "600"});
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.control(ControlOp::start, "db"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  const auto keeper = estate.keeper_pid();
  const auto web = estate.service("web").instance->pid;
  const auto db = *estate.service("db").instance;
  estate.leave();
  puppet.tell("notify STATUS=last words");
  puppet.tell("exit 5");
  ASSERT_TRUE(eventually([&] { return !alive(web); }));
  ASSERT_TRUE(estate.begin());
  EXPECT_EQ(estate.keeper_pid(), keeper);
  ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped));
  EXPECT_EQ(estate.service("web").exit->code, 5);
  EXPECT_EQ(estate.service("web").status_text, "last words");
  EXPECT_EQ(estate.service("db").state, ServiceState::running);
  EXPECT_EQ(*estate.service("db").instance, db);
}

TEST(AKeeper, LetsTheRestartPolicyWorkWithoutAnAgent) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  estate.spec("web").restart = RestartPolicy::always;
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  const auto first = *estate.service("web").instance;
  estate.leave();
  puppet.tell("exit 0");
  ASSERT_TRUE(eventually([&] { return !alive(first.pid); }));
  ASSERT_TRUE(estate.begin());
  EXPECT_TRUE(estate.wait_for("web", ServiceState::running));
  EXPECT_NE(*estate.service("web").instance, first);
}

TEST(AKilledKeeper, LeavesItsServicesRunningAndTheNextTakesThemUp) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  const auto keeper = estate.keeper_pid();
  const auto instance = *estate.service("web").instance;
  estate.kill_keeper();
  ASSERT_TRUE(estate.wait([&] {
    return estate.listener().losses() == 1 && !estate.listener().lost() &&
           estate.scm().snapshot()->complete;
  }));
  EXPECT_NE(estate.keeper_pid(), keeper);
  EXPECT_EQ(estate.service("web").state, ServiceState::running);
  EXPECT_EQ(*estate.service("web").instance, instance);
  EXPECT_EQ(estate.service("web").instance->pid, instance.pid);
  EXPECT_TRUE(alive(instance.pid));
  // Not started a second time.
  EXPECT_EQ(estate.control(ControlOp::start, "web").error().kind, ErrorKind::already_running);
  // Still heard, by the address that it knows.
  puppet.tell("notify STATUS=still here");
  ASSERT_TRUE(estate.wait([&] { return estate.service("web").status_text == "still here"; }));
  ASSERT_TRUE(estate.control(ControlOp::stop, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped));
  ASSERT_TRUE(estate.service("web").exit);
  EXPECT_FALSE(estate.service("web").exit->code);  // nobody saw it
  EXPECT_EQ(puppet.signals(), std::vector<std::string>{"TERM"});
}

TEST(AKilledKeeper, LeavesAStopUnderWayAndItsTokenAnswered) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  puppet.tell("hold");
  puppet.tell("notify STATUS=holding");
  ASSERT_TRUE(estate.wait([&] { return estate.service("web").status_text == "holding"; }));
  const auto instance = estate.service("web").instance;
  estate.send(ControlOp::stop, "web", token(1), instance);
  ASSERT_TRUE(estate.wait([&] { return estate.listener().answers(token(1)) == 1; }));
  ASSERT_TRUE(eventually([&] { return puppet.signals().size() == 1; }));
  estate.kill_keeper();
  estate.send(ControlOp::stop, "web", token(1), instance);
  ASSERT_TRUE(estate.wait([&] { return estate.listener().answers(token(1)) == 2; }));
  EXPECT_TRUE(*estate.listener().answer(token(1)));
  EXPECT_EQ(estate.service("web").state, ServiceState::stop_pending);
  puppet.tell("notify STATUS=flushed all");
  ASSERT_TRUE(estate.wait([&] { return estate.service("web").checkpoint > 0; }));
  puppet.tell("exit 0");
  ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped));
  EXPECT_EQ(puppet.signals(), std::vector<std::string>{"TERM"});
}

TEST(AKilledKeeper, LeavesAPausedServicePaused) {
  Estate estate;
  estate.add("web", {"/bin/sleep", "600"});
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.control(ControlOp::pause, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::paused));
  estate.kill_keeper();
  ASSERT_TRUE(
      estate.wait([&] { return estate.listener().losses() == 1 && !estate.listener().lost(); }));
  EXPECT_EQ(estate.service("web").state, ServiceState::paused);
  ASSERT_TRUE(estate.control(ControlOp::resume, "web"));
  EXPECT_TRUE(estate.wait_for("web", ServiceState::running));
}

TEST(AKilledKeeper, LeavesAServiceThatEndedMeanwhileStoppedWithoutAnExitCode) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  const auto pid = estate.service("web").instance->pid;
  estate.leave();
  estate.kill_keeper();
  puppet.tell("exit 0");
  ASSERT_TRUE(eventually([&] { return !alive(pid); }));
  ASSERT_TRUE(estate.begin());
  EXPECT_EQ(estate.service("web").state, ServiceState::stopped);
  ASSERT_TRUE(estate.service("web").exit);
  EXPECT_FALSE(estate.service("web").exit->code);
}

// However often and whenever the keeper is killed: one process at most, and each control is
// answered.
TEST(AKilledKeeper, AtAnyInstantNeitherLosesNorDoublesAService) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  ASSERT_TRUE(estate.begin());
  std::mt19937 random(4711);
  for (std::uint32_t round = 0; round < 40; ++round) {
    puppet.forget_signals();
    const ControlToken start = token(2 * round);
    std::thread first([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 3000));
      estate.kill_keeper();
    });
    estate.send(ControlOp::start, "web", start, std::nullopt);
    ASSERT_TRUE(estate.wait([&] { return estate.listener().answers(start) > 0; })) << round;
    first.join();
    const auto started = *estate.listener().answer(start);
    ASSERT_TRUE(started) << round << ": " << started.error().detail;
    ASSERT_TRUE(estate.wait_for("web", ServiceState::running))
        << round << ": " << to_string(estate.service("web").state) << ", "
        << estate.service("web").status_text;
    std::vector<std::int64_t> puppets;
    for (const auto& p : all_processes()) {
      if (p.session == p.pid && !p.gone() && estate.is_puppet(p.pid)) puppets.push_back(p.pid);
    }
    ASSERT_TRUE(estate.wait([&] { return !estate.listener().lost(); }));
    ASSERT_EQ(puppets, std::vector{estate.service("web").instance->pid}) << round;
    const ControlToken stop = token(2 * round + 1);
    std::thread second([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(random() % 1000));
      estate.kill_keeper();
    });
    estate.send(ControlOp::stop, "web", stop, estate.service("web").instance);
    ASSERT_TRUE(estate.wait([&] { return estate.listener().answers(stop) > 0; })) << round;
    second.join();
    const auto answer = *estate.listener().answer(stop);
    if (!answer) {
      EXPECT_EQ(answer.error().effect, Effect::unknown) << answer.error().detail;
      const auto again = estate.control(ControlOp::stop, "web");
      EXPECT_TRUE(again || again.error().kind == ErrorKind::not_active);
    }
    ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped)) << round;
    ASSERT_LE(puppet.signals().size(), answer ? 1U : 2U);
  }
}

TEST(ASecondKeeper, IsRefused) {
  Estate estate;
  ASSERT_TRUE(estate.begin());
  const auto keeper = estate.keeper_pid();
  const auto result = start_keeper("/proc/self/exe", {"--keeper", estate.folder()}, estate.folder(),
                                   -1, Milliseconds(20'000));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error(), "another keeper runs on " + estate.folder());
  EXPECT_EQ(estate.keeper_pid(), keeper);
  EXPECT_TRUE(alive(keeper));
}

TEST(ANewerAgent, ReplacesTheOneBefore) {
  Estate estate;
  ASSERT_TRUE(estate.begin());
  auto newer = connect_keeper(estate.folder());
  ASSERT_TRUE(newer);
  EXPECT_TRUE(estate.wait([&] { return estate.listener().losses() == 1; }));
  newer->reset();
  EXPECT_TRUE(estate.wait([&] { return !estate.listener().lost(); }));
}

class AConversation : public ::testing::Test {
 protected:
  void begin() {
    ASSERT_TRUE(estate_.begin());
    estate_.leave();
    connect();
  }
  void connect() { socket_ = std::move(*connect_keeper(estate_.folder())); }
  void say(const std::string& bytes, Fd descriptor = {}) {
    ASSERT_EQ(send_packet(socket_.get(), {.bytes = bytes, .descriptor = std::move(descriptor)}), 0);
  }
  // The next message of this kind, and what came with it; nothing at the end of the conversation.
  template <typename M>
  std::optional<std::pair<M, Fd>> hear() {
    while (true) {
      pollfd wait{.fd = socket_.get(), .events = POLLIN, .revents = 0};
      ::poll(&wait, 1, 20'000);
      auto packet = receive_packet(socket_.get());
      if (!packet) return std::nullopt;
      auto message = decode(packet->bytes);
      EXPECT_TRUE(message.has_value());
      if (!message) return std::nullopt;
      if (auto* wanted = std::get_if<M>(&*message)) {
        return std::pair(std::move(*wanted), std::move(packet->descriptor));
      }
    }
  }

  Estate estate_;
  Fd socket_;
};

TEST_F(AConversation, GoesOnAfterBytesThatMeanNothing) {
  estate_.add("web", {"/bin/sleep", "600"});
  begin();
  say(encode(Hello{}));
  say("\x03garbage");
  say(std::string(60'000, '\xff'));
  say(encode(Command{.service = "../../etc", .token = token(1)}));
  say(encode(Query{.service = "web"}));
  const auto answer = hear<Answer>();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->first.result.error().kind, ErrorKind::unknown_service);
  const auto status = hear<Status>();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->first.name, "web");
}

TEST_F(AConversation, BeginsWithHello) {
  estate_.add("web", {"/bin/sleep", "600"});
  begin();
  say(encode(Command{.op = ControlOp::start, .service = "web", .token = token(1)}));
  say(encode(Hello{}));
  say(encode(Query{.service = "web"}));
  const auto status = hear<Status>();
  ASSERT_TRUE(status);
  EXPECT_EQ(status->first.state, ServiceState::stopped);
}

TEST_F(AConversation, WithAnotherVersionIsRefusedWithASentence) {
  estate_.add("web", {"/bin/sleep", "600"});
  begin();
  say(encode(Hello{.version = 99, .oldest = 98}));
  const auto refused = hear<Refused>();
  ASSERT_TRUE(refused);
  EXPECT_NE(refused->first.why.find("98 to 99"), std::string::npos);
  // Nothing that it says counts.
  say(encode(Query{}));
  connect();
  say(encode(Hello{}));
  say(encode(Query{.service = "web"}));
  ASSERT_TRUE(hear<Status>());
}

TEST_F(AConversation, KeepsWhatAServiceSaysWhileThereIsNoKeeper) {
  auto& puppet = estate_.add_puppet("web");
  estate_.spec("web").environment = {{"PUPPET_SILENT", "1"}};
  begin();
  say(encode(Hello{}));
  say(encode(Command{.op = ControlOp::start, .service = "web", .token = token(1)}));
  auto held = hear<HeldSocket>();
  ASSERT_TRUE(held && held->second);
  ASSERT_TRUE(hear<Answer>());
  estate_.kill_keeper();
  puppet.tell("notify READY=1|STATUS=said to nobody");
  pollfd wait{.fd = held->second.get(), .events = POLLIN, .revents = 0};
  ASSERT_EQ(::poll(&wait, 1, 20'000), 1);
  ASSERT_TRUE(start_keeper("/proc/self/exe", {"--keeper", estate_.folder()}, estate_.folder(), -1,
                           Milliseconds(20'000)));
  connect();
  say(encode(Hello{}));
  say(encode(held->first), std::move(held->second));
  std::optional<Status> status;
  do {
    say(encode(Query{.service = "web"}));
    auto heard = hear<Status>();
    ASSERT_TRUE(heard);
    status = std::move(heard->first);
  } while (status->state == ServiceState::start_pending);
  EXPECT_EQ(status->state, ServiceState::running);
  EXPECT_EQ(status->status_text, "said to nobody");
}

TEST(AKeeper, EndsAtSigtermOnceNoServiceIsUp) {
  Estate estate;
  estate.add("web", {"/bin/sleep", "600"}).restart = RestartPolicy::always;
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  const auto keeper = estate.keeper_pid();
  const auto web = estate.service("web").instance->pid;
  estate.leave();
  ::kill(static_cast<pid_t>(keeper), SIGTERM);
  ASSERT_TRUE(eventually(
      [&] { return estate.file("logs/keeper.log").find("SIGTERM") != std::string::npos; }));
  EXPECT_TRUE(alive(keeper));
  ::kill(static_cast<pid_t>(web), SIGTERM);  // as the machine's shutdown does
  EXPECT_TRUE(eventually([&] { return !alive(keeper); }));
  EXPECT_FALSE(alive(web));
}

}  // namespace
}  // namespace noforce::supervisor::testing
