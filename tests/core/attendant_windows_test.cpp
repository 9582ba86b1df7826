#include <winsock2.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/attendant.hpp"
#include "core/hook_process_windows.hpp"
#include "core/socket.hpp"
#include "core/thread_safety.hpp"
#include "core/trusted_program.hpp"
#include "core/windows_error.hpp"
#include "tests/core/journal_samples.hpp"

namespace noforce {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr Milliseconds long_enough{30'000};

// Keeps the answers; a test waits for the one that it asked for.
class Answers final : public AttendantSink {
 public:
  void attended(ControlToken token, Result<void> result) override {
    const MutexLock lock(mutex_);
    EXPECT_TRUE(answers_.emplace(token, std::move(result)).second) << "answered twice";
    changed_.notify_all();
  }
  Result<void> wait_for(const ControlToken& token) {
    const MonoTime until = std::chrono::steady_clock::now() + long_enough;
    MutexLock lock(mutex_);
    while (!answers_.contains(token)) {
      if (!changed_.wait_until(lock, until)) return fail(ErrorKind::internal, "no answer came");
    }
    return answers_.at(token);
  }

 private:
  Mutex mutex_;
  Condition changed_;
  std::map<ControlToken, Result<void>> answers_ NOFORCE_GUARDED_BY(mutex_);
};

std::string contents(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

std::string wait_for_contents(const std::string& path) {
  for (int n = 0; n < 1000 && contents(path).empty(); ++n)
    std::this_thread::sleep_for(Milliseconds{10});
  return contents(path);
}

class AHook : public testing::Test {
 protected:
  static std::string puppet() { return NOFORCE_HOOK_PUPPET; }

  ControlToken start(const HookCommand& command, Milliseconds timeout = long_enough) {
    const ControlToken token{.job = "01JOB", .step = ++step_, .attempt = 1};
    attendant_->run_hook(token, "w3svc", command, timeout);
    return token;
  }
  Result<void> run(const HookCommand& command, Milliseconds timeout = long_enough) {
    return answers_.wait_for(start(command, timeout));
  }
  Error failure(const HookCommand& command, Milliseconds timeout = long_enough) {
    const auto result = run(command, timeout);
    EXPECT_FALSE(result);
    return result ? Error{} : result.error();
  }

  test::TemporaryDirectory directory_;
  Answers answers_;
  std::unique_ptr<Attendant> attendant_ = make_attendant(answers_, {});
  std::uint32_t step_ = 0;
};

TEST_F(AHook, SucceedsWithExitStatusZero) {
  const auto result = run({puppet(), "say", "fine", "0"});
  EXPECT_TRUE(result) << result.error().detail;
}

TEST_F(AHook, FailsWithItsExitStatusAndLastLine) {
  const Error error = failure({puppet(), "say", "it went wrong", "3"});
  EXPECT_EQ(error.kind, ErrorKind::hook_failed);
  EXPECT_EQ(error.service, "w3svc");
  EXPECT_EQ(error.native_code, 3);
  EXPECT_THAT(error.detail, HasSubstr("exit status 3: it went wrong"));
}

TEST_F(AHook, GetsItsArgumentsAsTheyStandInTheSettings) {
  const Error error = failure({puppet(), "arguments", "plain", "", "two words", R"(a"quote)",
                               R"(end\)", R"(\\"x y\)", "%PATH%"});
  EXPECT_THAT(error.detail, HasSubstr(R"([plain][][two words][a"quote][end\][\\"x y\][%PATH%])"));
}

TEST_F(AHook, SeesACleanEnvironment) {
  const Error error = failure({puppet(), "variables"});
  for (const char* const name : {"NOFORCE_JOB", "NOFORCE_SERVICE", "PATH", "SystemRoot"})
    EXPECT_THAT(error.detail, HasSubstr(name));
  EXPECT_THAT(error.detail, Not(HasSubstr("NOFORCE_BIN"))) << "the test's own";
}

TEST_F(AHook, IsAskedToEndPastItsLimitAndTheStepFails) {
  const std::string file = directory_.file("obeyed");
  const Error error = failure({puppet(), "obey", file}, Milliseconds{1500});
  EXPECT_EQ(error.kind, ErrorKind::hook_failed);
  EXPECT_THAT(error.detail, HasSubstr("ran for longer than 1500 ms"));
  // Wine attaches to another's console and refuses to send there; Windows documents both.
  if (error.detail.find("could not be asked") != std::string::npos) GTEST_SKIP() << error.detail;
  EXPECT_EQ(wait_for_contents(file), "done") << "it got no Ctrl-Break";
}

TEST_F(AHook, ThatDoesNotListenIsLeftToEndByItself) {
  const std::string file = directory_.file("late");
  const Error error = failure({puppet(), "ignore", "2500", file}, Milliseconds{300});
  EXPECT_THAT(error.detail, HasSubstr("is left to end by itself"));
  EXPECT_EQ(contents(file), "");
  EXPECT_EQ(wait_for_contents(file), "done") << "it was ended";
}

TEST_F(AHook, OutlivesTheAttendant) {
  const std::string file = directory_.file("outlived");
  (void)start({puppet(), "ignore", "1500", file});
  std::this_thread::sleep_for(Milliseconds{700});  // it has begun by then
  attendant_->stop();
  EXPECT_EQ(wait_for_contents(file), "done");
}

TEST_F(AHook, IsNoBatchFileAndNoRelativePath) {
  const std::string batch = directory_.file("hook.cmd");
  std::ofstream(batch) << "@echo off\n";
  EXPECT_THAT(failure({batch}).detail, HasSubstr("is no .exe"));
  EXPECT_THAT(failure({"hook.exe"}).detail, HasSubstr("no absolute path"));
  EXPECT_THAT(failure({R"(\\server\share\hook.exe)"}).detail, HasSubstr("no absolute path"));
  EXPECT_EQ(failure({directory_.file("missing.exe")}).native_name, "ERROR_FILE_NOT_FOUND");
}

TEST(ACommandLine, QuotesWhatNeedsIt) {
  EXPECT_EQ(to_utf8(command_line_of({R"(C:\a b\x.exe)", "plain", ""})),
            R"("C:\a b\x.exe" plain "")");
  EXPECT_EQ(to_utf8(command_line_of({"x", R"(say "hi")", R"(tail \)"})),
            R"(x "say \"hi\"" "tail \\")");
}

TEST(AProbe, SeesThatSomebodyListens) {
  start_sockets();
  const Socket listener(static_cast<int>(::socket(AF_INET, SOCK_STREAM, 0)));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  int length = sizeof address;
  const auto socket = static_cast<SOCKET>(listener.get());
  ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(socket, 1), 0);
  ASSERT_EQ(::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length), 0);
  Answers answers;
  const auto attendant = make_attendant(answers, {});
  const ControlToken token{.job = "01JOB", .step = 1, .attempt = 1};
  const std::string target = "127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  attendant->probe(token, "w3svc", {.http = {}, .tcp = target}, Milliseconds{10'000});
  EXPECT_TRUE(answers.wait_for(token));
}

// By the refusal itself, and not because the time is over.
TEST(AProbe, SaysWhyNobodyAnswers) {
  Answers answers;
  const auto attendant = make_attendant(answers, {});
  const ControlToken token{.job = "01JOB", .step = 1, .attempt = 1};
  attendant->probe(token, "w3svc", {.http = {}, .tcp = "127.0.0.1:1"}, Milliseconds{10'000});
  const auto result = answers.wait_for(token);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::verify_failed);
  EXPECT_EQ(result.error().native_name, "WSAECONNREFUSED") << result.error().detail;
}

}  // namespace
}  // namespace noforce
