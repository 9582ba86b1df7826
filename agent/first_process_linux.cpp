#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <array>
#include <optional>
#include <utility>

#include "agent/exit_status.hpp"
#include "agent/first_process.hpp"
#include "core/fd.hpp"

namespace noforce::agent {
namespace {

constexpr timespec pause_before_the_next{.tv_sec = 1, .tv_nsec = 0};
constexpr int ended_by_signal = 128;  // as a shell counts

sigset_t handed_on() {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  ::sigaddset(&set, SIGHUP);
  return set;
}

// Reaps all that has ended; how the child ended, if it was among them.
std::optional<int> reap(pid_t child) {
  std::optional<int> ended;
  for (;;) {
    int status = 0;
    const pid_t pid = ::waitpid(-1, &status, WNOHANG);
    if (pid <= 0) return ended;
    if (pid == child) ended = status;
  }
}

struct Line {
  Fd here;
  Fd there;
};

// Anew for each child: what one was told is nothing to the next.
Line make_line(const Below& below) {
  std::array<int, 2> ends{-1, -1};
  if (below.hear) (void)::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data());
  return {.here = Fd(ends[0]), .there = Fd(ends[1])};
}

// Hands on what the signals say; `told` remembers that the end was asked for.
void hand_on(int signals, pid_t child, bool& told) {
  signalfd_siginfo info{};
  while (::read(signals, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    const auto signal = static_cast<int>(info.ssi_signo);
    if (signal == SIGCHLD) continue;
    told = told || (signal != SIGHUP && signal != SIGABRT);
    ::kill(child, signal);  // not reaped yet, so the pid is still its own
  }
}

// Until the child has ended; how it ended.
int attend(const Below& below, pid_t child, int signals, int line, bool& told) {
  for (;;) {
    if (const auto ended = reap(child)) return *ended;
    std::array<pollfd, 2> waits{pollfd{.fd = signals, .events = POLLIN, .revents = 0},
                                pollfd{.fd = line, .events = POLLIN, .revents = 0}};
    if (::poll(waits.data(), waits.size(), -1) < 0) continue;
    if (waits[0].revents != 0) hand_on(signals, child, told);
    if (waits[1].revents != 0 && !below.hear(line)) line = -1;
  }
}

}  // namespace

bool is_first_process() {
  return ::getpid() == 1;
}

int run_below(const Below& below) {
  sigset_t awaited = handed_on();
  ::sigaddset(&awaited, SIGCHLD);
  ::sigaddset(&awaited, SIGABRT);
  ::sigprocmask(SIG_BLOCK, &awaited, nullptr);
  Fd signals(::signalfd(-1, &awaited, SFD_CLOEXEC | SFD_NONBLOCK));
  bool told = false;
  for (;;) {
    Line line = make_line(below);
    const pid_t child = signals && (line.here || !below.hear) ? ::fork() : -1;
    if (child < 0) {
      (void)::fprintf(stderr, "noforce: cannot start the agent below this process\n");
      return exit_failed;
    }
    if (child == 0) {
      // A group of its own: Ctrl-C comes once, through its parent.
      ::setpgid(0, 0);
      const sigset_t kept = handed_on();  // the agent waits for these; one may be there already
      ::sigprocmask(SIG_SETMASK, &kept, nullptr);
      signals.reset();
      line.here.reset();
      return below.agent(std::move(line.there));
    }
    line.there.reset();
    if (told) ::kill(child, SIGTERM);
    const int status = attend(below, child, signals.get(), line.here.get(), told);
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    (void)::fprintf(stderr, "noforce: the agent was ended by signal %d%s\n", WTERMSIG(status),
                    below.again ? "; it is started again" : "");
    if (!below.again) return ended_by_signal + WTERMSIG(status);
    ::nanosleep(&pause_before_the_next, nullptr);
  }
}

}  // namespace noforce::agent
