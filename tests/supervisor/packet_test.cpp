#include "core/scm/supervisor/packet.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include <gtest/gtest.h>

namespace noforce::supervisor {
namespace {

TEST(AConnection, GivesTheLastWordsOfASideThatDiedWithMessagesUnread) {
  std::array<int, 2> ends{};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()), 0);
  const Fd agent(ends[0]);
  Fd keeper(ends[1]);
  ASSERT_EQ(send_packet(agent.get(), {.bytes = "never read", .descriptor = {}}), 0);
  ASSERT_EQ(send_packet(keeper.get(), {.bytes = "held socket", .descriptor = Fd(::dup(0))}), 0);
  keeper.reset();
  const auto last = receive_packet(agent.get());
  ASSERT_TRUE(last) << last.error();
  EXPECT_EQ(last->bytes, "held socket");
  EXPECT_TRUE(static_cast<bool>(last->descriptor));
  const auto end = receive_packet(agent.get());
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error(), 0);
}

}  // namespace
}  // namespace noforce::supervisor
