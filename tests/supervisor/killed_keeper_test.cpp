// A keeper that is killed with -9 before each of its effects, and what the next one makes of it.
#include <functional>

#include "tests/supervisor/paper_world.hpp"

namespace noforce::supervisor::testing {
namespace {

// Plays a scene with a keeper that dies before its nth effect, and hands the machine to the next
// keeper, for each n until the scene is played to its end.
void at_each_instant(const ServiceSpec& spec, const std::function<void(Machine&)>& before,
                     const std::function<void(Supervised&, Machine&)>& scene,
                     const std::function<void(Supervised&, PaperWorld&, Machine&)>& next) {
  for (int lives = 0;; ++lives) {
    SCOPED_TRACE("killed before effect " + std::to_string(lives));
    Machine machine;
    before(machine);
    bool killed = false;
    {
      PaperWorld world(machine, lives);
      std::optional<Supervised> service;
      try {
        service.emplace(world, spec, machine.disk);
        scene(*service, machine);
      } catch (const Killed&) {
        killed = true;
      }
    }
    // Its pipe closes with the keeper: a child that was not let go ends by itself.
    if (machine.waits_for_go) {
      machine.main = 0;
      machine.waits_for_go = false;
    }
    PaperWorld world(machine);
    Supervised service(world, spec, machine.disk);
    if (machine.disk) {
      service.take_up(machine.main != 0 && machine.disk->main.pid == machine.main);
    }
    next(service, world, machine);
    if (!killed) return;
  }
}

// A machine on which the service runs, or says when it does.
void running_machine(Machine& machine, ServiceSpec spec) {
  PaperWorld world(machine);
  Supervised service(world, std::move(spec), std::nullopt);
  service.control(command(ControlOp::start, 0));
  service.executed();
}

TEST(AKilledKeeper, NeitherLosesNorDoublesAStart) {
  for (const auto policy : {RestartPolicy::no, RestartPolicy::always}) {
    auto spec = simple();
    spec.restart = policy;
    at_each_instant(
        spec, [](Machine&) {},
        [](Supervised& service, Machine&) {
          service.control(command(ControlOp::start, 1));
          service.executed();
        },
        [](Supervised& service, PaperWorld&, Machine& machine) {
          const bool ran = machine.main != 0;
          const auto pid = machine.main;
          service.control(command(ControlOp::start, 1));  // the agent asks again
          if (service.status().state == ServiceState::start_pending) service.executed();
          EXPECT_EQ(service.status().state, ServiceState::running);
          EXPECT_NE(machine.main, 0);
          if (ran) {
            EXPECT_EQ(machine.main, pid);
          }
          EXPECT_EQ(machine.started, 1);
        });
  }
}

void never_sends_a_stop_twice(bool by_handler) {
  at_each_instant(
      simple(),
      [by_handler](Machine& machine) {
        running_machine(machine, simple());
        machine.catches_stop = by_handler;
        machine.reads_stop = !by_handler;
      },
      [](Supervised& service, Machine&) {
        service.take_up(true);
        service.control(command(ControlOp::stop, 1));
      },
      [](Supervised& service, PaperWorld& world, Machine& machine) {
        service.control(command(ControlOp::stop, 1));
        const auto& answers = world.answers_[token(1)];
        ASSERT_EQ(answers.size(), 1U);
        EXPECT_LE(machine.signals.size(), 1U);
        if (answers.back()) {
          EXPECT_EQ(machine.signals.size(), 1U);
          EXPECT_EQ(service.status().state, ServiceState::stop_pending);
        } else {
          // In one instant it cannot be known: then it is said, and nothing is sent.
          EXPECT_EQ(answers.back().error().effect, Effect::unknown);
        }
        machine.main = 0;
        service.main_ended(0, std::nullopt);
        EXPECT_EQ(service.status().state, ServiceState::stopped);
        EXPECT_FALSE(service.due());
      });
}

TEST(AKilledKeeper, NeverSendsAStopTwice) {
  never_sends_a_stop_twice(true);
}

TEST(AKilledKeeper, NeverSendsAStopTwiceToOneThatReadsItsSignals) {
  never_sends_a_stop_twice(false);
}

TEST(AKilledKeeper, SendsTheStopThatCannotHaveBeenSent) {
  at_each_instant(
      simple(),
      [](Machine& machine) {
        running_machine(machine, simple());
        machine.catches_stop = false;  // had it been sent, the process would be gone
      },
      [](Supervised& service, Machine&) {
        service.take_up(true);
        service.control(command(ControlOp::stop, 1));
      },
      [](Supervised& service, PaperWorld& world, Machine& machine) {
        service.control(command(ControlOp::stop, 1));
        ASSERT_FALSE(world.answers_[token(1)].empty());
        EXPECT_EQ(machine.signals, std::vector<int>{SIGTERM});
      });
}

TEST(AKilledKeeper, LeavesPauseAndContinueWhereTheProcessIs) {
  at_each_instant(
      simple(), [](Machine& machine) { running_machine(machine, simple()); },
      [](Supervised& service, Machine&) {
        service.take_up(true);
        service.control(command(ControlOp::pause, 1));
        service.control(command(ControlOp::resume, 2));
        service.control(command(ControlOp::pause, 3));
      },
      [](Supervised& service, PaperWorld&, Machine& machine) {
        EXPECT_EQ(service.status().state,
                  machine.halted ? ServiceState::paused : ServiceState::running);
      });
}

TEST(AKilledKeeper, DoesNotForgetThatAServiceIsToBeStartedAgain) {
  auto spec = simple();
  spec.restart = RestartPolicy::always;
  at_each_instant(
      spec, [&spec](Machine& machine) { running_machine(machine, spec); },
      [](Supervised& service, Machine& machine) {
        service.take_up(true);
        machine.main = 0;
        service.main_ended(1, std::nullopt);
        machine.now += kFirstRestart;
        service.look();
        service.executed();
      },
      [](Supervised& service, PaperWorld&, Machine& machine) {
        for (int i = 0; i < 3 && service.status().state != ServiceState::running; ++i) {
          machine.now += kLongestRestart;
          service.look();
          service.executed();
        }
        EXPECT_EQ(service.status().state, ServiceState::running);
        EXPECT_NE(machine.main, 0);
      });
}

TEST(AKilledKeeper, LosesNothingThatAServiceSaid) {
  struct Case {
    const char* what;
    Notification message;
    ServiceState state;
    std::int64_t wait_hint_ms;
  };
  for (const auto& [what, message, state, wait_hint_ms] :
       {Case{"READY", {.ready = true, .status = "x"}, ServiceState::running, 0},
        Case{"STOPPING", {.stopping = true, .status = "x"}, ServiceState::stop_pending, 0},
        Case{"EXTEND",
             {.status = "x", .extend = Milliseconds(9000)},
             ServiceState::start_pending,
             9000}}) {
    SCOPED_TRACE(what);
    bool waits = false;  // in the socket, which outlives the keeper
    at_each_instant(
        notifying(),
        [&](Machine& machine) {
          running_machine(machine, notifying());
          waits = true;
        },
        [&](Supervised& service, Machine&) {
          service.take_up(true);
          service.notified(message);
          waits = false;  // taken away when it returned
        },
        [&](Supervised& service, PaperWorld&, Machine& machine) {
          if (waits) service.notified(message);
          EXPECT_EQ(service.status().state, state);
          EXPECT_EQ(service.status().status_text, "x");
          EXPECT_EQ(service.status().wait_hint_ms, wait_hint_ms);
          EXPECT_EQ(machine.disk->state, state);
          EXPECT_EQ(machine.disk->wait_hint_ms, wait_hint_ms);
          EXPECT_EQ(machine.disk->status_text, "x");
        });
  }
}

TEST(ANewKeeper, TakesARunningServiceUpWithItsPid) {
  Machine machine;
  running_machine(machine, simple());
  PaperWorld world(machine);
  Supervised service(world, simple(), machine.disk);
  service.take_up(true);
  EXPECT_EQ(service.status().state, ServiceState::running);
  EXPECT_EQ(service.status().instance->pid, machine.main);
  EXPECT_EQ(service.status().warnings.size(), 1U);
  machine.main = 0;
  service.main_ended(std::nullopt, std::nullopt);
  EXPECT_EQ(service.status().state, ServiceState::stopped);
  ASSERT_TRUE(service.status().exit);
  EXPECT_FALSE(service.status().exit->code);
}

TEST(ANewKeeper, OfAnotherBootFindsEverythingStopped) {
  Machine machine;
  auto spec = simple();
  spec.restart = RestartPolicy::always;
  running_machine(machine, spec);
  machine.boot = "boot-2";
  machine.main = 0;
  PaperWorld world(machine);
  Supervised service(world, spec, machine.disk);
  service.take_up(false);
  EXPECT_EQ(service.status().state, ServiceState::stopped);
  EXPECT_FALSE(service.status().instance);
  EXPECT_FALSE(service.due());                    // what starts at boot is the agent's to decide
  service.control(command(ControlOp::start, 0));  // that boot's tokens are void
  EXPECT_EQ(machine.started, 2);
}

}  // namespace
}  // namespace noforce::supervisor::testing
