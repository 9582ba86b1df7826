// Real keepers, killed with -9 before each of their system calls, and what comes of the service.
#include <signal.h>

#include <filesystem>

#include <gtest/gtest.h>

#include "core/scm/supervisor/process.hpp"
#include "tests/supervisor/estate.hpp"
#include "tests/supervisor/traced.hpp"

namespace noforce::supervisor::testing {
namespace {

// One service, and its processes as the machine shows them.
class AKeeperKilledBetweenCalls : public ::testing::Test {
 protected:
  void begin() { ASSERT_TRUE(estate_.begin()); }

  // Every process that runs the service's program.
  [[nodiscard]] std::vector<std::int64_t> puppets() const {
    std::vector<std::int64_t> found;
    for (const auto& p : all_processes()) {
      if (!p.gone() && estate_.is_puppet(p.pid)) found.push_back(p.pid);
    }
    return found;
  }
  [[nodiscard]] std::vector<std::int64_t> only_main() {
    return {estate_.service("web").instance->pid};
  }
  // The child that has not become its program yet; 0 when there is none.
  [[nodiscard]] std::int64_t waiting_child() const {
    for (const auto& p : all_processes()) {
      if (p.parent == estate_.keeper_pid() && p.forked_only && !p.gone()) return p.pid;
    }
    return 0;
  }
  // Halts it where it waits for its word. Before that it still holds what it has of the keeper's,
  // its lock among them: halted there, no next keeper could begin.
  [[nodiscard]] std::int64_t halt_waiting_child() const {
    const std::int64_t child = waiting_child();
    constexpr std::ptrdiff_t kWhileItWaits = 5;  // standard ones, its word, its result
    if (child == 0 || !eventually([&] { return descriptors_of(child) == kWhileItWaits; }) ||
        send_signal(open_pidfd(child), SIGSTOP) != 0) {
      return 0;
    }
    return eventually([child] {
      const auto stat = read_stat(child);
      return stat && stat->halted();
    })
               ? child
               : 0;
  }
  static std::ptrdiff_t descriptors_of(std::int64_t pid) {
    std::error_code failed;
    const std::filesystem::directory_iterator all("/proc/" + std::to_string(pid) + "/fd", failed);
    return failed ? 0 : std::distance(std::filesystem::begin(all), std::filesystem::end(all));
  }
  static void resume(std::int64_t child) { (void)send_signal(open_pidfd(child), SIGCONT); }

  [[nodiscard]] bool next_keeper_talks() {
    return estate_.wait([this] {
      return estate_.listener().losses() > 0 && !estate_.listener().lost() &&
             estate_.scm().snapshot()->complete;
    });
  }
  // As the executor does: asked again where nothing is known of the first.
  [[nodiscard]] Result<void> insist(ControlOp op) {
    auto result = estate_.control(op, "web");
    if (!result && result.error().effect == Effect::unknown) {
      result = estate_.control(op, "web");
      if (!result && result.error().kind == ErrorKind::already_running) return {};
    }
    return result;
  }

  Estate estate_;
  Puppet& puppet_ = estate_.add_puppet("web");
};

#define SKIP_UNLESS_TRACED(traced) \
  if (!(traced).works()) GTEST_SKIP() << "this machine does not let one process trace another"

// True of the nth call, counted from 0.
std::function<bool(const SystemCall&)> nth(int n) {
  return [n, calls = 0](const SystemCall&) mutable { return calls++ == n; };
}

TEST_F(AKeeperKilledBetweenCalls, NeitherLosesNorDoublesAStartBeforeWhicheverOne) {
  begin();
  bool killed = true;
  int calls = 0;
  for (; killed && !HasFailure(); ++calls) {
    SCOPED_TRACE("killed before call " + std::to_string(calls));
    Traced keeper(estate_.keeper_pid(), nth(calls));
    SKIP_UNLESS_TRACED(keeper);
    const auto started = insist(ControlOp::start);
    ASSERT_TRUE(started) << started.error().detail;
    ASSERT_TRUE(estate_.wait_for("web", ServiceState::running))
        << to_string(estate_.service("web").state);
    killed = keeper.let_go();
    ASSERT_TRUE(estate_.wait([&] { return !estate_.listener().lost(); }));
    EXPECT_EQ(puppets(), only_main());
    ASSERT_TRUE(insist(ControlOp::stop));
    ASSERT_TRUE(estate_.wait_for("web", ServiceState::stopped));
  }
  EXPECT_GT(calls, 20);  // fork, record, go, exec and READY are that many at least
}

TEST_F(AKeeperKilledBetweenCalls, NeverSendsAStopTwiceBeforeWhicheverOne) {
  begin();
  bool killed = true;
  int calls = 0;
  // What it was told before this is done when it says so.
  const auto puppet_says = [&](const std::string& text) {
    puppet_.tell("notify STATUS=" + text);
    return estate_.wait([&] { return estate_.service("web").status_text == text; });
  };
  for (; killed && !HasFailure(); ++calls) {
    SCOPED_TRACE("killed before call " + std::to_string(calls));
    ASSERT_TRUE(estate_.control(ControlOp::start, "web"));
    ASSERT_TRUE(estate_.wait_for("web", ServiceState::running));
    puppet_.forget_signals();
    puppet_.tell("hold");
    ASSERT_TRUE(puppet_says("holding " + std::to_string(calls)));
    Traced keeper(estate_.keeper_pid(), nth(calls));
    SKIP_UNLESS_TRACED(keeper);
    const auto stopped = estate_.control(ControlOp::stop, "web");
    if (!stopped) {
      EXPECT_EQ(stopped.error().effect, Effect::unknown) << stopped.error().detail;
    }
    ASSERT_TRUE(puppet_says("had it " + std::to_string(calls)));
    if (stopped) {
      EXPECT_EQ(puppet_.signals().size(), 1U);
    }
    EXPECT_LE(puppet_.signals().size(), 1U);
    puppet_.tell("exit 0");
    ASSERT_TRUE(estate_.wait_for("web", ServiceState::stopped));
    killed = keeper.let_go();
    ASSERT_TRUE(estate_.wait([&] { return !estate_.listener().lost(); }));
    EXPECT_EQ(puppets(), std::vector<std::int64_t>{});
  }
  EXPECT_GT(calls, 8);
}

TEST_F(AKeeperKilledBetweenCalls, LeavesAReadyThatItHadHeardToTheNext) {
  estate_.spec("web").environment = {{"PUPPET_SILENT", "1"}};
  begin();
  ASSERT_TRUE(estate_.control(ControlOp::start, "web"));
  const auto instance = *estate_.service("web").instance;
  Traced keeper(estate_.keeper_pid(), saves_record);
  SKIP_UNLESS_TRACED(keeper);
  puppet_.tell("notify READY=1|STATUS=said once");
  EXPECT_TRUE(estate_.wait_for("web", ServiceState::running))
      << to_string(estate_.service("web").state);
  EXPECT_TRUE(keeper.let_go());
  EXPECT_EQ(estate_.service("web").status_text, "said once");
  EXPECT_EQ(*estate_.service("web").instance, instance);
}

TEST_F(AKeeperKilledBetweenCalls, LeavesAnExtendedWaitHintToTheNext) {
  begin();
  ASSERT_TRUE(estate_.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate_.wait_for("web", ServiceState::running));
  puppet_.tell("hold");
  puppet_.tell("notify STATUS=holding");
  ASSERT_TRUE(estate_.wait([&] { return estate_.service("web").status_text == "holding"; }));
  ASSERT_TRUE(estate_.control(ControlOp::stop, "web"));
  puppet_.tell("notify EXTEND_TIMEOUT_USEC=7000000");
  ASSERT_TRUE(estate_.wait([&] { return estate_.service("web").wait_hint == Milliseconds(7000); }));
  const auto before = estate_.service("web");
  estate_.kill_keeper();
  ASSERT_TRUE(next_keeper_talks());
  const auto after = estate_.service("web");
  EXPECT_EQ(after.state, ServiceState::stop_pending);
  EXPECT_EQ(after.wait_hint, Milliseconds(7000));
  EXPECT_EQ(after.checkpoint, before.checkpoint);
  EXPECT_EQ(after.last_progress, before.last_progress);
}

// ---- the child that has not become its program

TEST_F(AKeeperKilledBetweenCalls, LeavesNothingOfAChildWithoutARecord) {
  begin();
  std::int64_t child = 0;
  Traced keeper(estate_.keeper_pid(), [&](const SystemCall& call) {
    if (saves_record(call)) child = halt_waiting_child();
    return child != 0;
  });
  SKIP_UNLESS_TRACED(keeper);
  const auto started = estate_.control(ControlOp::start, "web");  // by the next keeper
  ASSERT_TRUE(started) << started.error().detail;
  ASSERT_TRUE(estate_.wait_for("web", ServiceState::running));
  ASSERT_TRUE(keeper.let_go());
  EXPECT_NE(estate_.service("web").instance->pid, child);
  resume(child);
  EXPECT_TRUE(eventually([&] { return !alive(child); }));
  EXPECT_EQ(puppets(), only_main());
}

TEST_F(AKeeperKilledBetweenCalls, StartsAgainWhereTheChildEndedWithoutItsWord) {
  begin();
  std::int64_t child = 0;
  Traced keeper(estate_.keeper_pid(), [&](const SystemCall& call) {
    if (lets_child_go(call)) child = waiting_child();
    return child != 0;
  });
  SKIP_UNLESS_TRACED(keeper);
  const auto started = insist(ControlOp::start);
  ASSERT_TRUE(started) << started.error().detail;
  ASSERT_TRUE(estate_.wait_for("web", ServiceState::running));
  ASSERT_TRUE(keeper.let_go());
  EXPECT_FALSE(alive(child));
  EXPECT_EQ(puppets(), only_main());
}

TEST_F(AKeeperKilledBetweenCalls, SaysThatAStartIsUnknownWhereTheChildEndsWithoutItsWordLater) {
  begin();
  std::int64_t child = 0;
  Traced keeper(estate_.keeper_pid(), [&](const SystemCall& call) {
    if (lets_child_go(call)) child = halt_waiting_child();
    return child != 0;
  });
  SKIP_UNLESS_TRACED(keeper);
  const auto start = estate_.send(ControlOp::start, "web");
  ASSERT_TRUE(next_keeper_talks());
  ASSERT_TRUE(keeper.let_go());
  // The next keeper finds the recorded child, and starts no second one beside it.
  EXPECT_EQ(estate_.service("web").state, ServiceState::start_pending);
  EXPECT_EQ(estate_.service("web").instance->pid, child);
  EXPECT_FALSE(estate_.listener().answer(start));
  resume(child);
  ASSERT_TRUE(estate_.wait([&] { return estate_.listener().answers(start) > 0; }));
  const auto answer = *estate_.listener().answer(start);
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().effect, Effect::unknown);
  ASSERT_TRUE(estate_.wait_for("web", ServiceState::stopped));
  EXPECT_FALSE(estate_.service("web").exit->code);
  EXPECT_EQ(puppets(), std::vector<std::int64_t>{});
  // Asked again, it starts.
  ASSERT_TRUE(estate_.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate_.wait_for("web", ServiceState::running));
  EXPECT_EQ(puppets(), only_main());
}

TEST_F(AKeeperKilledBetweenCalls, LetsAChildThatHadItsWordBecomeItsProgram) {
  begin();
  std::int64_t child = 0;
  Traced keeper(estate_.keeper_pid(), [&](const SystemCall& call) {
    if (child != 0) return true;  // the word is in the pipe
    if (lets_child_go(call)) child = halt_waiting_child();
    return false;
  });
  SKIP_UNLESS_TRACED(keeper);
  const auto start = estate_.send(ControlOp::start, "web");
  ASSERT_TRUE(next_keeper_talks());
  ASSERT_TRUE(keeper.let_go());
  EXPECT_EQ(estate_.service("web").state, ServiceState::start_pending);
  EXPECT_FALSE(estate_.listener().answer(start));
  resume(child);
  ASSERT_TRUE(estate_.wait([&] { return estate_.listener().answers(start) > 0; }));
  const auto answer = *estate_.listener().answer(start);
  ASSERT_TRUE(answer) << answer.error().detail;
  ASSERT_TRUE(estate_.wait_for("web", ServiceState::running));
  EXPECT_EQ(puppets(), std::vector{child});
}

}  // namespace
}  // namespace noforce::supervisor::testing
