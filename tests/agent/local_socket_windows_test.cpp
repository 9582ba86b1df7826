#include <windows.h>
// After windows.h, which it needs.
#include <sddl.h>

#include <array>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/files.hpp"
#include "agent/local_socket.hpp"
#include "agent/process.hpp"
#include "core/windows_error.hpp"
#include "core/windows_handle.hpp"
#include "tests/agent/temporary_directory.hpp"

namespace noforce::agent {
namespace {

using test::TemporaryDirectory;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::unique_ptr<LocalSocket> listen(const std::string& path, LocalHandler handler) {
  auto socket = open_local_socket(path, std::move(handler));
  EXPECT_TRUE(socket) << socket.error().detail;
  return socket ? std::move(*socket) : nullptr;
}

TEST(TheLocalPipe, AnswersEachRequestAndKnowsWhoAsks) {
  const TemporaryDirectory dir;
  const auto listening = listen(dir / "agent.sock", [](const std::string& user, auto request) {
    return user + " said " + std::string(request);
  });
  for (int n = 0; n < 5; ++n) {
    const std::string question = "question " + std::to_string(n);
    const auto answer = ask_local(dir / "agent.sock", question);
    ASSERT_TRUE(answer) << answer.error().detail;
    EXPECT_EQ(*answer, this_user() + " said " + question);
  }
}

TEST(TheLocalPipe, CarriesALongAnswerWhole) {
  const TemporaryDirectory dir;
  const std::string text(1'000'000, 'x');
  const auto listening = listen(dir / "agent.sock", [&text](auto, auto) { return text; });
  const auto answer = ask_local(dir / "agent.sock", "all of it");
  ASSERT_TRUE(answer) << answer.error().detail;
  EXPECT_TRUE(*answer == text) << answer->size();
}

TEST(TheLocalPipe, HasSeveralAskersOneAfterTheOther) {
  const TemporaryDirectory dir;
  const auto listening =
      listen(dir / "agent.sock", [](auto, auto request) { return std::string(request); });
  std::vector<std::thread> askers;
  for (int n = 0; n < 4; ++n) {
    askers.emplace_back([&dir, n] {
      const std::string question(static_cast<std::size_t>(n) + 1, 'q');
      const auto answer = ask_local(dir / "agent.sock", question);
      EXPECT_TRUE(answer && *answer == question);
    });
  }
  for (std::thread& asker : askers)
    asker.join();
}

TEST(TheLocalPipe, IsNotFoundWhereNobodyListens) {
  const TemporaryDirectory dir;
  EXPECT_EQ(ask_local(dir / "agent.sock", "x").error().kind, ErrorKind::not_found);
  // Of an agent that was ended by force.
  ASSERT_TRUE(write_new_file(dir / "agent.sock", "\\\\.\\pipe\\noforce-gone\n", 0600));
  EXPECT_EQ(ask_local(dir / "agent.sock", "x").error().kind, ErrorKind::not_found);
  // Nobody else's pipe is spoken to, whoever wrote the file.
  ASSERT_TRUE(replace_file(dir / "agent.sock", "\\\\.\\pipe\\something\n", 0600));
  EXPECT_EQ(ask_local(dir / "agent.sock", "x").error().kind, ErrorKind::not_found);
}

// Whoever lists the pipes finds the name of an agent that was ended by force, and may take it.
TEST(TheLocalPipe, IsNotSpokenToWhereItBelongsToSomebodyElse) {
  const TemporaryDirectory dir;
  const std::string name = R"(\\.\pipe\noforce-)" + std::to_string(::GetCurrentProcessId());
  void* everybodys = nullptr;
  ASSERT_NE(::ConvertStringSecurityDescriptorToSecurityDescriptorW(
                L"O:WDD:(A;;GA;;;WD)", SDDL_REVISION_1, &everybodys, nullptr),
            0);
  SECURITY_ATTRIBUTES attributes{.nLength = sizeof(SECURITY_ATTRIBUTES),
                                 .lpSecurityDescriptor = everybodys,
                                 .bInheritHandle = FALSE};
  const WindowsHandle pipe(::CreateNamedPipeW(to_wide(name).c_str(), PIPE_ACCESS_DUPLEX,
                                              PIPE_TYPE_BYTE | PIPE_NOWAIT, 1, 4096, 4096, 0,
                                              &attributes));
  ::LocalFree(everybodys);
  ASSERT_TRUE(pipe);
  ASSERT_TRUE(write_new_file(dir / "agent.sock", name + "\n", 0600));
  const auto answer = ask_local(dir / "agent.sock", "a secret");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::forbidden);
  EXPECT_THAT(answer.error().detail, HasSubstr("not to an agent"));
  std::array<char, 100> heard{};
  DWORD size = 0;
  ::ReadFile(pipe.get(), heard.data(), heard.size(), &size, nullptr);
  EXPECT_EQ(size, 0U) << "nothing was said to it";
}

TEST(TheLocalPipe, HasANameThatIsDrawnAnewAndGoesAway) {
  const TemporaryDirectory dir;
  std::string first;
  {
    const auto listening = listen(dir / "agent.sock", [](auto, auto) { return "x"; });
    first = test::content_of(dir / "agent.sock");
    EXPECT_THAT(first, StartsWith(R"(\\.\pipe\noforce-)"));
  }
  EXPECT_FALSE(exists(dir / "agent.sock"));
  const auto listening = listen(dir / "agent.sock", [](auto, auto) { return "x"; });
  EXPECT_NE(test::content_of(dir / "agent.sock"), first);
}

TEST(TheLocalPipe, EndsWhileSomebodySaysNothing) {
  const TemporaryDirectory dir;
  auto listening = listen(dir / "agent.sock", [](auto, auto) { return "x"; });
  const std::string content = test::content_of(dir / "agent.sock");
  const std::string name = content.substr(0, content.find('\n'));
  const WindowsHandle silent(::CreateFileW(to_wide(name).c_str(), GENERIC_READ | GENERIC_WRITE, 0,
                                           nullptr, OPEN_EXISTING, 0, nullptr));
  ASSERT_TRUE(silent);
  std::this_thread::sleep_for(Milliseconds(200));
  const MonoTime begun = system_clock().mono();
  listening.reset();
  EXPECT_LT(system_clock().mono() - begun, Seconds(3));
}

}  // namespace
}  // namespace noforce::agent
