// What is read of the services' configurations, and what is said where it cannot be.
#include "core/scm/windows/configuration.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/graph.hpp"
#include "tests/windows/a_paper_scm.hpp"

namespace noforce::windows::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

TEST_F(APaperScm, ListsItsDriversAgainWhereAServiceDependsOnWhatNobodyKnows) {
  paper_->add("W3SVC");
  ASSERT_TRUE(begin());
  paper_->driver("HTTP");
  paper_->add("WMSVC", {.config = {.dependencies = {"http"}}});
  scm_->refresh({});
  ASSERT_TRUE(listener_.wait([&] { return scm_->snapshot()->find("WMSVC") != nullptr; }));
  EXPECT_THAT(service("WMSVC").depends_on, IsEmpty());
  // The other way round: first the service, then what it depends on.
  paper_->add("NetMsmqActivator", {.config = {.dependencies = {"MQAC"}}});
  scm_->refresh({});
  ASSERT_TRUE(
      listener_.wait([&] { return scm_->snapshot()->find("NetMsmqActivator") != nullptr; }));
  EXPECT_THAT(service("NetMsmqActivator").depends_on, ElementsAre("MQAC"));
  paper_->driver("mqac");
  scm_->refresh({});
  EXPECT_TRUE(listener_.wait([&] { return service("NetMsmqActivator").depends_on.empty(); }));
}

TEST_F(APaperScm, WarnsOfRecoveryActions) {
  paper_->add("IISADMIN", {.recovery = {.steps = {{RecoveryAction::run_command, 1'000},
                                                  {RecoveryAction::reboot, 60'000}}}});
  ASSERT_TRUE(begin());
  EXPECT_THAT(scm_->plan_warnings("IISADMIN"),
              ElementsAre(HasSubstr("run a command after 1 s, REBOOT THE MACHINE after 60 s")));
}

TEST_F(APaperScm, WarnsOfTriggersAndRecoveryActionsThatWereChangedWhileNothingElseWas) {
  paper_->add("IISADMIN");
  ASSERT_TRUE(begin());
  EXPECT_THAT(scm_->plan_warnings("IISADMIN"), IsEmpty());
  paper_->change("IISADMIN", [](auto& it) {
    it.recovery.steps = {{RecoveryAction::reboot, 60'000}};
    it.triggers = {{.kind = 2, .starts = true}};
  });
  scm_->refresh({"IISADMIN"});
  ASSERT_TRUE(listener_.wait([&] { return scm_->plan_warnings("IISADMIN").size() == 2; }));
  EXPECT_THAT(scm_->plan_warnings("IISADMIN"),
              ElementsAre(HasSubstr("has a trigger"), HasSubstr("REBOOT THE MACHINE")));
}

TEST_F(APaperScm, ListsAServiceThatMayNotBeOpenedAndSaysWhatIsNotKnownOfIt) {
  paper_->add("Secret", {.config = {.display_name = "A secret"}, .denies = ~0U});
  ASSERT_TRUE(begin());
  EXPECT_EQ(service("Secret").display_name, "A secret");
  const auto warnings = ElementsAre(
      "its configuration cannot be read (5 ERROR_ACCESS_DENIED), so what it depends on, its "
      "triggers and its recovery actions are not known",
      "the list of what depends on it cannot be read (5 ERROR_ACCESS_DENIED), so only those are "
      "known whose own configuration says so");
  EXPECT_THAT(service("Secret").warnings, warnings);
  EXPECT_THAT(scm_->plan_warnings("Secret"), warnings);
  const auto refused = control(ControlOp::start, "Secret");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::access_denied);
}

TEST_F(APaperScm, ThatRefusesOneRightShowsWhatTheOtherOneDoes) {
  paper_->add("RpcSs");
  paper_->add("NoList", {.config = {.dependencies = {"RpcSs"}},
                         .dependents = {"W3SVC"},
                         .denies = right::enumerate_dependents});
  paper_->add("NoConfig", {.config = {.dependencies = {"RpcSs"}},
                           .dependents = {"W3SVC"},
                           .denies = right::query_config});
  paper_->add("W3SVC");
  ASSERT_TRUE(begin());
  EXPECT_THAT(service("NoList").depends_on, ElementsAre("RpcSs"));
  EXPECT_THAT(service("NoList").warnings, ElementsAre(HasSubstr("what depends on it cannot")));
  EXPECT_THAT(scm_->snapshot()->graph->dependents("NoConfig"), ElementsAre("W3SVC"));
  EXPECT_THAT(service("NoConfig").warnings, ElementsAre(HasSubstr("its configuration cannot")));
}

TEST_F(APaperScm, ThatNoLongerShowsAConfigurationKeepsWhatItShowedAndSaysSo) {
  paper_->add("RpcSs");
  paper_->add("W3SVC", {.config = {.dependencies = {"RpcSs"}}});
  ASSERT_TRUE(begin());
  EXPECT_THAT(service("W3SVC").warnings, IsEmpty());
  paper_->change("W3SVC", [](auto& it) { it.denies = right::query_config; });
  scm_->refresh({"W3SVC"});
  ASSERT_TRUE(listener_.wait([&] { return !service("W3SVC").warnings.empty(); }));
  EXPECT_THAT(service("W3SVC").warnings, ElementsAre(HasSubstr("as it was when it last could be")));
  EXPECT_THAT(service("W3SVC").depends_on, ElementsAre("RpcSs"));
  paper_->change("W3SVC", [](auto& it) { it.denies = 0; });
  scm_->refresh({"W3SVC"});
  EXPECT_TRUE(listener_.wait([&] { return service("W3SVC").warnings.empty(); }));
}

TEST_F(APaperScm, SaysThatRecoveryActionsAreNotKnownUnlessItHasNoneAtAll) {
  paper_->add("W3SVC", {.refuses_recovery = code::access_denied});
  paper_->add("SMTPSVC", {.refuses_recovery = code::invalid_level});  // as Wine says it
  ASSERT_TRUE(begin());
  EXPECT_THAT(service("W3SVC").warnings, ElementsAre(HasSubstr("its recovery actions cannot")));
  EXPECT_THAT(service("SMTPSVC").warnings, IsEmpty());
}

}  // namespace
}  // namespace noforce::windows::testing
