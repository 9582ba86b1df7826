#include "core/acceptance_order.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace noforce {
namespace {

TEST(AnAcceptanceOrder, LetsNobodyPassWhoCameBefore) {
  AcceptanceOrder order(system_clock());
  std::mutex mutex;
  std::vector<std::string> passed;
  const auto pass = [&](const std::string& who) {
    const std::lock_guard lock(mutex);
    passed.push_back(who);
  };
  // In the free store, so that it can be given back before the other one.
  std::unique_ptr<AcceptanceOrder::Place> before(new AcceptanceOrder::Place(order.enter()));
  AcceptanceOrder::Place after = order.enter();
  EXPECT_LT(before->id(), after.id());
  std::thread later([&] {
    after.wait_for_those_before();
    pass("after");
  });
  before->wait_for_those_before();
  pass("before");
  before.reset();
  later.join();
  EXPECT_EQ(passed, (std::vector<std::string>{"before", "after"}));
}

TEST(AnAcceptanceOrder, GoesOnAfterTheNewestOne) {
  AcceptanceOrder order(system_clock());
  const std::string newest = "7ZZZZZZZZZ0000000000000000";
  order.start_after(newest);
  EXPECT_GT(order.enter().id(), newest);
}

}  // namespace
}  // namespace noforce
