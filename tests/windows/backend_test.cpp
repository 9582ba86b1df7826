// The backend as core sees it, over a service control manager on paper. What is shown here and in the files
// beside it is what the backend makes of our reading of the documentation;
// tests/windows/real_scm_windows_test.cpp shows it on a manager that runs.
#include "core/scm/windows/backend.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/graph.hpp"
#include "tests/windows/a_paper_scm.hpp"

namespace noforce::windows::testing {
namespace {

using ::testing::ElementsAre;

TEST_F(APaperScm, IsShownWithNamesStatesAndDependencies) {
  paper_->add("IISADMIN", {.config = {.display_name = "IIS Admin", .start = start::automatic}});
  paper_->add("W3SVC",
              {.config = {.display_name = "World Wide Web", .dependencies = {"iisadmin", "HTTP"}}});
  paper_->driver("HTTP");
  const auto pid = paper_->run("IISADMIN");
  ASSERT_TRUE(begin());
  const PicturePtr picture = scm_->snapshot();
  EXPECT_TRUE(picture->complete);
  ASSERT_EQ(picture->services.size(), 2U);
  EXPECT_EQ(service("IISADMIN").state, ServiceState::running);
  EXPECT_EQ(service("IISADMIN").instance->pid, pid);
  EXPECT_EQ(service("IISADMIN").start_type, StartType::automatic);
  EXPECT_EQ(service("W3SVC").state, ServiceState::stopped);
  EXPECT_THAT(service("W3SVC").depends_on, ElementsAre("IISADMIN"));
  EXPECT_THAT(picture->graph->dependents("IISADMIN"), ElementsAre("W3SVC"));
}

TEST_F(APaperScm, MatchesNamesInAnyCaseAndByDisplayName) {
  paper_->add("W3SVC", {.config = {.display_name = "World Wide Web"}});
  paper_->add("A", {.config = {.display_name = "Twin"}});
  paper_->add("B", {.config = {.display_name = "Twin"}});
  ASSERT_TRUE(begin());
  EXPECT_EQ(scm_->resolve("w3svc"), "W3SVC");
  EXPECT_EQ(scm_->resolve("world wide WEB"), "W3SVC");
  EXPECT_FALSE(scm_->resolve("twin"));
  EXPECT_FALSE(scm_->resolve("W3"));
}

TEST_F(APaperScm, IsAskedForNoMoreRightsThanEachCallNeeds) {
  paper_->add("W3SVC");
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  ASSERT_TRUE(control(ControlOp::pause, "W3SVC"));
  ASSERT_TRUE(control(ControlOp::stop, "W3SVC"));
  ASSERT_TRUE(control(ControlOp::start, "W3SVC"));
  const std::uint32_t looking = right::query_status;
  const std::uint32_t reading = right::query_config | right::enumerate_dependents;
  EXPECT_THAT(paper_->rights("W3SVC"),
              ElementsAre(looking, reading, right::start, looking | right::stop,
                          looking | right::pause_continue));
  EXPECT_THAT(
      paper_->manager_rights(),
      ElementsAre(right::manager_connect, right::manager_connect | right::manager_enumerate));
}

TEST_F(APaperScm, ThatForbidsTheListEndsTheStartWithASentence) {
  paper_->lose(code::access_denied);
  const auto refused = begin();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::access_denied);
  EXPECT_EQ(refused.error().native_name, "ERROR_ACCESS_DENIED");
}

TEST_F(APaperScm, IsNotAskedToStopTheAgentNorWhatItNeeds) {
  paper_->line({4321, 700});
  paper_->add("noforce", {.config = {.dependencies = {"Tcpip", "EventLog"}}});
  paper_->add("Tcpip");
  paper_->add("EventLog", {.config = {.dependencies = {"Base"}}});
  paper_->add("Base");
  paper_->add("RpcSs");
  paper_->add("W3SVC");
  paper_->run("noforce", 4321);
  paper_->run("W3SVC");
  ASSERT_TRUE(begin());
  EXPECT_EQ(scm_->off_limits("noforce"), "this agent runs as noforce and would go down with it");
  EXPECT_EQ(scm_->off_limits("Base"),
            "this agent's own service needs Base and would go down with it");
  EXPECT_NE(scm_->off_limits("EventLog"), "");
  EXPECT_EQ(scm_->off_limits("RpcSs"), "");  // stopped it carries nothing, and may be started
  paper_->run("RpcSs");
  scm_->refresh({});
  ASSERT_TRUE(wait_for("RpcSs", ServiceState::running));
  EXPECT_NE(scm_->off_limits("RpcSs"), "");
  EXPECT_EQ(scm_->off_limits("W3SVC"), "");
  ASSERT_TRUE(begin("w3svc"));  // by name, while it does not run as that service
  EXPECT_NE(scm_->off_limits("W3SVC"), "");
}

}  // namespace
}  // namespace noforce::windows::testing
