#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/files.hpp"
#include "agent/lock.hpp"
#include "core/windows_security.hpp"
#include "tests/agent/temporary_directory.hpp"
#include "tests/support/windows_rights.hpp"

namespace noforce::agent {
namespace {

using test::content_of;
using test::TemporaryDirectory;
using ::testing::HasSubstr;

std::size_t files_in(const std::string& path) {
  std::size_t n = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path))
    n += entry.exists() ? 1 : 0;
  return n;
}

TEST(ANewFile, IsWrittenOnceAndNeverOverAnother) {
  const TemporaryDirectory dir;
  const std::string path = dir / "secret";
  ASSERT_TRUE(write_new_file(path, "one\n", 0600));
  EXPECT_EQ(read_small_file(path).value_or(""), "one\n") << "no line end is changed";
  EXPECT_EQ(write_new_file(path, "two", 0600).error().kind, ErrorKind::already_done);
  EXPECT_EQ(content_of(path), "one\n");
  EXPECT_EQ(files_in(dir.path()), 1U);
}

TEST(ASecret, IsForNobodyElse) {
  const TemporaryDirectory dir;
  const std::string path = dir / "secret";
  ASSERT_TRUE(write_new_file(path, "one", 0600));
  const auto rights = rights_of_others(path);
  ASSERT_TRUE(rights) << rights.error().detail;
  EXPECT_FALSE(rights->may_read || rights->may_change) << rights->who;
  EXPECT_TRUE(is_trusted_sid(rights->owner)) << account_name(rights->owner);
  EXPECT_EQ(why_not_secret(path), "");
}

TEST(AFile, IsReplacedAsAWhole) {
  const TemporaryDirectory dir;
  const std::string path = dir / "file";
  ASSERT_TRUE(replace_file(path, "one", 0600));
  ASSERT_TRUE(replace_file(path, std::string(100'000, 'x'), 0600));
  EXPECT_EQ(read_small_file(path, 200'000).value_or("").size(), 100'000U);
  EXPECT_EQ(read_small_file(path, 1000).error().kind, ErrorKind::too_large);
  EXPECT_EQ(files_in(dir.path()), 1U);
}

TEST(AFile, ThatIsMissingIsNotFound) {
  const TemporaryDirectory dir;
  const auto missing = read_small_file(dir / "none");
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::not_found);
  EXPECT_EQ(missing.error().native_name, "ERROR_FILE_NOT_FOUND");
  EXPECT_THAT(missing.error().detail, HasSubstr("none"));
}

TEST(APrivateDirectory, IsMadeOnceAndForNobodyElse) {
  const TemporaryDirectory dir;
  const std::string path = dir / "state";
  const auto made = prepare_private_directory(path);
  ASSERT_TRUE(made) << made.error().detail;
  const auto rights = rights_of_others(path);
  ASSERT_TRUE(rights);
  EXPECT_FALSE(rights->may_read || rights->may_add || rights->may_change) << rights->who;
  const auto again = prepare_private_directory(path);
  EXPECT_TRUE(again) << again.error().detail;
}

// Or it would be handed what C:\\ hands on, which is that everybody may write.
TEST(APrivateDirectory, BelowOthersThatAreMissingHasThoseForNobodyElse) {
  const TemporaryDirectory dir;
  const auto made = prepare_private_directory(dir / "a\\b\\state");
  ASSERT_TRUE(made) << made.error().detail;
  for (const char* const name : {"a", "a\\b", "a\\b\\state"}) {
    const auto rights = rights_of_others(dir / name);
    ASSERT_TRUE(rights) << rights.error().detail;
    EXPECT_FALSE(rights->may_read || rights->may_add || rights->may_change)
        << name << ": " << rights->who;
  }
  EXPECT_TRUE(prepare_private_directory(dir / "a\\b\\state"));
}

TEST(APrivateDirectory, IsRefusedBelowOneThatOthersMayWriteAlsoWhereItIsNew) {
  const TemporaryDirectory dir;
  std::filesystem::create_directory(dir / "open");
  ASSERT_TRUE(noforce::test::open_to_everybody(dir / "open"));
  const auto made = prepare_private_directory(dir / "open\\a\\state");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, ErrorKind::access_denied);
}

TEST(APrivateDirectory, IsRefusedWhereOthersMayEnterOrItIsNone) {
  const TemporaryDirectory dir;
  std::filesystem::create_directory(dir / "open");
  ASSERT_TRUE(noforce::test::open_to_everybody(dir / "open"));
  const auto open = prepare_private_directory(dir / "open");
  ASSERT_FALSE(open);
  EXPECT_EQ(open.error().kind, ErrorKind::access_denied);
  const auto file = prepare_private_directory(dir.write("file", "x"));
  ASSERT_FALSE(file);
  EXPECT_EQ(file.error().kind, ErrorKind::access_denied);
}

TEST(ALog, IsAppendedToAndRefusedWithASecondName) {
  const TemporaryDirectory dir;
  for (const char* const line : {"one\n", "two\n"}) {
    const auto log = open_log_safely(dir / "log");
    ASSERT_TRUE(log) << log.error().detail;
    ASSERT_GE(std::fputs(line, log->get()), 0);
  }
  EXPECT_EQ(read_small_file(dir / "log").value_or(""), "one\ntwo\n");
  std::filesystem::create_hard_link(dir / "log", dir / "second");
  const auto log = open_log_safely(dir / "log");
  ASSERT_FALSE(log);
  EXPECT_THAT(log.error().detail, HasSubstr("second name"));
}

TEST(TheLock, IsHeldByOneAndNamesTheHolder) {
  const TemporaryDirectory dir;
  {
    const auto first = Lock::take(dir / "agent.lock");
    ASSERT_TRUE(first) << first.error().detail;
    const auto second = Lock::take(dir / "agent.lock");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::busy);
    EXPECT_THAT(second.error().detail, HasSubstr("(pid "));
  }
  EXPECT_TRUE(Lock::take(dir / "agent.lock")) << "it was let go";
}

}  // namespace
}  // namespace noforce::agent
