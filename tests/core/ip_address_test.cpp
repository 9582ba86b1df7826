#include "core/ip_address.hpp"

#include <gtest/gtest.h>

namespace noforce {
namespace {

TEST(AnIpAddress, HasFourOrSixteenBytesInTheNetworksOrder) {
  EXPECT_EQ(ip_bytes("127.0.0.1"), std::string("\x7F\0\0\1", 4));
  EXPECT_EQ(ip_bytes("::1"), std::string(15, '\0') + '\1');
  EXPECT_EQ(ip_bytes("2001:db8::ff").substr(0, 4), "\x20\x01\x0d\xb8");
}

TEST(AnIpAddress, IsNothingElse) {
  for (const char* const text :
       {"", "localhost", "127.0.0", "127.0.0.1 ", "[::1]", "::1%1", "1", "256.0.0.1", "0x7f.0.0.1"})
    EXPECT_EQ(ip_bytes(text), "") << text;
  EXPECT_EQ(ip_text(""), "");
  EXPECT_EQ(ip_text("five5"), "");
}

TEST(AnIpAddress, HasOneSpelling) {
  EXPECT_EQ(ip_text(ip_bytes("2001:0DB8:0:0:0:0:0:1")), "2001:db8::1");
  EXPECT_EQ(ip_text(ip_bytes("::ffff:10.0.0.1")), "::ffff:10.0.0.1");
  EXPECT_EQ(ip_text(ip_bytes("10.0.0.1")), "10.0.0.1");
}

}  // namespace
}  // namespace noforce
