#include "core/scheduler.hpp"

#include <gtest/gtest.h>

namespace noforce {
namespace {

using Names = std::vector<std::string>;

TEST(AScheduler, LetsJobsOnOneServiceRunInTheOrderOfTheirAdding) {
  Scheduler scheduler;
  scheduler.add("first", {"a"});
  scheduler.add("second", {"a"});
  EXPECT_TRUE(scheduler.is_next("first"));
  EXPECT_FALSE(scheduler.is_next("second"));
  EXPECT_EQ(scheduler.remove("first"), (Names{"second"}));
  EXPECT_TRUE(scheduler.is_next("second"));
}

TEST(AScheduler, LetsJobsOnOtherServicesRunSideBySide) {
  Scheduler scheduler;
  scheduler.add("first", {"a", "b"});
  scheduler.add("second", {"c"});
  EXPECT_TRUE(scheduler.is_next("first"));
  EXPECT_TRUE(scheduler.is_next("second"));
}

TEST(AScheduler, KeepsAJobWaitingUntilAllItsServicesAreFree) {
  Scheduler scheduler;
  scheduler.add("a", {"a"});
  scheduler.add("b", {"b"});
  scheduler.add("both", {"a", "b"});
  scheduler.add("later", {"b"});
  EXPECT_TRUE(scheduler.remove("a").empty());
  EXPECT_FALSE(scheduler.is_next("later")) << "not past the one that waits for both";
  EXPECT_EQ(scheduler.remove("b"), (Names{"both"}));
  EXPECT_EQ(scheduler.remove("both"), (Names{"later"}));
}

TEST(AScheduler, PutsAJobThatGrewBehindWhatHasBegunThere) {
  Scheduler scheduler;
  scheduler.add("grows", {"a"});
  scheduler.add("there", {"b"});
  scheduler.begin("there");
  scheduler.extend("grows", {"a", "b"});
  EXPECT_FALSE(scheduler.is_next("grows"));
  EXPECT_EQ(scheduler.remove("there"), (Names{"grows"}));
}

TEST(AScheduler, NeverLetsTwoJobsWaitForEachOther) {
  Scheduler scheduler;
  scheduler.add("first", {"a"});
  scheduler.begin("first");
  scheduler.add("grows", {"a"});
  scheduler.add("both", {"a", "b"});
  EXPECT_EQ(scheduler.remove("first"), (Names{"grows"}));
  scheduler.extend("grows", {"b"});
  EXPECT_TRUE(scheduler.is_next("grows"));
  EXPECT_EQ(scheduler.remove("grows"), (Names{"both"}));
}

TEST(AScheduler, ForgetsACancelledJobInTheMiddleOfAQueue) {
  Scheduler scheduler;
  scheduler.add("one", {"a"});
  scheduler.add("two", {"a"});
  scheduler.add("three", {"a"});
  EXPECT_TRUE(scheduler.remove("two").empty());
  EXPECT_EQ(scheduler.remove("one"), (Names{"three"}));
  EXPECT_EQ(scheduler.head_of("a"), "three");
  EXPECT_TRUE(scheduler.remove("three").empty());
  EXPECT_EQ(scheduler.head_of("a"), "");
  EXPECT_EQ(scheduler.size(), 0U);
}

}  // namespace
}  // namespace noforce
