#include "core/attendant.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <map>
#include <sstream>
#include <thread>

#include <gtest/gtest.h>

#include "core/fd.hpp"
#include "core/thread_safety.hpp"
#include "core/trusted_program.hpp"
#include "tests/core/journal_samples.hpp"

namespace noforce {
namespace {

constexpr Milliseconds long_enough{20'000};

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
      if (!changed_.wait_until(lock, until)) {
        return fail(ErrorKind::internal, "no answer came");
      }
    }
    return answers_.at(token);
  }
  std::size_t count() {
    const MutexLock lock(mutex_);
    return answers_.size();
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
  for (int n = 0; n < 1000 && contents(path).empty(); ++n) {
    std::this_thread::sleep_for(Milliseconds{10});
  }
  return contents(path);
}

class AHook : public testing::Test {
 protected:
  std::string script(const std::string& name, const std::string& body) {
    std::string path = directory_.file(name);
    std::ofstream(path) << "#!/bin/sh\n" << body << "\n";
    EXPECT_EQ(::chmod(path.c_str(), 0700), 0);
    return path;
  }
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
  EXPECT_TRUE(run({"/bin/true"}));
  EXPECT_TRUE(run({script("quiet", "exit 0")}));
}

TEST_F(AHook, FailsWithItsExitStatusAndLastLine) {
  const Error error = failure({script("loud", "echo one; echo two >&2; exit 3")});
  EXPECT_EQ(error.kind, ErrorKind::hook_failed);
  EXPECT_EQ(error.service, "w3svc");
  EXPECT_EQ(error.native_code, 3);
  EXPECT_NE(error.detail.find("exit status 3: two"), std::string::npos) << error.detail;
}

TEST_F(AHook, FailsWhenASignalEndedIt) {
  const Error error = failure({script("signalled", "kill -TERM $$")});
  EXPECT_EQ(error.native_code, 128 + SIGTERM);
  EXPECT_NE(error.detail.find("signal 15"), std::string::npos) << error.detail;
}

TEST_F(AHook, HasItsOutputMadeHarmless) {
  const Error error = failure({script("escape", "printf 'bad \\033[2J \\377 text\\n\\n'; exit 1")});
  EXPECT_NE(error.detail.find(": bad \\u001b[2J \xEF\xBF\xBD text"), std::string::npos)
      << error.detail;
}

TEST_F(AHook, RunsInACleanPlace) {
  ::setenv("NOFORCE_SECRET_OF_THE_AGENT", "1", 1);
  const std::string out = directory_.file("out");
  ASSERT_TRUE(
      run({script("place",
                  "{ env | sort; pwd; readlink /proc/self/fd/0; ls /proc/self/fd | wc -l;"
                  " ps -o sid= -p $$ | tr -d ' ' | grep -qx $$ && echo own session; } > \"$1\""),
           out}));
  const std::string text = contents(out);
  EXPECT_EQ(text.find("SECRET"), std::string::npos);
  for (const char* const line :
       {"LANG=C.UTF-8\n", "NOFORCE_JOB=01JOB\n", "NOFORCE_SERVICE=w3svc\n",
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n", "\n/\n",
        "/dev/null\n", "own session\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << text;
  }
  // 0, 1, 2, and the one that ls reads the folder with.
  EXPECT_NE(text.find("\n4\n"), std::string::npos) << text;
}

TEST_F(AHook, GetsItsArgumentsAsTheyAre) {
  const std::string out = directory_.file("out");
  ASSERT_TRUE(run({script("arguments", "o=$1; shift; printf '<%s>' \"$@\" > \"$o\""), out, "a b",
                   "$HOME", "; rm x", ""}));
  EXPECT_EQ(contents(out), "<a b><$HOME><; rm x><>");
}

TEST_F(AHook, MayPrintWithoutEnd) {
  const Error error =
      failure({script("chatty", "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo end; exit 1")});
  EXPECT_NE(error.detail.find("exit status 1: end"), std::string::npos) << error.detail;
}

TEST_F(AHook, IsAskedToEndAfterItsTimeAndLeftAlone) {
  const std::string asked = directory_.file("asked");
  const std::string done = directory_.file("done");
  const std::string stubborn =
      script("stubborn",
             "trap 'echo asked > " + asked + "' TERM\necho saving\n" +
                 "n=0; while [ $n -lt 10 ]; do sleep 0.1; n=$((n+1)); done; echo done > " + done);
  const MonoTime before = std::chrono::steady_clock::now();
  const Error error = failure({stubborn}, Milliseconds{300});
  EXPECT_LT(std::chrono::steady_clock::now() - before, Milliseconds{900});
  EXPECT_EQ(error.kind, ErrorKind::hook_failed);
  EXPECT_NE(error.detail.find("longer than 300 ms"), std::string::npos) << error.detail;
  EXPECT_NE(error.detail.find("SIGTERM"), std::string::npos);
  EXPECT_NE(error.detail.find("saving"), std::string::npos);
  EXPECT_EQ(wait_for_contents(asked), "asked\n");
  // It goes on to its own end, and is answered for once.
  EXPECT_EQ(wait_for_contents(done), "done\n");
  EXPECT_EQ(answers_.count(), 1U);
}

TEST_F(AHook, OutlivesTheAttendant) {
  const std::string done = directory_.file("done");
  const std::string started = directory_.file("started");
  ::signal(SIGPIPE, SIG_IGN);  // as the agent has it
  start({script("lasting", "echo x > " + started +
                               "; sleep 0.5; echo into the closed pipe; echo done > " + done)});
  EXPECT_EQ(wait_for_contents(started), "x\n");
  attendant_->stop();
  attendant_.reset();
  EXPECT_EQ(wait_for_contents(done), "done\n");
  EXPECT_EQ(answers_.count(), 0U);
  ::signal(SIGPIPE, SIG_DFL);
}

TEST_F(AHook, MayLeaveAChildWithItsOutput) {
  const MonoTime before = std::chrono::steady_clock::now();
  EXPECT_TRUE(run({script("daemon", "sleep 3 & exit 0")}));
  EXPECT_LT(std::chrono::steady_clock::now() - before, Seconds{3});
}

TEST_F(AHook, DoesNotWaitForAnother) {
  start({script("slow", "sleep 2")});
  const MonoTime before = std::chrono::steady_clock::now();
  EXPECT_TRUE(run({"/bin/true"}));
  EXPECT_LT(std::chrono::steady_clock::now() - before, Seconds{2});
}

TEST_F(AHook, RunsInNumbers) {
  std::vector<ControlToken> tokens;
  tokens.reserve(60);
  for (int n = 0; n < 60; ++n)
    tokens.push_back(start({"/bin/sh", "-c", "exit " + std::to_string(n)}));
  for (int n = 0; n < 60; ++n) {
    const auto result = answers_.wait_for(tokens[static_cast<std::size_t>(n)]);
    EXPECT_EQ(result ? 0 : result.error().native_code, n);
  }
}

TEST_F(AHook, IsRefusedWhenOthersCouldHaveWrittenIt) {
  const std::string good = script("good", "exit 0");
  ASSERT_TRUE(run({good}));
  const auto refused = [&](const HookCommand& command, const std::string& why) {
    const Error error = failure(command);
    EXPECT_EQ(error.kind, ErrorKind::hook_failed);
    EXPECT_NE(error.detail.find(why), std::string::npos) << error.detail;
  };
  refused({"true"}, "no absolute path");
  refused({"./true"}, "no absolute path");
  refused({""}, "no absolute path");
  refused({directory_.file("missing")}, "cannot be found");
  refused({directory_.file(".")}, "no regular file");

  ASSERT_EQ(::chmod(good.c_str(), 0720), 0);
  refused({good}, "can be written by group or others");
  ASSERT_EQ(::chmod(good.c_str(), 0702), 0);
  refused({good}, "can be written by group or others");
  ASSERT_EQ(::chmod(good.c_str(), 0600), 0);
  refused({good}, "cannot be executed");
  ASSERT_EQ(::chmod(good.c_str(), 0700), 0);

  ASSERT_EQ(::chmod(directory_.file("").c_str(), 0777), 0);
  refused({good}, "can be written by group or others");
  ASSERT_EQ(::chmod(directory_.file("").c_str(), 01777), 0);
  EXPECT_TRUE(run({good}));
  ASSERT_EQ(::chmod(directory_.file("").c_str(), 0700), 0);
}

TEST_F(AHook, IsRefusedBehindALinkThatOthersControl) {
  const std::string good = script("good", "exit 0");
  std::filesystem::create_directory(directory_.file("open"));
  std::filesystem::create_symlink(good, directory_.file("open/link"));
  std::filesystem::create_symlink("open/link", directory_.file("direct"));
  EXPECT_TRUE(check_trusted_program(directory_.file("direct")));
  EXPECT_TRUE(check_trusted_program(directory_.file("open/../open/./link")));
  ASSERT_EQ(::chmod(directory_.file("open").c_str(), 0777), 0);
  EXPECT_FALSE(check_trusted_program(directory_.file("direct")));
  EXPECT_FALSE(check_trusted_program(directory_.file("open/../good")));

  std::filesystem::create_symlink("loop", directory_.file("loop"));
  EXPECT_FALSE(check_trusted_program(directory_.file("loop")));
}

TEST_F(AHook, IsRefusedWhenItIsSomebodyElses) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can give a file away";
  const std::string theirs = script("theirs", "exit 0");
  ASSERT_EQ(::chown(theirs.c_str(), 65534, 65534), 0);
  EXPECT_NE(failure({theirs}).detail.find("belongs to "), std::string::npos);
}

TEST_F(AHook, FailsWhenTheSystemCannotRunIt) {
  const std::string odd = directory_.file("odd");
  std::ofstream(odd) << "#!/no/such/interpreter\n";
  ASSERT_EQ(::chmod(odd.c_str(), 0700), 0);
  const Error error = failure({odd});
  EXPECT_EQ(error.kind, ErrorKind::hook_failed);
  EXPECT_EQ(error.native_name, "ENOENT");
}

// Probes -----------------------------------------------------------------------------------------

class AProbe : public testing::Test {
 protected:
  Result<void> ask(const Verify& verify, Milliseconds timeout = long_enough) {
    const ControlToken token{.job = "01JOB", .step = ++step_, .attempt = 1};
    attendant_->probe(token, "w3svc", verify, timeout);
    return answers_.wait_for(token);
  }
  // A socket that listens on a free port of 127.0.0.1, or is only bound to it.
  std::pair<Fd, std::string> bound(bool listens) {
    Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
    if (listens) {
      EXPECT_EQ(::listen(fd.get(), 1), 0);
    }
    EXPECT_EQ(::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length), 0);
    return {std::move(fd), std::to_string(ntohs(address.sin_port))};
  }

  Answers answers_;
  std::unique_ptr<Attendant> attendant_ = make_attendant(answers_, {});
  std::uint32_t step_ = 0;
};

TEST_F(AProbe, FindsWhatAccepts) {
  const auto [socket, port] = bound(true);
  EXPECT_TRUE(ask({.http = {}, .tcp = "127.0.0.1:" + port}));
  EXPECT_TRUE(ask({.http = {}, .tcp = "localhost:" + port}));
}

TEST_F(AProbe, FindsWhatDoesNot) {
  const auto [socket, port] = bound(false);
  const auto result = ask({.http = {}, .tcp = "127.0.0.1:" + port});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::verify_failed);
  EXPECT_EQ(result.error().service, "w3svc");
  EXPECT_EQ(result.error().native_name, "ECONNREFUSED");
  EXPECT_FALSE(ask({.http = {}, .tcp = "localhost:" + port}));
}

TEST_F(AProbe, EndsWithItsTime) {
  // A backlog that is full: the kernel lets the next one wait.
  const auto [socket, port] = bound(true);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  std::vector<Fd> fill;
  for (int n = 0; n < 8; ++n) {
    fill.emplace_back(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    const int now =
        ::connect(fill.back().get(), reinterpret_cast<sockaddr*>(&address), sizeof address);
    ASSERT_TRUE(now == 0 || errno == EINPROGRESS);
  }
  const auto result = ask({.http = {}, .tcp = "127.0.0.1:" + port}, Milliseconds{200});
  ASSERT_FALSE(result);
  EXPECT_NE(result.error().detail.find("within 200 ms"), std::string::npos);
}

TEST_F(AProbe, LooksUpNoNames) {
  for (const char* const target :
       {"example.org:80", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "::1:80",
        "127.0.0.1:80x", "[127.0.0.1]:80", ":80", "[::1]"}) {
    const auto result = ask({.http = {}, .tcp = target});
    ASSERT_FALSE(result) << target;
    EXPECT_NE(result.error().detail.find("is no address to connect to"), std::string::npos)
        << result.error().detail;
  }
}

TEST_F(AProbe, OverHttpNeedsAClient) {
  const auto result = ask({.http = "http://127.0.0.1/health", .tcp = {}});
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::verify_failed);
}

TEST_F(AProbe, OverHttpIsTheClientsAnswer) {
  attendant_ = make_attendant(answers_, [](const std::string& url, Milliseconds timeout) {
    EXPECT_GT(timeout, Milliseconds{0});
    if (url.ends_with("/throw")) throw std::runtime_error("thrown");
    if (url.ends_with("/bad")) return Result<void>(fail(ErrorKind::internal, "503 it said"));
    return Result<void>();
  });
  EXPECT_TRUE(ask({.http = "http://127.0.0.1/good", .tcp = {}}));
  const auto bad = ask({.http = "http://127.0.0.1/bad", .tcp = {}});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().kind, ErrorKind::verify_failed);
  EXPECT_EQ(bad.error().service, "w3svc");
  EXPECT_EQ(bad.error().detail, "503 it said");
  EXPECT_FALSE(ask({.http = "http://127.0.0.1/throw", .tcp = {}}));
}

TEST_F(AProbe, OverHttpTakesAFewThreadsAtMost) {
  std::atomic<int> now = 0;
  std::atomic<int> most = 0;
  attendant_ = make_attendant(answers_, [&](const std::string&, Milliseconds) {
    const int running = ++now;
    for (int seen = most; running > seen && !most.compare_exchange_weak(seen, running);) {
    }
    std::this_thread::sleep_for(Milliseconds{20});
    --now;
    return Result<void>();
  });
  for (std::uint32_t n = 0; n < 20; ++n) {
    attendant_->probe({.job = "01JOB", .step = n, .attempt = 7}, "w3svc",
                      {.http = "http://127.0.0.1/", .tcp = {}}, long_enough);
  }
  for (std::uint32_t n = 0; n < 20; ++n) {
    EXPECT_TRUE(answers_.wait_for({.job = "01JOB", .step = n, .attempt = 7}));
  }
  EXPECT_LE(most, 4);
  EXPECT_GE(most, 2);
  attendant_.reset();
}

TEST_F(AProbe, IsSilentAfterTheAttendantStopped) {
  attendant_ = make_attendant(answers_, [&](const std::string&, Milliseconds) {
    std::this_thread::sleep_for(Milliseconds{50});
    return Result<void>();
  });
  for (std::uint32_t n = 0; n < 8; ++n) {
    attendant_->probe({.job = "01JOB", .step = n, .attempt = 8}, "w3svc",
                      {.http = "http://127.0.0.1/", .tcp = {}}, long_enough);
  }
  attendant_->stop();
  const std::size_t answered = answers_.count();
  attendant_->probe({.job = "01JOB", .step = 99, .attempt = 8}, "w3svc",
                    {.http = "http://127.0.0.1/", .tcp = {}}, long_enough);
  attendant_->run_hook({.job = "01JOB", .step = 98, .attempt = 8}, "w3svc", {"/bin/true"},
                       long_enough);
  std::this_thread::sleep_for(Milliseconds{150});
  EXPECT_EQ(answers_.count(), answered);
}

}  // namespace
}  // namespace noforce
