// Whether systemd would kill, by the settings of a unit.
#include "core/scm/systemd/sparing.hpp"

#include <gtest/gtest.h>

namespace noforce::systemd {
namespace {

using Ways = std::vector<std::string>;

// What systemd says of a service without settings of its own, but that its stop may take for ever.
Properties unit() {
  Properties out;
  out.id = "web.service";
  out.kill_mode = "control-group";
  out.send_sigkill = true;
  out.job_timeout_action = "none";
  return out;
}

TEST(ASparing, IsNotNeededWhereAStopMayTakeForEver) {
  EXPECT_EQ(sparing_of(unit()).ways, Ways{});
  Properties zero = unit();
  zero.timeout_stop_us = 0;  // as systemd writes "infinity" in some places
  EXPECT_EQ(sparing_of(zero).ways, Ways{});
}

TEST(ASparing, IsNeededWhereAStopHasALimit) {
  Properties limited = unit();
  limited.timeout_stop_us = 2'500'000;
  const Sparing sparing = sparing_of(limited);
  EXPECT_EQ(sparing.ways, Ways{"TimeoutStopSec=2.5 s"});
  EXPECT_EQ(sparing.after, Milliseconds(2500));
  EXPECT_NE(sparing.drop_in.find("[Service]\nTimeoutStopSec=infinity\nSendSIGKILL=no\n"
                                 "TimeoutAbortSec=infinity\n"),
            std::string::npos)
      << sparing.drop_in;
  EXPECT_EQ(sparing.drop_in.find("[Unit]"), std::string::npos);
}

// It would be abandoned while it runs, and started a second time beside itself.
TEST(ASparing, IsNeededAlsoWhereSystemdWouldOnlyGiveUpWaiting) {
  Properties limited = unit();
  limited.timeout_stop_us = 1'000'000;
  limited.send_sigkill = false;
  EXPECT_EQ(sparing_of(limited).ways, Ways{"TimeoutStopSec=1 s"});
}

TEST(ASparing, IsNeededWhereWhatTheMainProcessLeavesIsKilledAtOnce) {
  Properties mixed = unit();
  mixed.kill_mode = "mixed";
  EXPECT_EQ(sparing_of(mixed).ways, Ways{"KillMode=mixed"});
  mixed.send_sigkill = false;
  EXPECT_EQ(sparing_of(mixed).ways, Ways{});
}

TEST(ASparing, IsNeededWhereAStopOfTheWatchdogHasALimit) {
  Properties watched = unit();
  watched.timeout_abort_us = 5'000'000;
  EXPECT_EQ(sparing_of(watched).ways, Ways{}) << "no watchdog, so no such stop";
  watched.watchdog_us = 1'000'000;
  EXPECT_EQ(sparing_of(watched).ways, Ways{"TimeoutAbortSec=5 s"});
}

TEST(ASparing, ReplacesTheSignalThatNobodyCanHandle) {
  Properties rude = unit();
  rude.kill_signal = 9;
  EXPECT_EQ(sparing_of(rude).ways, Ways{"KillSignal=9"});
  EXPECT_NE(sparing_of(rude).drop_in.find("KillSignal=SIGTERM\n"), std::string::npos);
  EXPECT_EQ(sparing_of(unit()).drop_in.find("KillSignal"), std::string::npos);
}

TEST(ASparing, IsNeededWhereAJobThatIsOverItsTimeRebootsTheMachine) {
  Properties boots = unit();
  boots.job_timeout_us = 60'000'000;
  EXPECT_EQ(sparing_of(boots).ways, Ways{}) << "it only gives up the job";
  boots.job_timeout_action = "reboot-force";
  EXPECT_EQ(sparing_of(boots).ways, Ways{"JobTimeoutAction=reboot-force"});
  EXPECT_NE(sparing_of(boots).drop_in.find("[Unit]\nJobTimeoutSec=infinity\n"), std::string::npos);
}

TEST(ASparing, IsNotNeededWhereNothingIsEverSent) {
  Properties none = unit();
  none.timeout_stop_us = 1'000'000;
  none.kill_mode = "none";
  EXPECT_EQ(sparing_of(none).ways, Ways{});
}

TEST(ASparing, SpeaksEachTypesOwnLanguage) {
  Properties socket = unit();
  socket.id = "web.socket";
  socket.timeout_stop_us = 1'000'000;
  EXPECT_EQ(sparing_of(socket).ways, Ways{"TimeoutSec=1 s"});
  EXPECT_NE(sparing_of(socket).drop_in.find("[Socket]\nTimeoutSec=infinity\n"), std::string::npos);
  socket.id = "web.target";
  EXPECT_EQ(sparing_of(socket).ways, Ways{});
}

TEST(ASparing, NamesWhatKillsAtOtherTimesThanAStop) {
  Properties limited = unit();
  limited.watchdog_us = 30'000'000;
  limited.runtime_max_us = 60'000'000;
  limited.timeout_start_us = 90'000'000;
  EXPECT_EQ(other_ways(limited), (Ways{"WatchdogSec=30 s", "RuntimeMaxSec=60 s"}));
  limited.timeout_stop_us = 1'000'000;
  EXPECT_EQ(other_ways(limited),
            (Ways{"WatchdogSec=30 s", "RuntimeMaxSec=60 s", "TimeoutStartSec=90 s"}));
  EXPECT_EQ(other_ways(unit()), Ways{});
}

}  // namespace
}  // namespace noforce::systemd
