#include "core/scm/supervisor/process.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>

#include "core/scm/supervisor/number.hpp"

namespace noforce::supervisor {
namespace {

constexpr std::uint64_t kForkedNotExecuted = 0x40;  // PF_FORKNOEXEC of the kernel's sched.h

// Reads a small file of /proc as a whole; nothing when the process is gone.
std::optional<std::string> read_proc(std::int64_t pid, const char* file) {
  const std::string path = "/proc/" + std::to_string(pid) + "/" + file;
  const Fd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd) return std::nullopt;
  std::array<char, 8192> buffer;
  const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
  if (got <= 0) return std::nullopt;
  return std::string(buffer.data(), static_cast<std::size_t>(got));
}

// The hexadecimal mask of a line such as "SigCgt:\t0000000180000000".
std::uint64_t mask_of(std::string_view status, std::string_view label) {
  const auto at = status.find(label);
  if (at == std::string_view::npos) return 0;
  auto rest = status.substr(at + label.size());
  rest = rest.substr(0, rest.find('\n'));
  while (!rest.empty() && (rest.front() == '\t' || rest.front() == ' '))
    rest.remove_prefix(1);
  return to_number<std::uint64_t>(rest, 16).value_or(0);
}

}  // namespace

std::optional<ProcessStat> parse_stat(std::string_view line) {
  const auto open = line.find('(');
  const auto close = line.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open ||
      open < 2) {
    return std::nullopt;
  }
  ProcessStat stat;
  const auto pid = to_number<std::int64_t>(line.substr(0, open - 1));
  if (!pid) return std::nullopt;
  stat.pid = *pid;
  // Fields after the name, counted as proc(5) does: 3 is the state.
  std::string_view rest = line.substr(close + 1);
  bool whole = false;
  for (int number = 3; number <= 22; ++number) {
    const auto from = rest.find_first_not_of(" \n");
    if (from == std::string_view::npos) return std::nullopt;
    rest.remove_prefix(from);
    const auto field = rest.substr(0, rest.find_first_of(" \n"));
    rest.remove_prefix(field.size());
    if (number == 3) stat.state = field.front();
    if (number == 4) stat.parent = to_number<std::int64_t>(field).value_or(0);
    if (number == 6) stat.session = to_number<std::int64_t>(field).value_or(0);
    if (number == 9) {
      stat.forked_only = (to_number<std::uint64_t>(field).value_or(0) & kForkedNotExecuted) != 0;
    }
    if (number == 22) {
      const auto time = to_number<std::uint64_t>(field);
      whole = time.has_value();
      stat.start_time = time.value_or(0);
    }
  }
  if (!whole) return std::nullopt;
  return stat;
}

std::optional<ProcessStat> read_stat(std::int64_t pid) {
  const auto line = read_proc(pid, "stat");
  if (!line) return std::nullopt;
  return parse_stat(*line);
}

std::vector<ProcessStat> all_processes() {
  std::vector<ProcessStat> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), ::closedir);
  if (!folder) return found;
  while (const dirent* entry = ::readdir(folder.get())) {
    const auto pid = to_number<std::int64_t>(entry->d_name);
    if (!pid) continue;
    if (const auto stat = read_stat(*pid)) found.push_back(*stat);
  }
  return found;
}

Fd open_pidfd(std::int64_t pid) {
  // By number: glibc 2.36 declares pidfd_open without C linkage.
  return Fd(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0U)));
}

Fd open_pidfd(const ProcessId& process) {
  if (process.pid <= 0) return {};
  Fd pidfd = open_pidfd(process.pid);
  if (!pidfd) return {};
  // Looked at after the pidfd is held: from here on the pid cannot change its owner unseen.
  const auto stat = read_stat(process.pid);
  if (!stat || stat->gone() || stat->start_time != process.start_time) return {};
  return pidfd;
}

int send_signal(const Fd& pidfd, int signal) {
  if (!pidfd) return ESRCH;
  return ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0U) == 0 ? 0 : errno;
}

std::optional<SignalFate> signal_fate(std::int64_t pid, int signal) {
  const auto status = read_proc(pid, "status");
  if (!status || signal < 1 || signal > 64) return std::nullopt;
  const std::uint64_t bit = std::uint64_t{1} << (signal - 1);
  return SignalFate{
      .pending = ((mask_of(*status, "ShdPnd:") | mask_of(*status, "SigPnd:")) & bit) != 0,
      .ignored = (mask_of(*status, "SigIgn:") & bit) != 0,
      .caught = (mask_of(*status, "SigCgt:") & bit) != 0,
      .blocked = (mask_of(*status, "SigBlk:") & bit) != 0};
}

std::string errno_name(int code) {
  const char* name = ::strerrorname_np(code);
  return name == nullptr ? std::string() : std::string(name);
}

std::string errno_sentence(int code) {
  const char* text = ::strerrordesc_np(code);
  return text == nullptr ? "error " + std::to_string(code) : std::string(text);
}

}  // namespace noforce::supervisor
