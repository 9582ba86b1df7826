#include "agent/files.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/lock.hpp"
#include "tests/agent/temporary_directory.hpp"

namespace noforce::agent {
namespace {

using test::content_of;
using test::TemporaryDirectory;
using ::testing::HasSubstr;

unsigned mode_of(const std::string& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777U;
}

std::size_t files_in(const std::string& path) {
  std::size_t n = 0;
  for (const auto& entry : std::filesystem::directory_iterator(path))
    n += entry.exists() ? 1 : 0;
  return n;
}

TEST(ANewFile, IsWrittenWithItsModeAndNeverOverAnother) {
  const TemporaryDirectory dir;
  const std::string path = dir / "secret";
  ASSERT_TRUE(write_new_file(path, "one", 0600));
  EXPECT_EQ(mode_of(path), 0600U);

  const auto again = write_new_file(path, "two", 0600);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().kind, ErrorKind::already_done);
  EXPECT_EQ(content_of(path), "one");
  EXPECT_EQ(files_in(dir.path()), 1U) << "something was left beside it";
}

TEST(AReplacedFile, HasTheNewContentAndMode) {
  const TemporaryDirectory dir;
  const std::string path = dir / "file";
  ASSERT_TRUE(write_new_file(path, "one", 0600));
  ASSERT_TRUE(replace_file(path, "two", 0644));
  EXPECT_EQ(content_of(path), "two");
  EXPECT_EQ(mode_of(path), 0644U);
  EXPECT_EQ(files_in(dir.path()), 1U);
}

TEST(AFile, InADirectoryThatIsMissingSaysSo) {
  const auto written = write_new_file("/no/such/directory/file", "x", 0600);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().kind, ErrorKind::not_found);
  EXPECT_EQ(written.error().native_name, "ENOENT");
}

TEST(ReadingASmallFile, RefusesWhatIsMissingLargeOrNoFile) {
  const TemporaryDirectory dir;
  EXPECT_EQ(read_small_file(dir / "none").error().kind, ErrorKind::not_found);
  EXPECT_EQ(read_small_file(dir.path()).error().kind, ErrorKind::malformed);
  const std::string path = dir.write("file", std::string(100, 'x'));
  EXPECT_EQ(read_small_file(path, 99).error().kind, ErrorKind::too_large);
  EXPECT_EQ(read_small_file(path, 100)->size(), 100U);
}

TEST(ReadingASmallFile, DoesNotWaitForAPipe) {
  const TemporaryDirectory dir;
  ASSERT_EQ(::mkfifo((dir / "pipe").c_str(), 0600), 0);
  EXPECT_EQ(read_small_file(dir / "pipe").error().kind, ErrorKind::malformed);
}

TEST(APrivateDirectory, IsMadeWithThoseAboveIt) {
  const TemporaryDirectory dir;
  ASSERT_TRUE(prepare_private_directory(dir / "a/b/state"));
  EXPECT_EQ(mode_of(dir / "a/b/state"), 0700U);
  EXPECT_EQ(mode_of(dir / "a/b"), 0755U);
  EXPECT_TRUE(prepare_private_directory(dir / "a/b/state")) << "the second time";
}

TEST(APrivateDirectory, ThatOthersMayEnterIsRefused) {
  const TemporaryDirectory dir;
  ASSERT_EQ(::mkdir((dir / "open").c_str(), 0700), 0);
  ASSERT_EQ(::chmod((dir / "open").c_str(), 0750), 0);
  const auto open = prepare_private_directory(dir / "open");
  ASSERT_FALSE(open);
  EXPECT_THAT(open.error().detail, HasSubstr("chmod 700"));
}

TEST(APrivateDirectory, ThatIsAFileIsRefused) {
  const TemporaryDirectory dir;
  const auto file = prepare_private_directory(dir.write("file", ""));
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().detail, HasSubstr("is no directory"));
}

TEST(TheLock, IsHeldByOneAndNamesItsHolder) {
  const TemporaryDirectory dir;
  {
    const auto first = Lock::take(dir / "agent.lock");
    ASSERT_TRUE(first);
    const auto second = Lock::take(dir / "agent.lock");
    ASSERT_FALSE(second);
    EXPECT_EQ(second.error().kind, ErrorKind::busy);
    EXPECT_THAT(second.error().detail, HasSubstr("pid " + std::to_string(::getpid())));
  }
  EXPECT_TRUE(Lock::take(dir / "agent.lock")) << "it was let go";
}

TEST(TheLock, IsNotInheritedByPrograms) {
  const TemporaryDirectory dir;
  const auto lock = Lock::take(dir / "agent.lock");
  ASSERT_TRUE(lock);
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    if (std::filesystem::read_symlink(entry, error) != dir / "agent.lock") continue;
    const int fd = std::stoi(entry.path().filename().string());
    EXPECT_NE(::fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
  }
}

}  // namespace
}  // namespace noforce::agent
