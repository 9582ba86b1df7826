// The agent's own unit, as text.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/systemd_unit.hpp"

namespace noforce::agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

config::Settings driving_systemd() {
  config::Settings settings;
  settings.file = "/etc/noforce/noforce.toml";
  settings.scm.backend = config::Backend::systemd;
  return settings;
}

std::string unit_of(const config::Settings& settings, bool for_user = false) {
  return systemd_unit(
      {.program = "/usr/local/bin/noforce", .for_user = for_user, .settings = settings});
}

// A whole line of the unit.
auto HasLine(const std::string& line) {
  return HasSubstr("\n" + line + "\n");
}

TEST(AUnit, StartsReloadsAndWatchesTheAgent) {
  EXPECT_THAT(unit_of(driving_systemd()),
              AllOf(HasLine("Type=notify"), HasLine("NotifyAccess=main"), HasLine("Restart=always"),
                    HasLine("ExecStart=\"/usr/local/bin/noforce\" serve --config "
                            "\"/etc/noforce/noforce.toml\""),
                    HasLine("ExecReload=\"/usr/local/bin/noforce\" reload --config "
                            "\"/etc/noforce/noforce.toml\""),
                    HasLine("WatchdogSec=5min"), HasLine("WantedBy=multi-user.target")));
}

TEST(AUnit, NeverLetsSystemdEndMoreThanTheAgentNorThatByForce) {
  for (const auto backend : {config::Backend::systemd, config::Backend::supervisor}) {
    config::Settings settings = driving_systemd();
    settings.scm.backend = backend;
    EXPECT_THAT(unit_of(settings), AllOf(HasLine("KillMode=process"), HasLine("SendSIGKILL=no"),
                                         HasLine("TimeoutStopFailureMode=abort")));
  }
}

TEST(AUnit, OfAnAgentThatStartsNothingMayWriteDropInsAndItsStateOnly) {
  EXPECT_THAT(unit_of(driving_systemd()),
              AllOf(HasLine("ProtectSystem=strict"), HasLine("StateDirectory=\"noforce\""),
                    HasLine("StateDirectoryMode=0700"),
                    HasLine("ReadWritePaths=/run/systemd/system"), HasLine("ProtectHome=yes"),
                    HasLine("PrivateTmp=yes"), HasLine("CapabilityBoundingSet=")));
}

TEST(AUnit, ForbidsNothingWhereServicesOrHooksWouldInheritIt) {
  config::Settings with_services = driving_systemd();
  with_services.scm.backend = config::Backend::supervisor;
  config::Settings with_a_hook = driving_systemd();
  with_a_hook.policies.services["web.service"].before_stop = {{"/usr/local/bin/drain"}};
  for (const config::Settings& settings : {with_services, with_a_hook}) {
    EXPECT_TRUE(config::starts_programs(settings));
    const std::string unit = unit_of(settings);
    for (const char* inherited :
         {"Protect", "Private", "Restrict", "SystemCall", "Capabilit", "NoNewPrivileges", "UMask",
          "Limit", "Memory", "StateDirectory", "ReadWritePaths", "Nice", "OOMScore", "Environment"})
      EXPECT_THAT(unit, Not(HasSubstr(std::string("\n") + inherited))) << inherited;
    // What counts for the whole control group lets services be.
    EXPECT_THAT(unit, AllOf(HasLine("OOMPolicy=continue"), HasLine("TasksMax=infinity")));
  }
  EXPECT_FALSE(config::starts_programs(driving_systemd()));
}

TEST(AUnit, KeepsACapabilityForAPortBelow1024Only) {
  config::Settings settings = driving_systemd();
  settings.server.port = 443;
  EXPECT_THAT(unit_of(settings), HasLine("CapabilityBoundingSet=CAP_NET_BIND_SERVICE"));
  settings.server.port = 0;
  EXPECT_THAT(unit_of(settings), HasLine("CapabilityBoundingSet="));
}

TEST(AUnit, LeavesOpenWhereItsOwnFilesAre) {
  config::Settings settings = driving_systemd();
  settings.server.state_dir = "/srv/noforce";
  settings.log.file = "/var/log/noforce/agent.log";
  EXPECT_THAT(unit_of(settings), AllOf(HasLine("ReadWritePaths=\"-/srv/noforce\""),
                                       HasLine("ReadWritePaths=\"-/var/log/noforce\""),
                                       Not(HasSubstr("StateDirectory"))));
  settings.file = "/root/noforce.toml";
  EXPECT_THAT(unit_of(settings), HasLine("ProtectHome=read-only"));
  settings.server.state_dir = "/var/tmp/state";
  EXPECT_THAT(unit_of(settings), HasLine("PrivateTmp=no"));
}

TEST(AUnit, OfAUsersManagerForbidsWhatThatOneMayForbid) {
  const std::string unit = unit_of(driving_systemd(), true);
  EXPECT_THAT(unit, AllOf(HasLine("ReadWritePaths=%t/systemd"), HasLine("ProtectHome=read-only"),
                          HasLine("NoNewPrivileges=yes"), HasLine("WantedBy=default.target")));
  // These take capabilities away, and such a manager has none to do it with.
  for (const char* line : {"CapabilityBoundingSet", "PrivateDevices", "ProtectClock",
                           "ProtectKernelLogs", "ProtectKernelModules", "StateDirectory"})
    EXPECT_THAT(unit, Not(HasSubstr(line)));
}

TEST(AUnit, WaitsForTheNetworkWhereTheAddressMayNotBeThereYet) {
  config::Settings settings = driving_systemd();
  for (const char* own : {"127.0.0.1", "::1", "localhost"}) {
    settings.server.host = own;
    EXPECT_THAT(unit_of(settings), Not(HasSubstr("network"))) << own;
  }
  settings.server.host = "0.0.0.0";
  EXPECT_THAT(unit_of(settings), HasLine("After=network-online.target"));
  EXPECT_THAT(unit_of(settings, true), Not(HasSubstr("network")));
}

TEST(AUnit, StopsBeforeWhatItNeedsToTheEndWhenTheMachineGoesDown) {
  const config::Settings supervising;
  EXPECT_THAT(unit_of(supervising), AllOf(HasLine("After=dbus.service"),
                                          HasLine("After=network.target remote-fs.target")));
  EXPECT_THAT(unit_of(driving_systemd()), Not(HasSubstr("remote-fs")))
      << "its services say themselves what they need";
  EXPECT_THAT(unit_of(supervising, true), Not(HasSubstr("After=")));
}

TEST(AUnit, TakesEveryPathAsItIs) {
  config::Settings settings = driving_systemd();
  settings.file = "/etc/100% $HOME \"x\" \\.toml";
  settings.server.state_dir = "/srv/a b";
  EXPECT_THAT(unit_of(settings),
              AllOf(HasSubstr("serve --config \"/etc/100%% $$HOME \\\"x\\\" \\\\.toml\"\n"),
                    HasLine("ReadWritePaths=\"-/srv/a b\"")));
}

TEST(AUnit, IsKnownAsOursUntilALineOfItChanges) {
  const std::string unit = unit_of(driving_systemd());
  EXPECT_TRUE(is_written_by_us(unit));
  EXPECT_FALSE(is_written_by_us(unit + "#\n"));
  EXPECT_FALSE(is_written_by_us(unit.substr(unit.find('\n') + 1)));
  EXPECT_FALSE(is_written_by_us("[Service]\nExecStart=/bin/true\n"));
  EXPECT_FALSE(is_written_by_us(""));
}

TEST(AUnit, HasANameThatIsNoPathNoOptionAndNoTemplate) {
  for (const char* good : {"noforce", "noforce-2", "a.b_c"})
    EXPECT_TRUE(is_service_name(good)) << good;
  for (const char* bad : {"", "-x", ".x", "a/b", "a@b", "a b", "../x"})
    EXPECT_FALSE(is_service_name(bad)) << bad;
  EXPECT_FALSE(is_service_name(std::string(81, 'a')));
}

}  // namespace
}  // namespace noforce::agent
