#include "core/events.hpp"

#include <thread>

#include <gtest/gtest.h>

namespace noforce {
namespace {

constexpr Milliseconds at_once{0};
constexpr Milliseconds long_enough{20'000};

JobPtr job_named(const std::string& id) {
  auto job = std::make_shared<Job>();
  job->id = id;
  return job;
}

TEST(TheEventFeed, GivesWhatCameAfter) {
  EventFeed feed("01EPOCH");
  feed.append(job_named("a"));
  feed.append(std::make_shared<const Service>());
  feed.append(job_named("c"));

  const auto all = feed.next(0, at_once);
  ASSERT_EQ(all.events.size(), 3U);
  EXPECT_FALSE(all.gap);
  EXPECT_EQ(all.last, 3U);
  EXPECT_EQ(all.events[0].sequence, 1U);
  EXPECT_EQ(all.events[0].job->id, "a");
  EXPECT_EQ(all.events[1].job, nullptr);
  EXPECT_NE(all.events[1].service, nullptr);

  const auto rest = feed.next(2, at_once);
  ASSERT_EQ(rest.events.size(), 1U);
  EXPECT_EQ(rest.events[0].job->id, "c");
}

TEST(TheEventFeed, ReturnsEmptyHandedWhenNothingComes) {
  EventFeed feed("01EPOCH");
  const auto batch = feed.next(0, Milliseconds{10});
  EXPECT_TRUE(batch.events.empty());
  EXPECT_FALSE(batch.gap);
  EXPECT_FALSE(batch.closed);
  EXPECT_EQ(batch.last, 0U);
}

TEST(TheEventFeed, TellsWhoFellBehindOfTheGap) {
  EventFeed feed("01EPOCH", 4);
  for (int n = 1; n <= 10; ++n)
    feed.append(job_named(std::to_string(n)));

  const auto behind = feed.next(3, at_once);
  EXPECT_TRUE(behind.gap);
  ASSERT_EQ(behind.events.size(), 4U);
  EXPECT_EQ(behind.events.front().sequence, 7U);
  EXPECT_EQ(behind.last, 10U);

  const auto just_in_time = feed.next(6, at_once);
  EXPECT_FALSE(just_in_time.gap);
  EXPECT_EQ(just_in_time.events.size(), 4U);
  EXPECT_TRUE(feed.next(5, at_once).gap);
}

TEST(TheEventFeed, MeetsAnIdFromTheFutureWithAGap) {
  EventFeed feed("01EPOCH");
  feed.append(job_named("a"));
  const auto batch = feed.next(17, long_enough);
  EXPECT_TRUE(batch.gap);
  EXPECT_TRUE(batch.events.empty());
  EXPECT_EQ(batch.last, 1U);
}

TEST(TheEventFeed, WakesWhoWaits) {
  EventFeed feed("01EPOCH");
  std::thread writer([&feed] {
    std::this_thread::sleep_for(Milliseconds{20});
    feed.append(job_named("a"));
  });
  const auto batch = feed.next(0, long_enough);
  writer.join();
  EXPECT_EQ(batch.events.size(), 1U);
}

TEST(TheEventFeed, LosesNothingBetweenCalls) {
  EventFeed feed("01EPOCH", 1'000'000);
  constexpr std::uint64_t count = 5000;
  std::thread writer([&feed] {
    for (std::uint64_t n = 0; n < count; ++n)
      feed.append(job_named("x"));
  });
  std::uint64_t seen = 0;
  while (seen < count) {
    const auto batch = feed.next(seen, long_enough);
    ASSERT_FALSE(batch.gap);
    for (const Event& event : batch.events)
      ASSERT_EQ(event.sequence, ++seen);
    ASSERT_EQ(batch.last, seen);
  }
  writer.join();
}

TEST(TheEventFeed, EndsItsWaitersWhenItIsClosed) {
  EventFeed feed("01EPOCH");
  std::thread closer([&feed] {
    std::this_thread::sleep_for(Milliseconds{20});
    feed.close();
  });
  EXPECT_TRUE(feed.next(0, long_enough).closed);
  closer.join();
  EXPECT_TRUE(feed.next(0, long_enough).closed);
}

TEST(AnEventsId, IsOfThisRunOnly) {
  EventFeed feed("01EPOCH");
  for (int n = 0; n < 12; ++n)
    feed.append(job_named("x"));
  EXPECT_EQ(feed.id(12), "01EPOCH-12");
  EXPECT_EQ(feed.sequence("01EPOCH-12"), 12U);
  EXPECT_EQ(feed.sequence("01EPOCH-0"), 0U);
  for (const char* const id :
       {"", "12", "01EPOCH", "01EPOCH-", "01EPOCH-x", "01EPOCH-1x", "01EPOCH--1", "01OTHER-12",
        "01EPOCH12", "01EPOCH-13", "01EPOCH-99999999999999999999"}) {
    EXPECT_EQ(feed.sequence(id), std::nullopt) << id;
  }
}

}  // namespace
}  // namespace noforce
