#include "agent/local_socket.hpp"

#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/files.hpp"
#include "agent/process.hpp"
#include "core/fd.hpp"
#include "tests/agent/temporary_directory.hpp"

namespace noforce::agent {
namespace {

using test::TemporaryDirectory;
using ::testing::HasSubstr;

std::unique_ptr<LocalSocket> echo(const std::string& path) {
  auto socket = open_local_socket(path, [](const std::string& user, std::string_view request) {
    return user + " said " + std::string(request);
  });
  EXPECT_TRUE(socket) << socket.error().detail;
  return socket ? std::move(*socket) : nullptr;
}

Fd connected(const std::string& path) {
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  ::memcpy(address.sun_path, path.data(), path.size());
  const auto* generic = reinterpret_cast<const sockaddr*>(&address);
  EXPECT_EQ(::connect(fd.get(), generic, sizeof(address)), 0);
  return fd;
}

TEST(TheLocalSocket, AnswersALineAndKnowsWhoSpeaks) {
  const TemporaryDirectory dir;
  const auto socket = echo(dir / "s");
  const auto answer = ask_local(dir / "s", "hello");
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_EQ(*answer, this_user() + " said hello");
}

TEST(TheLocalSocket, IsForItsOwnerAlone) {
  const TemporaryDirectory dir;
  const auto socket = echo(dir / "s");
  struct stat status{};
  ASSERT_EQ(::stat((dir / "s").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST(TheLocalSocket, ServesManyOneAfterTheOther) {
  const TemporaryDirectory dir;
  const auto socket = echo(dir / "s");
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([&dir, i] {
      for (int j = 0; j < 20; ++j) {
        const std::string line = std::to_string(i * 100 + j);
        EXPECT_EQ(ask_local(dir / "s", line), this_user() + " said " + line);
      }
    });
  }
  for (std::thread& client : clients)
    client.join();
}

TEST(TheLocalSocket, CarriesAnAnswerOfAMegabyte) {
  const TemporaryDirectory dir;
  const std::string large(1U << 20U, 'x');
  const auto socket =
      open_local_socket(dir / "s", [&](const std::string&, std::string_view) { return large; });
  ASSERT_TRUE(socket);
  EXPECT_EQ(ask_local(dir / "s", "?"), large);
}

TEST(TheLocalSocket, RefusesALineWithoutEnd) {
  const TemporaryDirectory dir;
  const auto socket = echo(dir / "s");
  EXPECT_FALSE(ask_local(dir / "s", std::string(2 * longest_request, 'x')));
  EXPECT_TRUE(ask_local(dir / "s", "the next one is served"));
}

TEST(TheLocalSocket, GoesOnWhenAClientLeaves) {
  const TemporaryDirectory dir;
  const auto socket = echo(dir / "s");
  {
    const Fd fd = connected(dir / "s");
    ASSERT_EQ(::send(fd.get(), "half", 4, MSG_NOSIGNAL), 4);
  }
  EXPECT_TRUE(ask_local(dir / "s", "the next one is served"));
}

TEST(TheLocalSocket, ClosesAtOnceAlsoWhileAClientIsSilent) {
  const TemporaryDirectory dir;
  auto socket = echo(dir / "s");
  const Fd silent = connected(dir / "s");
  const MonoTime begun = system_clock().mono();
  socket.reset();
  EXPECT_LT(system_clock().mono() - begun, local_patience / 2);
  EXPECT_FALSE(exists(dir / "s"));
}

TEST(TheLocalSocket, TakesThePlaceOfOneThatWasLeft) {
  const TemporaryDirectory dir;
  {
    const Fd left(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = dir / "s";
    ::memcpy(address.sun_path, path.data(), path.size());
    const auto* generic = reinterpret_cast<const sockaddr*>(&address);
    ASSERT_EQ(::bind(left.get(), generic, sizeof(address)), 0);
  }
  EXPECT_EQ(ask_local(dir / "s", "?").error().kind, ErrorKind::not_found) << "nobody listens";
  const auto socket = echo(dir / "s");
  EXPECT_TRUE(ask_local(dir / "s", "hello"));
}

TEST(ALocalSocket, WithTooLongAPathSaysWhatToChange) {
  const auto socket = open_local_socket("/" + std::string(200, 'x'), {});
  ASSERT_FALSE(socket);
  EXPECT_THAT(socket.error().detail, HasSubstr("shorter state_dir"));
}

TEST(AskingNobody, IsNotFound) {
  const TemporaryDirectory dir;
  EXPECT_EQ(ask_local(dir / "s", "?").error().kind, ErrorKind::not_found);
}

}  // namespace
}  // namespace noforce::agent
