#include "core/clients.hpp"

#include <gtest/gtest.h>

namespace noforce {
namespace {

std::string spelled(std::string_view text) {
  return client_name(text).value_or("none");
}

TEST(AClientsName, HasOneSpelling) {
  EXPECT_EQ(spelled("dns:ci.example.org"), "dns:ci.example.org");
  EXPECT_EQ(spelled("DNS:CI.Example.ORG."), "dns:ci.example.org");
  EXPECT_EQ(spelled("email:Anna.B@Example.org"), "email:Anna.B@example.org");
  EXPECT_EQ(spelled("uri:SPIFFE://Example.org/Ns/A"), "uri:spiffe://example.org/Ns/A");
  EXPECT_EQ(spelled("uri:https://Bob@Host?Q"), "uri:https://Bob@host?Q");
  EXPECT_EQ(spelled("uri:urn:Isbn:0"), "uri:urn:Isbn:0");
  EXPECT_EQ(spelled("ip:192.0.2.7"), "ip:192.0.2.7");
  EXPECT_EQ(spelled("ip:2001:0DB8::0:1"), "ip:2001:db8::1");
}

TEST(AClientsName, IsOneNameAndNothingElse) {
  for (const std::string_view none : {"",
                                      "dns",
                                      "dns:",
                                      "ci.example.org",
                                      "cn:ci",
                                      "dns:*.example.org",
                                      "dns:*",
                                      "uri:spiffe://*.example.org/ci",
                                      "dns:a..b",
                                      "dns:.a",
                                      "dns:a b",
                                      "dns:a\n",
                                      "dns:\xC3\xA4",
                                      "dns:a/b",
                                      "email:",
                                      "email:@b",
                                      "email:a@",
                                      "email:a b@c",
                                      "uri:",
                                      "uri:x",
                                      "uri:://h",
                                      "uri:1x:y",
                                      "ip:",
                                      "ip:192.0.2.0/24",
                                      "ip:192.0.2",
                                      "ip:[::1]",
                                      "ip:::1%eth0"})
    EXPECT_EQ(spelled(none), "none") << none;
  EXPECT_EQ(spelled(std::string_view("dns:a\0.b", 8)), "none") << "what follows a NUL counts";
  EXPECT_EQ(spelled("dns:" + std::string(64, 'a')), "none");
  EXPECT_EQ(spelled("uri:x:" + std::string(longest_client_name, 'a')), "none");
}

const std::vector<Client> clients{
    {.san = "dns:ci", .role = Role::operator_, .services = {"w3*"}, .actions = {"restart"}},
    {.san = "dns:ci2", .role = Role::operator_, .services = {"w3*"}, .actions = {"restart"}},
    {.san = "email:anna@b", .role = Role::viewer},
};

TEST(TheListedClients, SayWhoCarriesAName) {
  const auto found = principal_among(clients, {"dns:other", "dns:ci"});
  ASSERT_TRUE(found) << found.error().detail;
  EXPECT_EQ(found->name, "cert:dns:ci");
  EXPECT_EQ(found->role, Role::operator_);
  EXPECT_EQ(found->services, std::vector<std::string>{"w3*"});
  EXPECT_EQ(found->actions, std::vector<std::string>{"restart"});
  const auto second = principal_among(clients, {"dns:ci2", "dns:ci"});
  ASSERT_TRUE(second);
  EXPECT_EQ(second->name, "cert:dns:ci") << "two that may do the same: the first of the settings";
}

TEST(TheListedClients, SayWhyACertificateIsNobodys) {
  const auto unlisted = principal_among(clients, {"dns:cd", "uri:a:b"});
  ASSERT_FALSE(unlisted);
  EXPECT_EQ(unlisted.error().kind, ErrorKind::unauthorized);
  EXPECT_NE(unlisted.error().detail.find("dns:cd, uri:a:b"), std::string::npos);
  const auto torn = principal_among(clients, {"email:anna@b", "dns:ci"});
  ASSERT_FALSE(torn);
  EXPECT_NE(torn.error().detail.find("dns:ci and email:anna@b"), std::string::npos);
  EXPECT_FALSE(principal_among({}, {"dns:ci"}));
  EXPECT_FALSE(principal_among(clients, {}));
}

}  // namespace
}  // namespace noforce
