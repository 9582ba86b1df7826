#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/load.hpp"
#include "config/platform.hpp"
#include "tests/support/temporary.hpp"

namespace noforce::config {
namespace {

using ::testing::HasSubstr;

class OnWindows : public testing::Test {
 protected:
  ~OnWindows() override {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  std::string write(const std::string& text) {
    const std::filesystem::path file = path_ / "settings.toml";
    std::ofstream(file) << text;
    std::filesystem::permissions(
        file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return file.string();
  }
  // All its mistakes, a line each; empty: there are none.
  std::string mistakes(const std::string& text) {
    const auto settings = load(write(text));
    std::string all;
    if (!settings) {
      for (const Mistake& mistake : settings.error())
        all += to_string(mistake) + "\n";
    }
    return all;
  }

  const std::filesystem::path path_ = test::make_temporary_directory();
};

TEST_F(OnWindows, TheDefaultsAreItsOwn) {
  const auto settings = load(write(""));
  ASSERT_TRUE(settings);
  EXPECT_EQ(settings->scm.backend, Backend::windows);
  EXPECT_THAT(settings->server.state_dir, HasSubstr(R"(:\ProgramData\noforce)"));
  EXPECT_THAT(default_settings_file(), HasSubstr(R"(\noforce.toml)"));
}

TEST_F(OnWindows, APathBeginsWithADrive) {
  EXPECT_EQ(mistakes("[server]\nstate_dir = 'C:\\noforce\\state'\n"), "");
  EXPECT_THAT(mistakes("[server]\nstate_dir = '/var/lib/noforce'\n"),
              HasSubstr("does not begin with a drive"));
  EXPECT_THAT(mistakes("[server]\nstate_dir = 'state'\n"), HasSubstr("needs an absolute path"));
}

TEST_F(OnWindows, WhatBelongsToLinuxIsRefusedWithASentence) {
  EXPECT_THAT(mistakes("[server]\nuser = 'agent'\n"),
              HasSubstr("the account that its service was installed with"));
  EXPECT_THAT(mistakes("[scm]\nbackend = 'supervisor'\n"),
              HasSubstr("this build has no backend 'supervisor'"));
  EXPECT_THAT(mistakes("[[service]]\nname = 'w3svc'\ncommand = ['C:\\a.exe']\n"),
              HasSubstr("the services are those of its own service manager"));
  EXPECT_THAT(mistakes("[supervisor]\non_exit = 'stop'\n"),
              HasSubstr("'on_exit' is for the backend 'supervisor'"));
}

TEST_F(OnWindows, APolicyAndAGroupNameServicesThatTheScmKnows) {
  EXPECT_EQ(mistakes("[[group]]\nname = 'iis'\nservices = ['W3SVC', 'IISADMIN']\n"
                     "[policy.W3SVC]\nprotected = true\n"),
            "");
}

TEST_F(OnWindows, AHookIsAnExecutableThatNobodyElseDecidesAbout) {
  EXPECT_THAT(mistakes("[policy.W3SVC]\nbefore_stop = [['save.exe']]\n"),
              HasSubstr("needs an absolute path"));
  EXPECT_THAT(mistakes("[policy.W3SVC]\nbefore_stop = [['C:\\no\\such\\save.exe']]\n"),
              HasSubstr("cannot be looked at"));
}

}  // namespace
}  // namespace noforce::config
