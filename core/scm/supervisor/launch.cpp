#include "core/scm/supervisor/launch.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "core/scm/supervisor/process.hpp"

namespace noforce::supervisor {
namespace {

constexpr std::string_view kPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
// The child's own descriptors until it becomes its program.
constexpr int kGo = 3;
constexpr int kResult = 4;
// 127 is what a shell says of a command that it cannot find.
constexpr int kCannotExecute = 127;

[[noreturn]] void give_up(LaunchError::At at, int code) {
  const LaunchError error{.at = at, .code = code};
  // The keeper may be gone; then nobody is there to be told.
  (void)!::write(kResult, &error, sizeof error);
  ::_exit(kCannotExecute);
}

// First of all: what the child still holds of the keeper's (its lock, its sockets) would keep the
// next keeper out.
void keep_only(int input, int output, int go, int result) {
  constexpr int kAbove = 64;
  const int high_go = ::fcntl(go, F_DUPFD_CLOEXEC, kAbove);
  const int high_result = ::fcntl(result, F_DUPFD_CLOEXEC, kAbove);
  if (high_go < 0 || high_result < 0 || ::dup2(input, 0) < 0 || ::dup2(output, 1) < 0 ||
      ::dup2(1, 2) < 0 || ::dup3(high_go, kGo, O_CLOEXEC) < 0 ||
      ::dup3(high_result, kResult, O_CLOEXEC) < 0) {
    ::_exit(kCannotExecute);
  }
  if (::syscall(SYS_close_range, kResult + 1, ~0U, 0U) != 0) {
    constexpr int kMany = 4096;
    for (int fd = kResult + 1; fd < kMany; ++fd)
      ::close(fd);
  }
}

// Blocks until the keeper's word. False when the keeper died or changed its mind.
bool told_to_go() {
  char word = 0;
  ssize_t got = 0;
  do {
    got = ::read(kGo, &word, 1);
  } while (got < 0 && errno == EINTR);
  ::close(kGo);
  return got == 1;
}

void set_limits(const LaunchPlan& plan) {
  for (const auto& [number, found] :
       {std::pair(RLIMIT_NOFILE, plan.open_files), std::pair(RLIMIT_CORE, plan.core)}) {
    if (!found) continue;
    const rlimit limit{.rlim_cur = found->first, .rlim_max = found->second};
    (void)::setrlimit(number, &limit);
  }
  for (const auto& [name, value] : plan.limits) {
    const auto number = limit_number(name);
    if (!number) give_up(LaunchError::At::limits, EINVAL);
    const rlimit limit{.rlim_cur = value, .rlim_max = value};
    if (::setrlimit(static_cast<__rlimit_resource>(*number), &limit) != 0) {
      give_up(LaunchError::At::limits, errno);
    }
  }
}

class Environment {
 public:
  void set(std::string_view name, std::string_view value) {
    for (auto& entry : entries_) {
      if (entry.size() > name.size() && entry[name.size()] == '=' && entry.starts_with(name)) {
        entry = std::string(name) + "=" + std::string(value);
        return;
      }
    }
    entries_.push_back(std::string(name) + "=" + std::string(value));
  }

  [[nodiscard]] std::vector<char*> pointers() {
    std::vector<char*> out;
    out.reserve(entries_.size() + 1);
    for (auto& entry : entries_)
      out.push_back(entry.data());
    out.push_back(nullptr);
    return out;
  }

 private:
  std::vector<std::string> entries_;
};

// Looked up here and not in the keeper: a name service may be slow, large, or crash.
void become_user(const std::string& user, Environment& environment) {
  if (user.empty()) return;
  errno = 0;
  const passwd* entry = ::getpwnam(user.c_str());
  if (entry == nullptr) give_up(LaunchError::At::user, errno == 0 ? ESRCH : errno);
  environment.set("HOME", entry->pw_dir == nullptr ? "/" : entry->pw_dir);
  environment.set("USER", user);
  environment.set("LOGNAME", user);
  environment.set("SHELL", entry->pw_shell == nullptr ? "/bin/sh" : entry->pw_shell);
  if (::geteuid() != 0) {
    if (entry->pw_uid == ::geteuid()) return;
    give_up(LaunchError::At::user, EPERM);
  }
  const uid_t uid = entry->pw_uid;
  const gid_t gid = entry->pw_gid;
  if (::initgroups(user.c_str(), gid) != 0 || ::setresgid(gid, gid, gid) != 0) {
    give_up(LaunchError::At::groups, errno);
  }
  if (::setresuid(uid, uid, uid) != 0) give_up(LaunchError::At::user, errno);
}

void reset_signals() {
  for (int signal = 1; signal < NSIG; ++signal) {
    // Two of them cannot be set, and need not.
    (void)::signal(signal, SIG_DFL);
  }
}

void unblock_signals() {
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

[[noreturn]] void become(const LaunchPlan& plan) {
  if (::setsid() < 0) give_up(LaunchError::At::session, errno);
  ::umask(022);
  reset_signals();
  set_limits(plan);
  Environment environment;
  environment.set("PATH", kPath);
  become_user(plan.user, environment);
  for (const auto& [name, value] : plan.environment)
    environment.set(name, value);
  const std::string directory = plan.directory.empty() ? "/" : plan.directory;
  if (::chdir(directory.c_str()) != 0) give_up(LaunchError::At::directory, errno);
  std::vector<std::string> words = plan.argv;
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (auto& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::vector<char*> envp = environment.pointers();
  unblock_signals();
  ::execve(argv[0], argv.data(), envp.data());
  give_up(LaunchError::At::exec, errno);
}

[[noreturn]] void run_child(const LaunchPlan& plan, int input, int output, int go, int result) {
  keep_only(input, output, go, result);
  if (!told_to_go()) ::_exit(kCannotExecute);
  try {
    become(plan);
  } catch (...) {
    give_up(LaunchError::At::exec, ENOMEM);
  }
}

bool make_pipe(Fd& reader, Fd& writer, int flags) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), flags) != 0) return false;
  reader.reset(ends[0]);
  writer.reset(ends[1]);
  return true;
}

}  // namespace

std::expected<Launch, LaunchError> Launch::fork(const LaunchPlan& plan, int input, int output) {
  Launch launch;
  Fd go_read;
  Fd result_write;
  if (plan.argv.empty() || !make_pipe(go_read, launch.go_, O_CLOEXEC) ||
      !make_pipe(launch.result_, result_write, O_CLOEXEC)) {
    return std::unexpected(LaunchError{.at = LaunchError::At::descriptors, .code = errno});
  }
  ::fcntl(launch.result_.get(), F_SETFL, O_NONBLOCK);
  const pid_t pid = ::fork();
  if (pid < 0) return std::unexpected(LaunchError{.at = LaunchError::At::fork, .code = errno});
  if (pid == 0) run_child(plan, input, output, go_read.get(), result_write.get());
  launch.pid_ = pid;
  return launch;
}

void Launch::go() {
  const char word = 'g';
  (void)!::write(go_.get(), &word, 1);
  go_.reset();
}

std::optional<std::expected<void, LaunchError>> Launch::result() {
  LaunchError error;
  const ssize_t got = ::read(result_.get(), &error, sizeof error);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return std::nullopt;
  if (got == static_cast<ssize_t>(sizeof error)) return std::unexpected(error);
  return std::expected<void, LaunchError>();
}

std::string LaunchError::sentence(const LaunchPlan& plan) const {
  const std::string program = plan.argv.empty() ? std::string("nothing") : plan.argv.front();
  const auto what = [&]() -> std::string {
    switch (at) {
      case At::fork:
        return "cannot make a process for " + program;
      case At::descriptors:
        return "cannot open what " + program + " needs";
      case At::session:
        return "cannot make a session for " + program;
      case At::limits:
        return "cannot set the limits of " + program;
      case At::user:
        return "cannot run " + program + " as user " + plan.user;
      case At::groups:
        return "cannot take on the groups of user " + plan.user;
      case At::directory:
        return "cannot enter " + plan.directory;
      case At::exec:
        return "cannot execute " + program;
    }
    return "cannot start " + program;
  }();
  const std::string name = errno_name(code);
  return what + ": " + errno_sentence(code) + (name.empty() ? "" : " (" + name + ")");
}

std::optional<int> limit_number(const std::string& name) {
  static constexpr std::array<std::pair<std::string_view, int>, 9> kLimits{{
      {"NOFILE", RLIMIT_NOFILE},
      {"CORE", RLIMIT_CORE},
      {"NPROC", RLIMIT_NPROC},
      {"MEMLOCK", RLIMIT_MEMLOCK},
      {"NICE", RLIMIT_NICE},
      {"RTPRIO", RLIMIT_RTPRIO},
      {"SIGPENDING", RLIMIT_SIGPENDING},
      {"MSGQUEUE", RLIMIT_MSGQUEUE},
      {"LOCKS", RLIMIT_LOCKS},
  }};
  std::string_view wanted = name;
  if (wanted.starts_with("RLIMIT_")) wanted.remove_prefix(7);
  for (const auto& [known, number] : kLimits) {
    if (known == wanted) return number;
  }
  return std::nullopt;
}

}  // namespace noforce::supervisor
