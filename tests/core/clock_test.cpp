#include "core/clock.hpp"

#include <gtest/gtest.h>

namespace noforce {
namespace {

WallTime at(std::int64_t milliseconds) {
  return WallTime{Milliseconds{milliseconds}};
}

TEST(ATimeStamp, IsWrittenInUtcWithMilliseconds) {
  EXPECT_EQ(to_rfc3339(at(0)), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(to_rfc3339(at(1'795'392'602'123)), "2026-11-23T00:10:02.123Z");
  EXPECT_EQ(to_rfc3339(at(-1)), "1969-12-31T23:59:59.999Z");
  EXPECT_EQ(to_rfc3339(at(INT64_MAX)), "9999-12-31T23:59:59.999Z");
  EXPECT_EQ(to_rfc3339(at(INT64_MIN)), "0000-01-01T00:00:00.000Z");
}

TEST(ATimeStamp, IsReadWithAnyOffset) {
  EXPECT_EQ(from_rfc3339("2026-11-23T00:10:02.123Z"), at(1'795'392'602'123));
  EXPECT_EQ(from_rfc3339("2026-11-23t00:10:02.123z"), at(1'795'392'602'123));
  EXPECT_EQ(from_rfc3339("2026-11-23T01:10:02.123+01:00"), at(1'795'392'602'123));
  EXPECT_EQ(from_rfc3339("2026-11-22T18:40:02.123-05:30"), at(1'795'392'602'123));
  EXPECT_EQ(from_rfc3339("2026-11-23T00:10:02.123987Z"), at(1'795'392'602'123));
  EXPECT_EQ(from_rfc3339("2026-11-23T00:10:02.1Z"), at(1'795'392'602'100));
  EXPECT_EQ(from_rfc3339("2024-02-29T00:00:00Z"), at(1'709'164'800'000));
  EXPECT_EQ(from_rfc3339("2016-12-31T23:59:60Z"), from_rfc3339("2017-01-01T00:00:00Z"));
}

TEST(ATimeStamp, IsRefusedWhenItIsNone) {
  for (const char* const text :
       {"", "2026-11-23", "2026-11-23T00:10:02", "2026-11-23 00:10:02Z", "2026-13-23T00:10:02Z",
        "2026-02-29T00:10:02Z", "2026-11-23T24:10:02Z", "2026-11-23T00:60:02Z",
        "2026-11-23T00:10:61Z", "2026-11-23T00:10:02.Z", "2026-11-23T00:10:02+1:00",
        "2026-11-23T00:10:02+24:00", "2026-11-23T00:10:02Z ", "+2026-11-23T00:10:02Z",
        "2026-11-23T00:10:0xZ", "2026-11-23T00:10:02Z\n"}) {
    EXPECT_EQ(from_rfc3339(text), std::nullopt) << text;
  }
}

TEST(TheSystemClock, GoesForward) {
  const MonoTime before = system_clock().mono();
  EXPECT_LE(before, system_clock().mono());
  EXPECT_GT(system_clock().wall(), from_rfc3339("2020-01-01T00:00:00Z"));
}

}  // namespace
}  // namespace noforce
