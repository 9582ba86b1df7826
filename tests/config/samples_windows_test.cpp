// The samples for Windows: each is taken as it is by the build that they are for.
#include <fstream>
#include <sstream>

#include <gtest/gtest.h>

#include "config/load.hpp"

namespace noforce::config {
namespace {

std::string text_of(const std::string& sample) {
  std::ifstream file(std::string(NOFORCE_SOURCE_DIR) + "/config/" + sample);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(TheSampleForWindows, IsTakenAsItIs) {
  for (const std::string sample : {"windows-iis6.toml", "windows-iis7.toml"}) {
    const auto settings = parse(text_of(sample), "", MachineChecks::no);
    ASSERT_TRUE(settings.has_value()) << sample << ": " << to_string(settings.error().front());
    EXPECT_EQ(settings->scm.backend, Backend::windows);
    ASSERT_FALSE(settings->policies.groups.empty()) << sample;
    EXPECT_FALSE(settings->policies.groups_of("W3SVC").empty()) << sample;
  }
}

// A stock IIS has no page that says that it works: each start would end as verify_failed.
TEST(TheSampleForWindows, AsksNoServiceForAPageThatOnlySomeHave) {
  for (const std::string sample : {"windows-iis6.toml", "windows-iis7.toml"}) {
    const auto settings = parse(text_of(sample), "", MachineChecks::no);
    ASSERT_TRUE(settings.has_value()) << sample << ": " << to_string(settings.error().front());
    for (const auto& [name, policy] : settings->policies.services) {
      EXPECT_TRUE(!policy.verify || policy.verify->http.empty()) << sample << ", " << name;
    }
  }
}

}  // namespace
}  // namespace noforce::config
