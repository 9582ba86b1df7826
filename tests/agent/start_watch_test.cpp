#include "agent/start_watch.hpp"

#include <gtest/gtest.h>

namespace noforce::agent {
namespace {

namespace state = windows::state;
using std::chrono::seconds;

constexpr MonoTime begun{seconds(100)};

windows::StatusRecord seen(std::uint32_t state, std::uint32_t checkpoint = 0,
                           std::uint32_t wait_hint = 2000) {
  return {.state = state, .checkpoint = checkpoint, .wait_hint = wait_hint};
}

TEST(AStartThatIsWaitedFor, EndsWhenTheServiceRuns) {
  StartWatch watch(false, begun);
  EXPECT_EQ(watch.look(seen(state::start_pending), begun), StartStep::look_again);
  EXPECT_EQ(watch.look(seen(state::running), begun + seconds(1)), StartStep::runs);
}

TEST(AStartThatIsWaitedFor, IsOverWhereTheServiceEndedInIt) {
  StartWatch watch(false, begun);
  EXPECT_EQ(watch.look(seen(state::start_pending), begun), StartStep::look_again);
  EXPECT_EQ(watch.look(seen(state::stop_pending), begun), StartStep::look_again);
  EXPECT_EQ(watch.look(seen(state::stopped), begun), StartStep::ended);
}

// 1056 while STOP_PENDING: the following STOPPED is the earlier run's.
TEST(AStartThatIsWaitedFor, IsAskedForAgainOnceAnEarlierRunHasStopped) {
  StartWatch watch(true, begun);
  EXPECT_EQ(watch.look(seen(state::stop_pending, 1), begun), StartStep::look_again);
  EXPECT_EQ(watch.look(seen(state::stopped), begun + seconds(5)), StartStep::ask_again);
}

TEST(AStartThatIsWaitedFor, MayBeSomebodyElses) {
  StartWatch watch(true, begun);
  EXPECT_EQ(watch.look(seen(state::start_pending, 1), begun), StartStep::look_again);
  EXPECT_EQ(watch.look(seen(state::stopped), begun + seconds(5)), StartStep::ended);
  EXPECT_EQ(StartWatch(true, begun).look(seen(state::running), begun), StartStep::runs);
}

TEST(AStartThatIsWaitedFor, IsGivenTimeForAsLongAsItsCheckpointMoves) {
  StartWatch watch(false, begun);
  MonoTime now = begun;
  for (std::uint32_t checkpoint = 1; checkpoint < 20; ++checkpoint) {
    EXPECT_EQ(watch.look(seen(state::start_pending, checkpoint), now), StartStep::look_again);
    now += seconds(29);
    EXPECT_EQ(watch.look(seen(state::start_pending, checkpoint), now), StartStep::look_again);
  }
  EXPECT_EQ(watch.look(seen(state::start_pending, 19), now + seconds(1)), StartStep::no_progress);
}

TEST(AStartThatIsWaitedFor, IsGivenAsLongAsItsHintSays) {
  StartWatch watch(false, begun);
  const auto patient = seen(state::start_pending, 1, 90'000);
  EXPECT_EQ(watch.look(patient, begun), StartStep::look_again);
  EXPECT_EQ(watch.look(patient, begun + seconds(89)), StartStep::look_again);
  EXPECT_EQ(watch.look(patient, begun + seconds(90)), StartStep::no_progress);
}

}  // namespace
}  // namespace noforce::agent
