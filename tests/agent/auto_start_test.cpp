#include "agent/auto_start.hpp"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/estate.hpp"

namespace noforce::agent {
namespace {

using ::noforce::test::make_picture;
using ::noforce::test::make_service;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

const std::string today = "boot-2";
const std::string yesterday = "boot-1";

Service automatic(const std::string& name, std::vector<std::string> depends_on = {},
                  ServiceState state = ServiceState::stopped) {
  Service service = make_service(name, std::move(depends_on), state);
  service.start_type = StartType::automatic;
  return service;
}

Wanted row(const std::string& service, bool up, const std::string& boot,
           const std::string& by = "token:ci") {
  return {.service = service, .up = up, .job = "J", .by = by, .at = {}, .boot = boot};
}

std::vector<std::string> due(const std::vector<Service>& services,
                             const std::vector<Wanted>& wanted = {},
                             const std::vector<Job>& unfinished = {}) {
  return due_to_start(make_picture(services), wanted, unfinished, today);
}

TEST(AutoStart, StartsWhatIsNewInTheOrderOfItsDependencies) {
  EXPECT_THAT(due({automatic("a", {"z"}), automatic("z")}), ElementsAre("z", "a"));
}

TEST(AutoStart, LeavesManualAndDisabledServicesAlone) {
  Service manual = automatic("manual");
  manual.start_type = StartType::manual;
  Service disabled = automatic("disabled");
  disabled.start_type = StartType::disabled;
  EXPECT_THAT(due({manual, disabled}), IsEmpty());
}

TEST(AutoStart, LeavesAloneWhatIsUpOrOnItsWay) {
  EXPECT_THAT(due({automatic("a", {}, ServiceState::running),
                   automatic("b", {}, ServiceState::start_pending),
                   automatic("c", {}, ServiceState::stop_pending),
                   automatic("d", {}, ServiceState::paused)}),
              IsEmpty());
}

TEST(AutoStart, StartsAfterABootWhatRanBefore) {
  EXPECT_THAT(due({automatic("a")}, {row("a", true, yesterday)}), ElementsAre("a"));
}

TEST(AutoStart, LeavesAloneWhatEndedByItselfInThisBoot) {
  EXPECT_THAT(due({automatic("a")}, {row("a", true, today)}), IsEmpty());
}

TEST(AutoStart, NeverUndoesADeliberateStop) {
  EXPECT_THAT(due({automatic("a")}, {row("a", false, today)}), IsEmpty());
  EXPECT_THAT(due({automatic("a")}, {row("a", false, yesterday)}), IsEmpty());
}

TEST(AutoStart, NeverUndoesADeliberateStopOfWhatAServiceNeeds) {
  EXPECT_THAT(due({automatic("base"), automatic("a", {"base"}), automatic("b")},
                  {row("base", false, yesterday)}),
              ElementsAre("b"));
  // Somebody started it again since: nothing is undone.
  EXPECT_THAT(due({automatic("base", {}, ServiceState::running), automatic("a", {"base"})},
                  {row("base", false, yesterday)}),
              ElementsAre("a"));
}

TEST(AutoStart, BringsBackWhatTheAgentStoppedForItsOwnEnd) {
  EXPECT_THAT(due({automatic("a")}, {row("a", false, today, "agent")}), ElementsAre("a"));
}

TEST(AutoStart, LeavesToAnUnfinishedJobWhatItHolds) {
  Job job;
  job.touches = {"a"};
  EXPECT_THAT(due({automatic("a"), automatic("b")}, {}, {job}), ElementsAre("b"));
}

TEST(AutoStart, NamesServicesOnACycleAsTheyAre) {
  EXPECT_THAT(due({automatic("a", {"b"}), automatic("b", {"a"})}), ElementsAre("a", "b"));
}

}  // namespace
}  // namespace noforce::agent
