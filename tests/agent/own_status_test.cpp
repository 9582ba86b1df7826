#include "agent/own_status.hpp"

#include <vector>

#include <gtest/gtest.h>

#include "agent/start_watch.hpp"

namespace noforce::agent {
namespace {

namespace state = windows::state;
using std::chrono::minutes;

// What the manager was told.
class TheOwnStatus : public testing::Test {
 protected:
  TheOwnStatus() {
    status_.begin([this](const windows::StatusRecord& said) { said_.push_back(said); });
  }
  void say(std::uint32_t state, int exit_status = 0) {
    status_.say(state, own_wait_hint, now_, exit_status);
  }

  OwnStatus status_;
  std::vector<windows::StatusRecord> said_;
  MonoTime now_{minutes(1)};
};

TEST_F(TheOwnStatus, HasANewCheckpointWithEachWordOfAPendingState) {
  say(state::start_pending);
  say(state::start_pending);
  say(state::running);
  say(state::stop_pending);
  say(state::stopped);
  ASSERT_EQ(said_.size(), 5U);
  EXPECT_EQ(said_[1].checkpoint, said_[0].checkpoint + 1);
  EXPECT_EQ(said_[1].wait_hint, own_wait_hint.count());
  EXPECT_EQ(said_[2].checkpoint, 0U);
  EXPECT_EQ(said_[2].wait_hint, 0U);
  EXPECT_EQ(said_[3].checkpoint, 1U);
}

TEST_F(TheOwnStatus, TakesControlsOnlyWhileItRuns) {
  say(state::start_pending);
  say(state::running);
  say(state::stop_pending);
  constexpr std::uint32_t all =
      windows::accept::stop | windows::accept::preshutdown | windows::accept::paramchange;
  EXPECT_EQ(said_[0].accepts, 0U);
  EXPECT_EQ(said_[1].accepts, all);
  EXPECT_EQ(said_[2].accepts, 0U);
}

TEST_F(TheOwnStatus, DoesNotRunAgainOnceItStops) {
  say(state::running);
  say(state::stop_pending);
  say(state::running);
  say(state::stopped);
  say(state::stop_pending);
  ASSERT_EQ(said_.size(), 3U);
  EXPECT_EQ(said_.back().state, state::stopped);
}

TEST_F(TheOwnStatus, EndsWithTheProgramsStatusAsACodeOfItsOwn) {
  say(state::stopped, 3);
  EXPECT_EQ(said_.back().exit_code, windows::code::specific_error);
  EXPECT_EQ(said_.back().service_code, 3U);
}

// "noforce service start" is one of those that wait by the manager's rule.
TEST_F(TheOwnStatus, LetsNobodyGiveUpAStartOfManyHints) {
  say(state::start_pending);
  StartWatch watch(false, now_);
  const MonoTime end = now_ + 10 * own_wait_hint;
  while (now_ < end) {
    now_ += between_checkpoints;
    status_.say_on(now_);
    ASSERT_EQ(watch.look(said_.back(), now_), StartStep::look_again);
  }
  say(state::running);
  EXPECT_EQ(watch.look(said_.back(), now_), StartStep::runs);
}

TEST_F(TheOwnStatus, SaysOnWhileItStopsToo) {
  say(state::running);
  say(state::stop_pending);
  const auto first = said_.back();
  status_.say_on(now_ + between_checkpoints);
  EXPECT_EQ(said_.back().state, state::stop_pending);
  EXPECT_GT(said_.back().checkpoint, first.checkpoint);
}

TEST_F(TheOwnStatus, HidesNoStartThatHangs) {
  say(state::start_pending);
  StartWatch watch(false, now_);
  StartStep step = StartStep::look_again;
  const MonoTime end = now_ + longest_silence + 2 * own_wait_hint;
  while (now_ < end && step == StartStep::look_again) {
    now_ += between_checkpoints;
    status_.say_on(now_);
    step = watch.look(said_.back(), now_);
  }
  EXPECT_EQ(step, StartStep::no_progress);
}

TEST_F(TheOwnStatus, IsNotSaidOnWhereNothingIsPending) {
  say(state::running);
  status_.say_on(now_ + between_checkpoints);
  EXPECT_EQ(said_.size(), 1U);
}

TEST(APulse, BeatsUntilItEnds) {
  Mutex mutex;
  Condition beaten;
  int beats = 0;
  {
    const Pulse pulse(Milliseconds(1), [&] {
      const MutexLock lock(mutex);
      ++beats;
      beaten.notify_all();
    });
    MutexLock lock(mutex);
    while (beats < 3)
      beaten.wait(lock);
  }
  const int at_the_end = beats;
  EXPECT_GE(at_the_end, 3);
}

TEST(APulse, EndsBeforeItsFirstBeat) {
  bool beat = false;
  {
    const Pulse pulse(std::chrono::hours(1), [&beat] { beat = true; });
  }
  EXPECT_FALSE(beat);
}

}  // namespace
}  // namespace noforce::agent
