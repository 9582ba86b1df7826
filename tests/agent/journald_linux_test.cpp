// The log as journald keeps it, before a real datagram socket that stands for journald's.
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/journald.hpp"
#include "core/fd.hpp"
#include "tests/agent/temporary_directory.hpp"

namespace noforce::agent {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class AJournal : public ::testing::Test {
 protected:
  void listen() {
    fd_ = Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path().copy(address.sun_path, sizeof(address.sun_path) - 1);
    ASSERT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  [[nodiscard]] std::string path() const { return dir_ / "socket"; }
  // The next line that has come; empty: none.
  [[nodiscard]] std::string next() const {
    std::string text(65'536, '\0');
    const ssize_t n = ::recv(fd_.get(), text.data(), text.size(), MSG_DONTWAIT);
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
  }

 private:
  test::TemporaryDirectory dir_;
  Fd fd_;
};

TEST_F(AJournal, GetsEachFieldByItsName) {
  listen();
  Journald journald(path());
  EXPECT_TRUE(journald.keep(
      {.level = LogLevel::warning,
       .from = "executor",
       .text = "ends failed",
       .fields = {{.key = "job", .value = "01K"}, {.key = "looked_for", .value = "a b"}}}));
  EXPECT_EQ(next(),
            "MESSAGE=executor: ends failed job=01K looked_for=\"a b\"\n"
            "PRIORITY=4\n"
            "SYSLOG_IDENTIFIER=noforce\n"
            "NOFORCE_FROM=executor\n"
            "NOFORCE_EVENT=ends failed\n"
            "NOFORCE_JOB=01K\n"
            "NOFORCE_LOOKED_FOR=a b\n");
}

TEST_F(AJournal, GetsNoFieldThatAValueHasSmuggledIn) {
  listen();
  Journald journald(path());
  EXPECT_TRUE(journald.keep({.from = "agent",
                             .text = "x\nPRIORITY=0",
                             .fields = {{.key = "why", .value = "y\n_UID=0\n"}}}));
  const std::string said = next();
  EXPECT_THAT(said, HasSubstr("NOFORCE_WHY=y\\u000a_UID=0\\u000a\n"));
  EXPECT_THAT(said, Not(HasSubstr("\nPRIORITY=0")));
  EXPECT_THAT(said, Not(HasSubstr("\n_UID=0")));
}

TEST_F(AJournal, ThatIsStuckHoldsNobodyUpAndHearsLaterHowManyLinesItMissed) {
  listen();
  Journald journald(path());
  int taken = 0;
  constexpr int far_too_many = 2'000;
  for (int i = 0; i < far_too_many; ++i)
    EXPECT_TRUE(journald.keep({.from = "agent", .text = "line", .fields = {}}));
  while (!next().empty())
    ++taken;
  ASSERT_LT(taken, far_too_many);

  EXPECT_TRUE(journald.keep({.from = "agent", .text = "the next", .fields = {}}));

  EXPECT_THAT(next(), HasSubstr("NOFORCE_LOST=" + std::to_string(far_too_many - taken) + "\n"));
  EXPECT_THAT(next(), StartsWith("MESSAGE=agent: the next\n"));
  EXPECT_EQ(next(), "");
}

TEST_F(AJournal, ThatIsNotThereTakesNothing) {
  Journald journald(path());
  EXPECT_FALSE(journald.keep({.from = "agent", .text = "line", .fields = {}}));
  listen();
  EXPECT_TRUE(journald.keep({.from = "agent", .text = "line", .fields = {}}));
}

TEST_F(AJournal, IsKnownByTheFileThatTheVariableNames) {
  struct stat status{};
  ASSERT_EQ(::fstat(STDERR_FILENO, &status), 0);
  const std::string device = std::to_string(status.st_dev);
  const std::string file = std::to_string(status.st_ino);
  EXPECT_TRUE(leads_to_journald((device + ":" + file).c_str(), STDERR_FILENO));
  EXPECT_FALSE(leads_to_journald((device + ":" + file + "1").c_str(), STDERR_FILENO));
  EXPECT_FALSE(leads_to_journald("", STDERR_FILENO));
  EXPECT_FALSE(leads_to_journald(nullptr, STDERR_FILENO));
}

}  // namespace
}  // namespace noforce::agent
