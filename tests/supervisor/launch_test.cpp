#include "core/scm/supervisor/launch.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include <gtest/gtest.h>

#include "core/scm/supervisor/process.hpp"

namespace noforce::supervisor {
namespace {

class ALaunch : public ::testing::Test {
 protected:
  ALaunch() {
    std::array<int, 2> ends{};
    EXPECT_EQ(::pipe2(ends.data(), O_CLOEXEC), 0);
    read_.reset(ends[0]);
    write_.reset(ends[1]);
    null_.reset(::open("/dev/null", O_RDWR | O_CLOEXEC));
  }

  static std::optional<std::expected<void, LaunchError>> result_of(Launch& launch) {
    pollfd wait{.fd = launch.result_fd(), .events = POLLIN, .revents = 0};
    ::poll(&wait, 1, 20'000);
    return launch.result();
  }
  static int reap(std::int64_t pid) {
    int status = 0;
    ::waitpid(static_cast<pid_t>(pid), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }
  // What the program writes, until its end.
  std::string output_of(const LaunchPlan& plan, int expected_exit = 0) {
    auto launch = Launch::fork(plan, null_.get(), write_.get());
    EXPECT_TRUE(launch.has_value());
    write_.reset();
    launch->go();
    std::string text;
    std::array<char, 4096> buffer;
    for (ssize_t got = 1; got > 0;) {
      got = ::read(read_.get(), buffer.data(), buffer.size());
      if (got > 0) text.append(buffer.data(), static_cast<std::size_t>(got));
    }
    EXPECT_EQ(reap(launch->pid()), expected_exit);
    return text;
  }

  Fd read_;
  Fd write_;
  Fd null_;
};

LaunchPlan shell(const std::string& script) {
  return {.argv = {"/bin/sh", "-c", script}};
}

TEST_F(ALaunch, BecomesItsProgramOnlyWhenItIsTold) {
  auto launch = Launch::fork(shell("exit 7"), null_.get(), write_.get());
  ASSERT_TRUE(launch);
  EXPECT_FALSE(launch->result().has_value());
  EXPECT_TRUE(read_stat(launch->pid())->forked_only);
  launch->go();
  const auto result = result_of(*launch);
  ASSERT_TRUE(result && result->has_value());
  EXPECT_EQ(reap(launch->pid()), 7);
}

TEST_F(ALaunch, EndsByItselfWhenTheKeeperDiesBeforeTheWord) {
  std::int64_t pid = 0;
  {
    auto launch = Launch::fork(shell("echo ran"), null_.get(), write_.get());
    ASSERT_TRUE(launch);
    pid = launch->pid();
  }
  EXPECT_EQ(reap(pid), 127);
  write_.reset();
  char byte = 0;
  EXPECT_EQ(::read(read_.get(), &byte, 1), 0);  // it wrote nothing
}

TEST_F(ALaunch, SaysWhyItCouldNotBecomeItsProgram) {
  const auto failure = [this](const LaunchPlan& plan) {
    auto launch = Launch::fork(plan, null_.get(), write_.get());
    launch->go();
    const auto result = result_of(*launch);
    EXPECT_EQ(reap(launch->pid()), 127);
    EXPECT_TRUE(result && !result->has_value());
    return std::pair(result->error().code, result->error().sentence(plan));
  };
  EXPECT_EQ(failure({.argv = {"/no/such"}}),
            std::pair(ENOENT,
                      std::string("cannot execute /no/such: No such file or directory (ENOENT)")));
  EXPECT_EQ(failure({.argv = {"/etc/passwd"}}).first, EACCES);
  EXPECT_EQ(failure({.argv = {"/bin/true"}, .directory = "/no/such"}).second,
            "cannot enter /no/such: No such file or directory (ENOENT)");
  EXPECT_EQ(failure({.argv = {"/bin/true"}, .user = "no-such-user"}).second,
            "cannot run /bin/true as user no-such-user: No such process (ESRCH)");
  EXPECT_EQ(failure({.argv = {"/bin/true"}, .limits = {{"CPU", 1}}}).first, EINVAL);
}

TEST_F(ALaunch, GivesACleanEnvironment) {
  ::setenv("NOFORCE_TOKEN", "secret", 1);
  LaunchPlan plan{.argv = {"/usr/bin/env"},
                  .environment = {{"LANG", "C.UTF-8"}, {"A", "1"}, {"A", "2"}}};
  const std::string text = output_of(plan);
  ::unsetenv("NOFORCE_TOKEN");
  EXPECT_EQ(text,
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n"
            "LANG=C.UTF-8\nA=2\n");
}

TEST_F(ALaunch, LeavesNoDescriptorOpenButTheStandardOnes) {
  const Fd leaked(::open("/dev/null", O_RDONLY));  // not close-on-exec
  // 3 is the folder that ls itself reads.
  EXPECT_EQ(output_of({.argv = {"/bin/ls", "/proc/self/fd"}}), "0\n1\n2\n3\n");
}

TEST_F(ALaunch, StartsWithAllSignalsAsTheyAreByDefault) {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const std::string text =
      output_of({.argv = {"/bin/grep", "-E", "^Sig(Blk|Ign)", "/proc/self/status"}});
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  EXPECT_EQ(text, "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(ALaunch, HasASessionOfItsOwn) {
  auto launch = Launch::fork({.argv = {"/bin/sleep", "600"}}, null_.get(), write_.get());
  launch->go();
  ASSERT_TRUE(result_of(*launch)->has_value());
  EXPECT_EQ(read_stat(launch->pid())->session, launch->pid());
  ::kill(static_cast<pid_t>(launch->pid()), SIGTERM);
  EXPECT_EQ(reap(launch->pid()), 128 + SIGTERM);
}

TEST_F(ALaunch, SetsLimits) {
  auto plan = shell("ulimit -n; ulimit -c");
  plan.open_files = {512, 4096};
  plan.limits = {{"NOFILE", 333}, {"CORE", 0}};
  EXPECT_EQ(output_of(plan), "333\n0\n");
}

TEST_F(ALaunch, GivesBackTheKeepersOwnLimitOfOpenFiles) {
  auto plan = shell("ulimit -S -n");
  plan.open_files = {512, 4096};
  EXPECT_EQ(output_of(plan), "512\n");
}

TEST_F(ALaunch, RunsAsItsUser) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  auto plan = shell("id -un; id -Gn; echo $HOME $USER");
  plan.user = "nobody";
  const std::string text = output_of(plan);
  EXPECT_TRUE(text.starts_with("nobody\nnogroup\n")) << text;
  EXPECT_TRUE(text.ends_with(" nobody\n")) << text;
}

TEST_F(ALaunch, DoesNotTakeAScriptWithoutAnInterpreterToAShell) {
  std::string path = "/tmp/noforce-script-XXXXXX";
  const Fd file(::mkstemp(path.data()));
  (void)!::write(file.get(), "echo ran\n", 9);
  ::fchmod(file.get(), 0700);
  LaunchPlan plan{.argv = {path}};
  {
    const Fd closed(::fcntl(file.get(), F_DUPFD_CLOEXEC, 0));
  }
  auto launch = Launch::fork(plan, null_.get(), write_.get());
  launch->go();
  const auto result = result_of(*launch);
  reap(launch->pid());
  ::unlink(path.c_str());
  ASSERT_TRUE(result && !result->has_value());
  // ETXTBSY while this test still has it open for writing, or ENOEXEC: never run by a shell.
  EXPECT_TRUE(result->error().code == ENOEXEC || result->error().code == ETXTBSY);
}

}  // namespace
}  // namespace noforce::supervisor
