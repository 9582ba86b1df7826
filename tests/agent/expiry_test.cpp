#include "agent/expiry.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace noforce::agent {
namespace {

using std::chrono::days;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

const WallTime now = *from_rfc3339("2026-11-24T00:00:00Z");
const Principal viewer{.name = "token:ci", .role = Role::viewer};
const Principal admin{.name = "token:boss", .role = Role::admin};

TokenRecord token(const std::string& name, days left, days life = days(90)) {
  return {.name = name, .created_at = now + left - life, .expires_at = now + left};
}

TEST(WhatEndsSoon, IsSaidOfCertificatesToEverybody) {
  EXPECT_THAT(ends_soon({.server = now + days(21), .client_ca = now + days(21)}, viewer, now),
              IsEmpty());
  EXPECT_THAT(ends_soon({.server = now + days(20), .client_ca = now - days(1)}, viewer, now),
              ElementsAre(HasSubstr("the server's certificate ends at 2026-12-14T00:00:00.000Z: "
                                    "`noforce cert renew`"),
                          HasSubstr("CRL beside it, ended at 2026-11-23")));
  EXPECT_THAT(ends_soon({.server = now, .server_is_ours = false}, viewer, now),
              ElementsAre(HasSubstr("renew it where it comes from")));
}

TEST(WhatEndsSoon, IsSaidOfTokensToTheirOwnersAndAdmins) {
  const Expiries all{.tokens = {token("ci", days(6)), token("other", days(1)),
                                token("late", days(8)), token("gone", days(-1))}};
  EXPECT_THAT(ends_soon(all, viewer, now),
              ElementsAre(HasSubstr("the token 'ci' ends at 2026-11-30")));
  EXPECT_THAT(ends_soon(all, admin, now), ElementsAre(HasSubstr("'ci'"), HasSubstr("'other'")));
}

TEST(WhatEndsSoon, IsSaidOfTheCertificateThatTheCallerHasShown) {
  const auto shown = [](days left, days life) {
    return ends_soon({}, {.name = "cert:dns:ci", .certificate = {{now + left - life, now + left}}},
                     now);
  };
  EXPECT_THAT(shown(days(20), days(90)),
              ElementsAre(HasSubstr("of 'cert:dns:ci' that was shown ends at 2026-12-14")));
  EXPECT_THAT(shown(days(22), days(90)), IsEmpty());
  EXPECT_THAT(shown(days(1), days(2)), IsEmpty()) << "it is meant to end";
}

TEST(WhatEndsSoon, IsNotSaidOfWhatIsMeantToEnd) {
  TokenRecord revoked = token("revoked", days(2));
  revoked.revoked_at = now;
  TokenRecord for_ever = token("for-ever", days(2));
  for_ever.expires_at.reset();
  EXPECT_THAT(
      ends_soon({.tokens = {token("short", days(2), days(3)), revoked, for_ever}}, admin, now),
      IsEmpty());
}

}  // namespace
}  // namespace noforce::agent
