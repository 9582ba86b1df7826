#include "core/scm/supervisor/keeper_start.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/descriptor_limit.hpp"
#include "core/scm/supervisor/keeper_door.hpp"
#include "core/scm/supervisor/process.hpp"

namespace noforce::supervisor {
namespace {

// What the children need, made before the fork: the agent has threads, so between fork and exec
// nothing may be allocated.
struct Prepared {
  const char* executable;
  char* const* argv;
  int null;
  int said;
  int log;
};

[[noreturn]] void become_keeper(const Prepared& p) {
  if (::setsid() < 0) ::_exit(1);
  const pid_t keeper = ::fork();
  if (keeper != 0) ::_exit(keeper < 0 ? 1 : 0);
  if (::dup2(p.null, 0) < 0 || ::dup2(p.said, 1) < 0 || ::dup2(p.log, 2) < 0) ::_exit(1);
  (void)::syscall(SYS_close_range, 3U, ~0U, 0U);
  give_first_descriptor_limit_to(0);
  for (int signal = 1; signal < NSIG; ++signal)
    (void)::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execv(p.executable, p.argv);
  static constexpr char kFailed[] = "the keeper's program cannot be executed\n";
  (void)!::write(1, kFailed, sizeof kFailed - 1);
  ::_exit(1);
}

// What it says until it closes the pipe, or a newline.
std::expected<std::string, std::string> read_line(int fd, int cancel, Milliseconds patience) {
  std::string line;
  const auto until = std::chrono::steady_clock::now() + patience;
  while (true) {
    const auto left =
        std::chrono::ceil<Milliseconds>(until - std::chrono::steady_clock::now()).count();
    if (left <= 0) return std::unexpected("the keeper did not say within its time that it listens");
    std::array<pollfd, 2> waits{pollfd{.fd = fd, .events = POLLIN, .revents = 0},
                                pollfd{.fd = cancel, .events = POLLIN, .revents = 0}};
    const int got = ::poll(waits.data(), waits.size(), static_cast<int>(left));
    if (got < 0 && errno != EINTR) return std::unexpected(errno_sentence(errno));
    if (waits[1].revents != 0) return std::unexpected("the start of the keeper was cancelled");
    if (got <= 0 || waits[0].revents == 0) continue;
    std::array<char, 512> buffer;
    const ssize_t bytes = ::read(fd, buffer.data(), buffer.size());
    if (bytes > 0) line.append(buffer.data(), static_cast<std::size_t>(bytes));
    if (const auto end = line.find('\n'); end != std::string::npos) return line.substr(0, end);
    if (bytes <= 0) return line;
  }
}

}  // namespace

std::expected<Fd, int> connect_keeper(const std::string& state_dir) {
  const Fd folder(::open(state_dir.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) return std::unexpected(errno);
  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return std::unexpected(errno);
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string path = socket_path(folder.get());
  std::memcpy(name.sun_path, path.data(), path.size());
  // EAGAIN while the keeper's backlog is full.
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0) {
    return std::unexpected(errno);
  }
  return fd;
}

bool runs_other_program(std::int64_t pid, const std::string& executable) {
  struct stat theirs{};
  struct stat ours{};
  struct stat there{};
  if (::stat(("/proc/" + std::to_string(pid) + "/exe").c_str(), &theirs) != 0 ||
      ::stat("/proc/self/exe", &ours) != 0 || ::stat(executable.c_str(), &there) != 0) {
    return false;
  }
  const auto same = [](const struct stat& a, const struct stat& b) {
    return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
  };
  return same(ours, there) && !same(ours, theirs);
}

std::string program_path(const std::string& executable) {
  std::error_code failed;
  const auto path = std::filesystem::canonical(executable, failed);
  return failed ? executable : path.string();
}

std::expected<void, std::string> start_keeper(const std::string& executable,
                                              const std::vector<std::string>& args,
                                              const std::string& state_dir, int cancel,
                                              Milliseconds patience) {
  (void)::mkdir(state_dir.c_str(), 0700);
  (void)::mkdir((state_dir + "/logs").c_str(), 0700);
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  const Fd log(::open((state_dir + "/logs/keeper.log").c_str(),
                      O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
  std::array<int, 2> ends{};
  if (!null || ::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return std::unexpected("cannot start the keeper: " + errno_sentence(errno));
  }
  const Fd hear(ends[0]);
  Fd say(ends[1]);
  std::vector<std::string> words = args;
  words.insert(words.begin(), executable);
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (auto& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  const Prepared prepared{.executable = executable.c_str(),
                          .argv = argv.data(),
                          .null = null.get(),
                          .said = say.get(),
                          .log = log ? log.get() : null.get()};
  const pid_t between = ::fork();
  if (between < 0) return std::unexpected("cannot start the keeper: " + errno_sentence(errno));
  if (between == 0) become_keeper(prepared);
  say.reset();
  while (::waitpid(between, nullptr, 0) < 0 && errno == EINTR) {
  }
  const auto line = read_line(hear.get(), cancel, patience);
  if (!line) return std::unexpected(line.error());
  if (*line == "ready") return {};
  return std::unexpected(line->empty() ? "the keeper ended before it listened; see " + state_dir +
                                             "/logs/keeper.log"
                                       : *line);
}

}  // namespace noforce::supervisor
