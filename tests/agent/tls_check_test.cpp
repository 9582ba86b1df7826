#include "agent/tls_check.hpp"

#include <sys/stat.h>

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/certificates.hpp"
#include "tests/agent/temporary_directory.hpp"

namespace noforce::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class TheTlsFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    const auto ca = make_ca("test", now);
    ASSERT_TRUE(ca);
    const auto server = make_server_certificate(*ca, {"localhost"}, now);
    ASSERT_TRUE(server);
    dir.write("own.pem", server->certificate);
    dir.write("own.key", server->key);
    ::chmod((dir / "own.key").c_str(), 0600);
    tls = {.certificate = dir / "own.pem", .key = dir / "own.key", .client_ca = {}};
  }

  const WallTime now = std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());
  test::TemporaryDirectory dir;
  config::TlsSettings tls;
};

TEST_F(TheTlsFiles, AreNotLookedAtWhereTheSettingsNameNone) {
  EXPECT_THAT(check_tls({}, now), IsEmpty());
}

TEST_F(TheTlsFiles, MayBeUsedWhereNothingIsWrong) {
  EXPECT_THAT(check_tls(tls, now), IsEmpty());
}

TEST_F(TheTlsFiles, MustNotHaveExpired) {
  const auto findings = check_tls(tls, now + std::chrono::days(server_days + 1));
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].key, "certificate");
  EXPECT_TRUE(findings[0].is_mistake);
  EXPECT_THAT(findings[0].sentence, HasSubstr("own.pem has expired at "));
}

TEST_F(TheTlsFiles, WithAKeyThatEverybodyCanReadAreWarnedOf) {
  ::chmod((dir / "own.key").c_str(), 0604);
  const auto findings = check_tls(tls, now);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].key, "key");
  EXPECT_FALSE(findings[0].is_mistake);
}

TEST_F(TheTlsFiles, ThatAreNoPemAreToldApart) {
  dir.write("own.pem", "nothing");
  auto findings = check_tls(tls, now);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].key, "certificate");
  SetUp();
  dir.write("own.key", "nothing");
  findings = check_tls(tls, now);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].key, "key");
  EXPECT_THAT(findings[0].sentence, HasSubstr("private key in PEM"));
}

}  // namespace
}  // namespace noforce::agent
