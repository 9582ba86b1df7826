#include "core/scm/supervisor/notify.hpp"

#include <random>

#include <gtest/gtest.h>

namespace noforce::supervisor {
namespace {

TEST(ANotification, IsReadLineByLine) {
  const auto n = parse_notification("READY=1\nSTATUS=serving 3 sites\nMAINPID=4711\n");
  ASSERT_TRUE(n);
  EXPECT_TRUE(n->ready);
  EXPECT_FALSE(n->stopping);
  EXPECT_EQ(n->status, "serving 3 sites");
  EXPECT_EQ(n->main_pid, 4711);
}

TEST(ANotification, ExtendsTheWaitHintWithinReason) {
  EXPECT_EQ(parse_notification("EXTEND_TIMEOUT_USEC=2500000")->extend, Milliseconds(2500));
  EXPECT_EQ(parse_notification("EXTEND_TIMEOUT_USEC=18446744073709551615")->extend, kMaxWaitHint);
  EXPECT_FALSE(parse_notification("EXTEND_TIMEOUT_USEC=-1"));
  EXPECT_FALSE(parse_notification("EXTEND_TIMEOUT_USEC=99999999999999999999999"));
}

TEST(ANotification, CountsOnlyWhenItSpeaksOfTheService) {
  EXPECT_FALSE(parse_notification("WATCHDOG=1"));
  EXPECT_FALSE(parse_notification("BARRIER=1"));
  EXPECT_FALSE(parse_notification("FDSTORE=1\nFDNAME=x"));
  EXPECT_FALSE(parse_notification(""));
  EXPECT_FALSE(parse_notification("READY"));
  EXPECT_FALSE(parse_notification("READY=0"));
  EXPECT_FALSE(parse_notification("MAINPID=1"));
  EXPECT_FALSE(parse_notification("MAINPID=x"));
  EXPECT_TRUE(parse_notification("WATCHDOG=1\nSTOPPING=1")->stopping);
}

TEST(ANotification, HasItsTextMadeHarmless) {
  const auto n = parse_notification("STATUS=a\x1b[31m\xff\xe2\x80\xae z");
  ASSERT_TRUE(n && n->status);
  EXPECT_EQ(n->status->find('\x1b'), std::string::npos);
  EXPECT_EQ(n->status->find("\xe2\x80\xae"), std::string::npos);
  const auto lengthy = parse_notification("STATUS=" + std::string(3000, 'x'));
  ASSERT_TRUE(lengthy && lengthy->status);
  EXPECT_LE(lengthy->status->size(), kMaxStatusText + 3);
}

TEST(ANotification, OfAnyBytesIsSafe) {
  std::mt19937 random(7);
  const std::string seed = "READY=1\nSTATUS=x\nMAINPID=12\nEXTEND_TIMEOUT_USEC=5\n";
  for (int round = 0; round < 20'000; ++round) {
    std::string text = seed;
    for (int i = 0; i < 5; ++i)
      text[random() % text.size()] = static_cast<char>(random());
    (void)parse_notification(text);
  }
  EXPECT_FALSE(parse_notification(std::string(kMaxNotify + 1, 'x')));
}

}  // namespace
}  // namespace noforce::supervisor
