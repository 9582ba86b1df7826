#include "agent/windows_service.hpp"

#include <windows.h>

#include <array>

#include <gtest/gtest.h>

#include "core/scm/windows/handles_windows.hpp"
#include "core/windows_error.hpp"

namespace noforce::agent {
namespace {

using windows::UniqueScHandle;

// A service that is installed and never started.
class AnInstalledAgent : public testing::Test {
 protected:
  AnInstalledAgent() {
    const auto installed = install_service({.name = name_, .config = ""});
    EXPECT_TRUE(installed) << installed.error().detail;
  }
  ~AnInstalledAgent() override {
    const auto removed = uninstall_service(name_);
    EXPECT_TRUE(removed) << removed.error().detail;
  }

  const std::string name_ = "noforce-of-test-" + std::to_string(::GetCurrentProcessId());
};

TEST_F(AnInstalledAgent, IsNotInstalledTwice) {
  const auto again = install_service({.name = name_, .config = ""});
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::already_done);
  EXPECT_EQ(again.error().native_name, "ERROR_SERVICE_EXISTS");
}

TEST_F(AnInstalledAgent, IsStartedAgainAfterItDiedAndNotAfterAnErrorOfItsOwn) {
  const UniqueScHandle manager(::OpenSCManagerW(nullptr, nullptr, SC_MANAGER_CONNECT));
  ASSERT_TRUE(manager);
  const UniqueScHandle service(
      ::OpenServiceW(manager.get(), to_wide(name_).c_str(), SERVICE_QUERY_CONFIG));
  ASSERT_TRUE(service);
  alignas(SERVICE_FAILURE_ACTIONSW) std::array<BYTE, 1024> buffer{};
  DWORD needed = 0;
  if (::QueryServiceConfig2W(service.get(), SERVICE_CONFIG_FAILURE_ACTIONS, buffer.data(),
                             buffer.size(), &needed) == 0) {
    ASSERT_EQ(::GetLastError(), DWORD{ERROR_INVALID_LEVEL});
    GTEST_SKIP() << "this manager keeps no recovery actions (Wine)";
  }
  const auto* const recovery = reinterpret_cast<SERVICE_FAILURE_ACTIONSW*>(buffer.data());
  ASSERT_EQ(recovery->cActions, 3U);
  for (DWORD i = 0; i < recovery->cActions; ++i) {
    EXPECT_EQ(recovery->lpsaActions[i].Type, SC_ACTION_RESTART);
    EXPECT_LE(recovery->lpsaActions[i].Delay, 60'000U);
  }
  SERVICE_FAILURE_ACTIONS_FLAG flag{};
  ASSERT_NE(::QueryServiceConfig2W(service.get(), SERVICE_CONFIG_FAILURE_ACTIONS_FLAG,
                                   reinterpret_cast<BYTE*>(&flag), sizeof flag, &needed),
            0);
  EXPECT_FALSE(flag.fFailureActionsOnNonCrashFailures);
}

TEST(AnAgentThatIsNotInstalled, IsNotFound) {
  for (const auto& done :
       {uninstall_service("noforce-of-nobody"), start_service("noforce-of-nobody")}) {
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().kind, ErrorKind::not_found);
    EXPECT_EQ(done.error().native_name, "ERROR_SERVICE_DOES_NOT_EXIST");
  }
}

}  // namespace
}  // namespace noforce::agent
