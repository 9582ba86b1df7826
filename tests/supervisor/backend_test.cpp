// The backend and a real keeper, with real processes.
#include <gtest/gtest.h>

#include "tests/supervisor/estate.hpp"

namespace noforce::supervisor::testing {
namespace {

TEST(ASupervisor, StartsAndStopsAService) {
  Estate estate;
  estate.add("web", {"/bin/sleep", "600"});
  ASSERT_TRUE(estate.begin());
  EXPECT_EQ(estate.service("web").state, ServiceState::stopped);
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  const auto pid = estate.service("web").instance->pid;
  EXPECT_TRUE(alive(pid));
  ASSERT_TRUE(estate.control(ControlOp::stop, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped));
  EXPECT_FALSE(alive(pid));
  EXPECT_EQ(estate.service("web").exit->code, 128 + 15);
}

}  // namespace
}  // namespace noforce::supervisor::testing
