#include "core/scm/supervisor/process.hpp"

#include <signal.h>
#include <unistd.h>

#include <map>

#include <gtest/gtest.h>

namespace noforce::supervisor {
namespace {

TEST(AStatLine, IsReadThoughTheNameHoldsParentheses) {
  const auto stat = parse_stat(
      "4711 (a) R (b (c) S 12 4711 4700 0 -1 4194624 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 2\n");
  ASSERT_TRUE(stat);
  EXPECT_EQ(stat->pid, 4711);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 12);
  EXPECT_EQ(stat->session, 4700);
  EXPECT_TRUE(stat->forked_only);  // 4194624 = 0x400140
  EXPECT_EQ(stat->start_time, 987654U);
}

TEST(AStatLine, IsRefusedWhenItIsCutShort) {
  EXPECT_FALSE(parse_stat(""));
  EXPECT_FALSE(parse_stat("4711 (x) S 12"));
  EXPECT_FALSE(parse_stat(") ("));
  EXPECT_FALSE(parse_stat("x (y) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22"));
}

TEST(APidfd, IsOfExactlyThatProcess) {
  const auto self = read_stat(::getpid());
  ASSERT_TRUE(self);
  EXPECT_TRUE(open_pidfd(self->id()));
  EXPECT_FALSE(open_pidfd(ProcessId{.pid = self->pid, .start_time = self->start_time + 1}));
  EXPECT_FALSE(open_pidfd(ProcessId{}));
}

TEST(ASignalsFate, IsReadFromTheKernel) {
  struct sigaction before{};
  struct sigaction ignore{};
  ignore.sa_handler = SIG_IGN;
  ASSERT_EQ(::sigaction(SIGUSR2, &ignore, &before), 0);
  const auto fate = signal_fate(::getpid(), SIGUSR2);
  ::sigaction(SIGUSR2, &before, nullptr);
  ASSERT_TRUE(fate);
  EXPECT_TRUE(fate->ignored);
  EXPECT_FALSE(fate->caught);
  EXPECT_FALSE(fate->pending);
}

class AProcessTree : public ::testing::Test {
 protected:
  void put(std::int64_t pid, std::int64_t parent, std::int64_t session) {
    stats_[pid] = {.pid = pid, .parent = parent, .session = session};
  }
  bool belongs(std::int64_t pid, std::int64_t main, std::int64_t session) {
    return belongs_to(pid, main, session, [this](std::int64_t p) -> std::optional<ProcessStat> {
      const auto found = stats_.find(p);
      if (found == stats_.end()) return std::nullopt;
      return found->second;
    });
  }
  std::map<std::int64_t, ProcessStat> stats_;
};

TEST_F(AProcessTree, HoldsDescendantsAndTheSessionAndNobodyElse) {
  put(50, 1, 50);      // the keeper
  put(100, 50, 100);   // main
  put(101, 100, 100);  // its child
  put(102, 101, 102);  // grandchild in a session of its own
  put(103, 50, 100);   // an orphan of the session, now the keeper's child
  put(200, 50, 200);   // another service
  put(201, 200, 200);
  EXPECT_TRUE(belongs(100, 100, 100));
  EXPECT_TRUE(belongs(101, 100, 100));
  EXPECT_TRUE(belongs(102, 100, 100));
  EXPECT_TRUE(belongs(103, 100, 100));
  EXPECT_FALSE(belongs(103, 100, 0));
  EXPECT_FALSE(belongs(201, 100, 100));
  EXPECT_FALSE(belongs(50, 100, 100));
  EXPECT_FALSE(belongs(1, 100, 100));
  EXPECT_FALSE(belongs(999, 100, 100));
}

TEST_F(AProcessTree, IsNotWalkedForEver) {
  put(10, 11, 1);
  put(11, 10, 1);
  EXPECT_FALSE(belongs(10, 100, 100));
}

}  // namespace
}  // namespace noforce::supervisor
