#include "api/authentication.hpp"

#include <gtest/gtest.h>

#include "tests/api/request.hpp"
#include "tests/core/journal_samples.hpp"

namespace noforce::api {
namespace {

using test::make_request;

std::string read(const std::string& header) {
  const Fields headers{{"Authorization", header}};
  const auto token = bearer_token(headers);
  return token ? std::string(*token) : "refused";
}

TEST(TheAuthorizationHeader, IsBearerAndATokenAndNothingElse) {
  EXPECT_EQ(read("Bearer nf_abc"), "nf_abc");
  EXPECT_EQ(read("bEARER   nf_abc"), "nf_abc");
  EXPECT_EQ(read("Bearer a-b.c_d~e+f/g=="), "a-b.c_d~e+f/g==");
  for (const char* wrong :
       {"", "B", "Bearer", "Bearer ", "Bearer  ", "Basic abc", "nf_abc", "Bearernf_abc",
        "Bearer a b", "Bearer a,b", "Bearer ==", "Bearer a=b", "Bearer \"a\"", "Bearer\ta"})
    EXPECT_EQ(read(wrong), "refused") << wrong;
  EXPECT_EQ(read("Bearer " + std::string(513, 'a')), "refused");
  EXPECT_FALSE(bearer_token(Fields{{"Authorization", "Bearer a"}, {"authorization", "Bearer a"}}));
}

TEST(TheAuthorizationHeader, IsExplainedWhereItIsMissing) {
  const auto token = bearer_token({});
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().kind, ErrorKind::unauthorized);
  EXPECT_NE(token.error().detail.find("noforce token create"), std::string::npos);
}

TEST(TheHost, IsOneOfTheAgentsNamesOrTheAddressThatWasReached) {
  const auto ours = [](const char* host) {
    return is_host_ours(make_request("GET", "/", {{"Host", host}}), {"agent.example", "::1"});
  };
  EXPECT_TRUE(ours("agent.example"));
  EXPECT_TRUE(ours("Agent.Example:8443"));
  EXPECT_TRUE(ours("agent.example."));
  EXPECT_TRUE(ours("[::1]:8443"));
  EXPECT_TRUE(ours("192.0.2.2:8443")) << "the local address of the connection";
  for (const char* foreign :
       {"", "evil.example", "agent.example.evil", "192.0.2.3", ":8443", "[::1", "."})
    EXPECT_FALSE(ours(foreign)) << foreign;
  const auto under_wildcard = [](const char* host) {
    return is_host_ours(make_request("GET", "/", {{"Host", host}}), {"*.example.org"});
  };
  EXPECT_TRUE(under_wildcard("agent7.example.org"));
  for (const char* foreign : {"example.org", ".example.org", "a.b.example.org", "example.com"})
    EXPECT_FALSE(under_wildcard(foreign)) << foreign;
  Request local = make_request("GET", "/", {{"Host", "x"}});
  local.is_local = true;
  EXPECT_TRUE(is_host_ours(local, {}));
}

class DenialsInTheTrail : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Journal::open(directory_.file("noforce.db"), clock_);
    ASSERT_TRUE(opened) << opened.error().detail;
    journal_ = std::move(*opened);
    denials_ = std::make_unique<Denials>(*journal_, clock_);
  }
  void deny(const std::string& address, int times = 1) {
    for (int i = 0; i < times; ++i)
      denials_->record("anonymous", address, ErrorKind::unauthorized, "getAgent", true);
  }
  std::vector<AuditRow> rows() {
    auto found = journal_->audit_rows({.limit = 1000});
    EXPECT_TRUE(found);
    return found ? *found : std::vector<AuditRow>();
  }
  std::uint64_t counted() {
    std::uint64_t sum = 0;
    for (const AuditRow& row : rows())
      sum += row.entry.count;
    return sum;
  }

  test::TemporaryDirectory directory_;
  test::HandClock clock_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Denials> denials_;
};

TEST_F(DenialsInTheTrail, AreWrittenAtOnceTheFirstTimeAndCountedAfterwards) {
  deny("192.0.2.1");
  ASSERT_EQ(rows().size(), 1U);
  EXPECT_EQ(rows()[0].entry.event, "denied");
  EXPECT_EQ(rows()[0].entry.address, "192.0.2.1");
  deny("192.0.2.1", 1000);
  EXPECT_LE(rows().size(), 4U) << "1, 10, 100, 1000";
  denials_->flush();
  EXPECT_EQ(counted(), 1001U);
}

TEST_F(DenialsInTheTrail, StayFewHoweverManyAddressesThereAre) {
  for (int i = 0; i < 5000; ++i)
    deny("10." + std::to_string(i / 250) + ".0." + std::to_string(i % 250));
  EXPECT_LE(rows().size(), 40U);
  denials_->flush();
  EXPECT_LE(rows().size(), 300U);
  EXPECT_EQ(counted(), 5000U);
}

TEST_F(DenialsInTheTrail, AreWrittenOnceAMinute) {
  deny("192.0.2.1", 3);
  denials_->flush_due();
  EXPECT_EQ(counted(), 1U);
  clock_.advance(Seconds{61});
  denials_->flush_due();
  EXPECT_EQ(counted(), 3U);
}

TEST_F(DenialsInTheTrail, MakeAnAddressWaitThatFailsTooOften) {
  deny("192.0.2.1", 19);
  EXPECT_FALSE(denials_->is_flooding("192.0.2.1"));
  deny("192.0.2.1");
  EXPECT_TRUE(denials_->is_flooding("192.0.2.1"));
  EXPECT_FALSE(denials_->is_flooding("192.0.2.2"));
  clock_.advance(Seconds{10});
  EXPECT_FALSE(denials_->is_flooding("192.0.2.1"));
}

TEST_F(DenialsInTheTrail, CountAnIpv6NetworkAsOneClient) {
  for (int i = 0; i < 20; ++i)
    deny("2001:db8:0:1:" + std::to_string(i) + "::7");
  EXPECT_TRUE(denials_->is_flooding("2001:db8:0:1:ffff::1"));
  EXPECT_FALSE(denials_->is_flooding("2001:db8:0:2::1"));
}

TEST_F(DenialsInTheTrail, HaveOneLimitForAllAddressesThatThereIsNoRoomFor) {
  const auto address = [](int i) {
    return "10." + std::to_string(i / 250) + ".0." + std::to_string(i % 250);
  };
  for (int i = 0; i < 4096 + 20; ++i)
    deny(address(i));
  EXPECT_FALSE(denials_->is_flooding(address(0)));
  EXPECT_TRUE(denials_->is_flooding(address(4200)));
  clock_.advance(Seconds{10});
  deny("192.0.2.1");
  EXPECT_FALSE(denials_->is_flooding(address(4200)));
}

}  // namespace
}  // namespace noforce::api
