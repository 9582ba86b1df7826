// Whom a process trusts, judged on descriptors as a real Windows has them: Wine keeps none but modes.
#include "core/windows_security.hpp"

#include <windows.h>
// After windows.h, which it needs.
#include <sddl.h>

#include <gtest/gtest.h>

#include "core/windows_error.hpp"

namespace noforce {
namespace {

constexpr bool one_of_many = false;
const std::string local_system = "S-1-5-18";
const std::string installer = "S-1-5-21-1-2-3-1001";  // the person who runs `init`

std::string trusted_by_installer(bool is_administrator) {
  return user_to_trust(installer, is_administrator, one_of_many);
}

// What the service trusts.
std::string trusted_by_service() {
  return user_to_trust(local_system, true, one_of_many);
}

OthersRights judged(const std::string& text, const std::string& user, bool is_directory = true) {
  void* descriptor = nullptr;
  EXPECT_NE(::ConvertStringSecurityDescriptorToSecurityDescriptorW(
                to_wide(text).c_str(), SDDL_REVISION_1, &descriptor, nullptr),
            0)
      << text;
  OthersRights rights = rights_in(descriptor, is_directory, user);
  ::LocalFree(descriptor);
  return rights;
}

bool is_closed(const OthersRights& rights) {
  return !rights.may_read && !rights.may_add && !rights.may_change;
}

TEST(WhatAnAdministratorMakes, IsForTheServiceAndNobodyElse) {
  const std::string made = private_descriptor(trusted_by_installer(true));
  const OthersRights rights = judged(made, trusted_by_service());
  EXPECT_TRUE(is_closed(rights)) << rights.who;
  EXPECT_TRUE(is_trusted_sid(rights.owner, trusted_by_service())) << rights.owner;
  EXPECT_EQ(made, private_descriptor(trusted_by_service())) << "and the other way round";
}

TEST(WhatAnAdministratorMakes, IsNotForTheirOtherPrograms) {
  EXPECT_EQ(private_descriptor(trusted_by_installer(true)).find(installer), std::string::npos);
}

TEST(WhatAUserMakes, IsForThemAndNotBelievedByTheService) {
  const std::string user = trusted_by_installer(false);
  const std::string made = private_descriptor(user);
  const OthersRights own = judged(made, user);
  EXPECT_TRUE(is_closed(own)) << own.who;
  EXPECT_TRUE(is_trusted_sid(own.owner, user));

  const OthersRights rights = judged(made, trusted_by_service());
  EXPECT_TRUE(rights.may_read && rights.may_add && rights.may_change);
  EXPECT_EQ(rights.who, account_name(installer));
  EXPECT_FALSE(is_trusted_sid(rights.owner, trusted_by_service()));
}

// As below C:\Program Files, and as in a folder that the administrator made for the program elsewhere.
TEST(AnAdministratorWhoInstalls, BelievesAProgramThatOnlyAdministratorsMayReplace) {
  const std::string list = "D:(A;;FA;;;SY)(A;;FA;;;BA)(A;;0x1200a9;;;BU)";
  const std::string user = trusted_by_installer(true);
  EXPECT_FALSE(judged("O:BA" + list, user, false).may_change);
  EXPECT_TRUE(is_trusted_sid(judged("O:BA" + list, user, false).owner, user));
  EXPECT_FALSE(is_trusted_sid(judged("O:" + installer + list, user, false).owner, user));
  const OthersRights own = judged("O:BA" + list + "(A;;FA;;;" + installer + ")", user, false);
  EXPECT_TRUE(own.may_change);
  EXPECT_EQ(own.who, account_name(installer));
}

TEST(AUserOfWine, IsTheAdministratorAndTheServiceToo) {
  EXPECT_EQ(user_to_trust(installer, true, true), installer);
}

TEST(AnAccessControlList, ThatIsMissingLetsEverybodyDoEverything) {
  const OthersRights rights = judged("O:BA", trusted_by_service());
  EXPECT_TRUE(rights.may_read && rights.may_add && rights.may_change);
}

TEST(AnAccessControlList, CountsNoRightThatIsOnlyHandedOn) {
  const OthersRights rights = judged("O:BAD:(A;;FA;;;BA)(A;OICIIO;FA;;;AU)", trusted_by_service());
  EXPECT_TRUE(is_closed(rights)) << rights.who;
}

TEST(AnAccessControlList, MayNameTheOwnerAsTheOwner) {
  const OthersRights rights = judged("O:BAD:(A;;FA;;;BA)(A;;FA;;;OW)", trusted_by_service());
  EXPECT_TRUE(is_closed(rights)) << rights.who;
}

}  // namespace
}  // namespace noforce
