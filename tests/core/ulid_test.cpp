#include "core/ulid.hpp"

#include <algorithm>
#include <set>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "tests/core/journal_samples.hpp"

namespace noforce {
namespace {

TEST(AUlid, HasTheTextThatTheSpecificationGives) {
  // The example of the ULID specification: 1469918176385 ms.
  EXPECT_EQ(first_ulid_at(WallTime{Milliseconds{1469918176385}}).substr(0, 10), "01ARYZ6S41");
  EXPECT_EQ(first_ulid_at(WallTime{Milliseconds{0}}), "00000000000000000000000000");
  EXPECT_TRUE(is_ulid("01ARYZ6S41TSV4RRFFQ69G5FAV"));
  EXPECT_TRUE(is_ulid("7ZZZZZZZZZZZZZZZZZZZZZZZZZ"));
}

TEST(AUlid, IsToldFromOtherText) {
  EXPECT_FALSE(is_ulid(""));
  EXPECT_FALSE(is_ulid("8ZZZZZZZZZZZZZZZZZZZZZZZZZ"));
  EXPECT_FALSE(is_ulid("01ARYZ6S41TSV4RRFFQ69G5FA"));
  EXPECT_FALSE(is_ulid("01ARYZ6S41TSV4RRFFQ69G5FAVV"));
  EXPECT_FALSE(is_ulid("01aryz6s41tsv4rrffq69g5fav"));
  for (const char c : {'I', 'L', 'O', 'U', '-', '/', '\0'}) {
    std::string text = "01ARYZ6S41TSV4RRFFQ69G5FAV";
    text[12] = c;
    EXPECT_FALSE(is_ulid(text)) << c;
  }
}

TEST(AUlidSource, GrowsWithinOneMillisecond) {
  const test::HandClock clock;
  UlidSource source(clock);
  std::string last;
  for (int n = 0; n < 10000; ++n) {
    std::string next = source.next();
    ASSERT_TRUE(is_ulid(next));
    ASSERT_LT(last, next);
    last = std::move(next);
  }
}

TEST(AUlidSource, GrowsWhenTheClockIsSetBack) {
  test::HandClock clock;
  UlidSource source(clock);
  const std::string before = source.next();
  clock.advance(-std::chrono::hours{48});
  const std::string after = source.next();
  EXPECT_LT(before, after);
  clock.advance(std::chrono::hours{49});
  const std::string later = source.next();
  EXPECT_LT(after, later);
  EXPECT_EQ(later.substr(0, 10), first_ulid_at(clock.wall()).substr(0, 10));
}

TEST(AUlidSource, GoesOnAfterTheLastKnownOne) {
  const test::HandClock clock;
  UlidSource source(clock);
  const std::string known = "7AAAAAAAAAZZZZZZZZZZZZZZZZ";
  source.start_after(known);
  EXPECT_GT(source.next(), known);
  source.start_after("00000000000000000000000000");
  EXPECT_GT(source.next(), known);
  source.start_after("not one");
  EXPECT_GT(source.next(), known);
}

TEST(AUlidSource, NeverGivesOneTwice) {
  UlidSource source;
  std::vector<std::vector<std::string>> made(4);
  std::vector<std::thread> threads;
  threads.reserve(made.size());
  for (auto& mine : made) {
    threads.emplace_back([&source, &mine] {
      for (int n = 0; n < 2000; ++n)
        mine.push_back(source.next());
    });
  }
  for (auto& thread : threads)
    thread.join();
  std::set<std::string> all;
  for (const auto& mine : made) {
    EXPECT_TRUE(std::ranges::is_sorted(mine));
    all.insert(mine.begin(), mine.end());
  }
  EXPECT_EQ(all.size(), 8000U);
}

}  // namespace
}  // namespace noforce
