#include "tests/supervisor/traced.hpp"

#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <utility>

namespace noforce::supervisor::testing {
namespace {

constexpr int kSyscallStop = SIGTRAP | 0x80;  // with PTRACE_O_TRACESYSGOOD

void go_on(pid_t pid, int signal) {
  (void)::ptrace(PTRACE_SYSCALL, pid, nullptr, signal);
}

}  // namespace

Traced::Traced(std::int64_t keeper, std::function<bool(const SystemCall&)> at)
    : keeper_(static_cast<pid_t>(keeper)), at_(std::move(at)) {
  std::promise<bool> began;
  auto works = began.get_future();
  thread_ = std::thread([this, began = std::move(began)]() mutable { trace(std::move(began)); });
  works_ = works.get();
}

Traced::~Traced() {
  (void)let_go();
}

bool Traced::let_go() {
  enough_ = true;
  // Wakes it for a call or two, at which its tracer sees that it is enough; SIGHUP means nothing to
  // a keeper.
  if (works_ && thread_.joinable() && !killed_) ::kill(keeper_, SIGHUP);
  if (thread_.joinable()) thread_.join();
  return killed_;
}

bool Traced::attach() const {
  if (::ptrace(PTRACE_SEIZE, keeper_, nullptr, PTRACE_O_TRACESYSGOOD) != 0) return false;
  if (::ptrace(PTRACE_INTERRUPT, keeper_, nullptr, nullptr) != 0) return false;
  int status = 0;
  if (::waitpid(keeper_, &status, __WALL) != keeper_ || !WIFSTOPPED(status)) return false;
  go_on(keeper_, 0);
  return true;
}

bool Traced::stopped_before_fatal_call() const {
  __ptrace_syscall_info info{};
  if (::ptrace(PTRACE_GET_SYSCALL_INFO, keeper_, sizeof info, &info) <= 0) return false;
  if (info.op != PTRACE_SYSCALL_INFO_ENTRY) return false;
  SystemCall call{.number = info.entry.nr};
  for (std::size_t i = 0; i < call.arguments.size(); ++i)
    call.arguments[i] = info.entry.args[i];
  return at_(call);
}

void Traced::trace(std::promise<bool> began) {
  const bool attached = attach();
  began.set_value(attached);
  int status = 0;
  while (attached && ::waitpid(keeper_, &status, __WALL) == keeper_ && WIFSTOPPED(status)) {
    const int signal = WSTOPSIG(status);
    const bool of_the_trace = signal == kSyscallStop || (status >> 16) == PTRACE_EVENT_STOP;
    if (enough_) {
      (void)::ptrace(PTRACE_DETACH, keeper_, nullptr, of_the_trace ? 0 : signal);
      return;
    }
    if (signal == kSyscallStop && stopped_before_fatal_call()) {
      killed_ = true;
      ::kill(keeper_, SIGKILL);  // the call is not made; the next wait sees its end
      continue;
    }
    go_on(keeper_, of_the_trace ? 0 : signal);
  }
}

bool saves_record(const SystemCall& call) {
  return call.number == SYS_pwrite64;
}

bool lets_child_go(const SystemCall& call) {
  return call.number == SYS_write && call.arguments[2] == 1;
}

}  // namespace noforce::supervisor::testing
