#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/journal.hpp"
#include "core/journal_backup.hpp"
#include "core/journal_reserve.hpp"
#include "core/windows_security.hpp"
#include "tests/core/journal_samples.hpp"
#include "tests/support/windows_rights.hpp"

namespace noforce {
namespace {

using ::testing::HasSubstr;

class TheJournalOnWindows : public testing::Test {
 protected:
  std::unique_ptr<Journal> open() {
    auto opened = Journal::open(path_);
    EXPECT_TRUE(opened) << opened.error().detail;
    return opened ? std::move(*opened) : nullptr;
  }
  std::string refusal() {
    const auto opened = Journal::open(path_);
    EXPECT_FALSE(opened);
    return opened ? "" : opened.error().detail;
  }

  test::TemporaryDirectory directory_;
  std::string path_ = directory_.file("noforce.db");
};

TEST_F(TheJournalOnWindows, KeepsWhatItWasGivenAndIsForNobodyElse) {
  ASSERT_TRUE(open()->add_token({.name = "ci", .hash = std::string(64, 'a')}, {}));
  const auto tokens = open()->tokens();
  ASSERT_TRUE(tokens) << tokens.error().detail;
  ASSERT_EQ(tokens->size(), 1U);
  EXPECT_EQ(tokens->front().name, "ci");
  const auto rights = rights_of_others(path_);
  ASSERT_TRUE(rights) << rights.error().detail;
  EXPECT_FALSE(rights->may_read || rights->may_change) << rights->who;
}

TEST_F(TheJournalOnWindows, IsClosedToOthersWhereItWasOpen) {
  open().reset();
  ASSERT_TRUE(test::open_to_everybody(path_));
  ASSERT_TRUE(rights_of_others(path_)->may_read);
  open().reset();
  EXPECT_FALSE(rights_of_others(path_)->may_read);
}

TEST_F(TheJournalOnWindows, IsRefusedWhereItIsNoFileOfItsOwn) {
  std::filesystem::create_directory(path_);
  EXPECT_THAT(refusal(), HasSubstr("is no regular file"));
  std::filesystem::remove(path_);
  open().reset();
  std::filesystem::create_hard_link(path_, directory_.file("second.db"));
  EXPECT_THAT(refusal(), HasSubstr("has a second name"));
}

TEST_F(TheJournalOnWindows, IsNotBegunAnewWhereItWasCutOffOrIsGone) {
  open().reset();
  std::filesystem::resize_file(path_, 0);
  EXPECT_THAT(refusal(), HasSubstr("is empty, and was not when it was last used"));
  std::filesystem::remove(path_);
  std::ofstream(path_ + "-wal") << std::string(5000, 'x');
  EXPECT_THAT(refusal(), HasSubstr("is gone, and its log"));
  path_ = directory_.file("no\\such\\noforce.db");
  EXPECT_THAT(refusal(), HasSubstr("its directory is not there"));
}

TEST_F(TheJournalOnWindows, IsCopiedWhileItIsOpenAndNothingIsOverwritten) {
  const auto journal = open();
  ASSERT_TRUE(journal->add_token({.name = "ci", .hash = std::string(64, 'a')}, {}));
  const std::string copy = directory_.file("copy.db");
  const auto copied = copy_journal(path_, copy);
  ASSERT_TRUE(copied) << copied.error().detail;
  EXPECT_FALSE(std::filesystem::exists(copy + ".part"));
  EXPECT_EQ(copy_journal(path_, copy).error().kind, ErrorKind::already_done);
  EXPECT_EQ(copy_journal(directory_.file("none.db"), directory_.file("other.db")).error().kind,
            ErrorKind::not_found);
  const auto restored = Journal::open(copy);
  ASSERT_TRUE(restored) << restored.error().detail;
  EXPECT_EQ((*restored)->tokens()->size(), 1U);
}

TEST_F(TheJournalOnWindows, KeepsSpaceForAFullDiskAndGivesItInPortions) {
  JournalReserve reserve(path_);
  EXPECT_FALSE(reserve.release()) << "there is none yet";
  ASSERT_TRUE(reserve.fill());
  const auto whole = std::filesystem::file_size(JournalReserve::path_of(path_));
  EXPECT_EQ(whole, 8U << 20U);
  ASSERT_TRUE(reserve.release());
  EXPECT_EQ(std::filesystem::file_size(JournalReserve::path_of(path_)), whole - (1U << 20U));
  EXPECT_EQ(reserve.wanted_mib(), 2U);
}

}  // namespace
}  // namespace noforce
