// A service for tests/bench/end_seen.py: bench_stamp FILE
//
// On SIGTERM it writes "<CLOCK_MONOTONIC ns> <CLOCK_REALTIME ns>" to FILE as its last act and ends
// at once. It is up once FILE is there, empty.
#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <ctime>

namespace {

long long nanoseconds(clockid_t clock) {
  timespec now{};
  ::clock_gettime(clock, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  const int file = ::open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return 1;
  int signal = 0;
  ::sigwait(&signals, &signal);
  (void)::dprintf(file, "%lld %lld\n", nanoseconds(CLOCK_MONOTONIC), nanoseconds(CLOCK_REALTIME));
  ::_exit(0);
}
