// What a plan says of a service beforehand.
#include "core/scm/windows/warnings.hpp"

#include <gtest/gtest.h>

namespace noforce::windows {
namespace {

using Names = std::vector<std::string>;

TEST(APlanWarning, NamesWhatTriggersAServiceAgain) {
  EXPECT_EQ(trigger_warnings("W32Time", {{.kind = 3, .starts = true},
                                         {.kind = 2, .starts = true},
                                         {.kind = 2, .starts = true}}),
            Names{"W32Time has a trigger, so Windows starts it again by itself when the machine "
                  "joins or leaves a domain, an IP address becomes available; that can be at once "
                  "after a stop"});
}

TEST(APlanWarning, IsNotGivenForATriggerThatStops) {
  EXPECT_TRUE(trigger_warnings("W32Time", {{.kind = 3, .starts = false}}).empty());
}

TEST(APlanWarning, NamesTheRecoveryActionsInTheirOrder) {
  const RecoveryRecord recovery{.steps = {{RecoveryAction::restart, 60'000},
                                          {RecoveryAction::reboot, 120'000},
                                          {RecoveryAction::none, 0}},
                                .on_error_exit = true};
  EXPECT_EQ(recovery_warnings("IISADMIN", recovery),
            Names{"IISADMIN has recovery actions: when it ends without reporting that it stopped, "
                  "or stops with an error, Windows will, failure by failure: start it again after "
                  "60 s, REBOOT THE MACHINE after 120 s, nothing"});
}

TEST(APlanWarning, IsNotGivenWhereRecoveryDoesNothing) {
  EXPECT_TRUE(recovery_warnings("IISADMIN", {}).empty());
  EXPECT_TRUE(
      recovery_warnings("IISADMIN", {.steps = {{RecoveryAction::none, 0}}, .on_error_exit = true})
          .empty());
}

TEST(APlanWarning, NamesWhoSharesTheProcess) {
  EXPECT_EQ(
      sharing_warnings("IISADMIN", 812, {"NNTPSVC", "SMTPSVC"}),
      Names{"IISADMIN shares its process (812) with NNTPSVC, SMTPSVC; what it takes down there "
            "goes down with it"});
  EXPECT_TRUE(sharing_warnings("IISADMIN", 812, {}).empty());
}

}  // namespace
}  // namespace noforce::windows
