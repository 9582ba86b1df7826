#include "core/hook_process_linux.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

#include "core/descriptor_limit.hpp"
#include "core/trusted_program.hpp"

namespace noforce {
namespace {

std::unexpected<Error> cannot_run(const std::string& program, const char* what, int problem) {
  Error error;
  error.kind = ErrorKind::hook_failed;
  error.detail = "'" + program + "' could not be run: " + what + ": " + std::strerror(problem);
  error.native_code = problem;
  if (const char* const name = ::strerrorname_np(problem)) error.native_name = name;
  return std::unexpected(std::move(error));
}

class FileActions {
 public:
  FileActions() { ::posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { ::posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;
  posix_spawn_file_actions_t* get() { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_{};
};

class SpawnAttributes {
 public:
  SpawnAttributes() { ::posix_spawnattr_init(&attributes_); }
  ~SpawnAttributes() { ::posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;
  posix_spawnattr_t* get() { return &attributes_; }

 private:
  posix_spawnattr_t attributes_{};
};

// Standard input from nowhere, both outputs into the pipe, "/" as the folder, nothing else open.
int set_up_files(FileActions& actions, int output) {
  int problem = ::posix_spawn_file_actions_addopen(actions.get(), 0, "/dev/null", O_RDONLY, 0);
  if (problem == 0) problem = ::posix_spawn_file_actions_adddup2(actions.get(), output, 1);
  if (problem == 0) problem = ::posix_spawn_file_actions_adddup2(actions.get(), output, 2);
  if (problem == 0) problem = ::posix_spawn_file_actions_addclosefrom_np(actions.get(), 3);
  if (problem == 0) problem = ::posix_spawn_file_actions_addchdir_np(actions.get(), "/");
  return problem;
}

// A session of its own and no signal blocked or handled. SIGPIPE stays as the agent has it
// (ignored): a hook that outlives the agent must not die of writing to it.
int set_up_process(SpawnAttributes& attributes) {
  sigset_t none;
  sigset_t defaults;
  ::sigemptyset(&none);
  ::sigfillset(&defaults);
  ::sigdelset(&defaults, SIGPIPE);
  int problem = ::posix_spawnattr_setsigmask(attributes.get(), &none);
  if (problem == 0) problem = ::posix_spawnattr_setsigdefault(attributes.get(), &defaults);
  if (problem == 0) {
    problem = ::posix_spawnattr_setflags(
        attributes.get(), POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  return problem;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts)
    pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

Result<HookProcess> HookProcess::start(const HookCommand& command, const std::string& job,
                                       const std::string& service) {
  if (command.empty()) return fail(ErrorKind::hook_failed, "a hook without a program", service);
  HookProcess hook;
  const std::string& program_path = command.front();
  hook.report_ = HookReport(program_path);
  if (auto trusted = check_trusted_program(program_path); !trusted) {
    trusted.error().service = service;
    return std::unexpected(trusted.error());
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return cannot_run(program_path, "no pipe", errno);
  hook.output_ = Fd(ends[0]);
  const Fd output(ends[1]);
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);

  FileActions actions;
  SpawnAttributes attributes;
  if (const int problem = set_up_files(actions, output.get()); problem != 0) {
    return cannot_run(program_path, "its files", problem);
  }
  if (const int problem = set_up_process(attributes); problem != 0) {
    return cannot_run(program_path, "its process", problem);
  }
  std::vector<std::string> arguments = command;
  std::vector<std::string> environment = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8",
      "NOFORCE_JOB=" + job, "NOFORCE_SERVICE=" + service};
  pid_t pid = 0;
  const int problem = ::posix_spawn(&pid, program_path.c_str(), actions.get(), attributes.get(),
                                    pointers_to(arguments).data(), pointers_to(environment).data());
  if (problem != 0) return cannot_run(program_path, "the system said", problem);
  give_first_descriptor_limit_to(pid);
  // Nobody but this object reaps it, so the pid is still this process.
  hook.process_ = Fd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!hook.process_) return cannot_run(program_path, "it runs, but cannot be watched", errno);
  return hook;
}

void HookProcess::drain() {
  if (!output_) return;
  std::array<char, 4096> buffer;
  for (;;) {
    const ssize_t got = ::read(output_.get(), buffer.data(), buffer.size());
    if (got > 0) {
      report_.add_output({buffer.data(), static_cast<std::size_t>(got)});
    } else if (got < 0 && errno == EINTR) {
      continue;
    } else {
      if (got == 0 || errno != EAGAIN) output_.reset();
      return;
    }
  }
}

void HookProcess::reap() {
  siginfo_t info{};
  const int waited = ::waitid(P_PIDFD, static_cast<id_t>(process_.get()), &info, WEXITED | WNOHANG);
  if (waited == 0 && info.si_pid == 0) return;
  if (waited == 0) {
    status_ = info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  } else if (errno == EINTR) {
    return;
  }
  process_.reset();
  drain();
}

void HookProcess::ask_to_end() const {
  if (process_) ::syscall(SYS_pidfd_send_signal, process_.get(), SIGTERM, nullptr, 0);
}

Result<void> HookProcess::result(const std::string& service) const {
  if (status_ == 0) return {};
  std::string how = "ended, and its exit status was lost";
  if (status_ && *status_ > 128) {
    how = "was ended by signal " + std::to_string(*status_ - 128);
  } else if (status_) {
    how = "ended with exit status " + std::to_string(*status_);
  }
  Error error = report_.failed(service, how);
  error.native_code = status_;
  return std::unexpected(std::move(error));
}

}  // namespace noforce
