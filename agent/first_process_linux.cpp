#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <optional>

#include "agent/exit_status.hpp"
#include "agent/first_process.hpp"

namespace noforce::agent {
namespace {

constexpr timespec pause_before_the_next{.tv_sec = 1, .tv_nsec = 0};

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

// Until the child has ended; how it ended. `told` remembers that the end was asked for.
int attend(pid_t child, bool& told) {
  sigset_t awaited = handed_on();
  ::sigaddset(&awaited, SIGCHLD);
  for (;;) {
    if (const auto ended = reap(child)) return *ended;
    const int signal = ::sigwaitinfo(&awaited, nullptr);
    if (signal <= 0 || signal == SIGCHLD) continue;
    told = told || signal != SIGHUP;
    ::kill(child, signal);  // not reaped yet, so the pid is still its own
  }
}

}  // namespace

bool is_first_process() {
  return ::getpid() == 1;
}

int run_below_first_process(const std::function<int()>& agent) {
  sigset_t awaited = handed_on();
  ::sigaddset(&awaited, SIGCHLD);
  ::sigprocmask(SIG_BLOCK, &awaited, nullptr);
  bool told = false;
  for (;;) {
    const pid_t child = ::fork();
    if (child < 0) {
      (void)::fprintf(stderr, "noforce: cannot start the agent below the first process\n");
      return exit_failed;
    }
    if (child == 0) {
      // A group of its own: Ctrl-C comes once, through its parent.
      ::setpgid(0, 0);
      const sigset_t kept = handed_on();  // the agent waits for these; one may be there already
      ::sigprocmask(SIG_SETMASK, &kept, nullptr);
      return agent();
    }
    if (told) ::kill(child, SIGTERM);
    const int status = attend(child, told);
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    (void)::fprintf(stderr, "noforce: the agent was ended by signal %d; it is started again\n",
                    WTERMSIG(status));
    ::nanosleep(&pause_before_the_next, nullptr);
  }
}

}  // namespace noforce::agent
