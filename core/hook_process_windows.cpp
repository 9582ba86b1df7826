#include "core/hook_process_windows.hpp"

#include <windows.h>

#include <algorithm>
#include <array>
#include <mutex>
#include <vector>

#include "core/trusted_program.hpp"
#include "core/windows_error.hpp"

namespace noforce {
namespace {

// A pipe cannot be waited for together with a process: it is looked into so often.
constexpr Milliseconds between_looks{50};

std::unexpected<Error> cannot_run(const std::string& program, const char* what) {
  const DWORD problem = ::GetLastError();
  return windows_error(ErrorKind::hook_failed, "'" + program + "' could not be run: " + what,
                       problem);
}

// Backslashes count only before a quotation mark, and then double.
std::wstring quoted(const std::wstring& argument) {
  if (!argument.empty() && argument.find_first_of(L" \t\n\v\"") == std::wstring::npos) {
    return argument;
  }
  std::wstring out = L"\"";
  std::size_t backslashes = 0;
  for (const wchar_t c : argument) {
    if (c == L'"') out.append(backslashes + 1, L'\\');
    backslashes = c == L'\\' ? backslashes + 1 : 0;
    out += c;
  }
  out.append(backslashes, L'\\');
  return out + L'"';
}

std::wstring windows_directory() {
  std::array<wchar_t, MAX_PATH> path{};
  const UINT length = ::GetSystemWindowsDirectoryW(path.data(), path.size());
  return {path.data(), length < path.size() ? length : 0};
}

// Each ended by a zero, all by another; sorted, as Windows wants it.
std::wstring environment(const std::string& job, const std::string& service) {
  const std::wstring windows = windows_directory();
  std::vector<std::wstring> all = {
      L"NOFORCE_JOB=" + to_wide(job),
      L"NOFORCE_SERVICE=" + to_wide(service),
      L"PATH=" + windows + L"\\System32;" + windows,
      // Without these two the system's own libraries do not load.
      L"SystemDrive=" + windows.substr(0, 2),
      L"SystemRoot=" + windows,
  };
  std::wstring block;
  for (const std::wstring& one : all)
    block += one + L'\0';
  return block + L'\0';
}

// What the process inherits: these handles and no other.
class Inherited {
 public:
  explicit Inherited(std::vector<HANDLE> handles) : handles_(std::move(handles)) {
    SIZE_T size = 0;
    ::InitializeProcThreadAttributeList(nullptr, 1, 0, &size);
    memory_.resize(size);
    made_ = ::InitializeProcThreadAttributeList(list(), 1, 0, &size) != 0;
    good_ = made_ && ::UpdateProcThreadAttribute(list(), 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
                                                 handles_.data(), handles_.size() * sizeof(HANDLE),
                                                 nullptr, nullptr) != 0;
  }
  ~Inherited() {
    if (made_) ::DeleteProcThreadAttributeList(list());
  }
  Inherited(const Inherited&) = delete;
  Inherited& operator=(const Inherited&) = delete;
  [[nodiscard]] bool good() const { return good_; }
  LPPROC_THREAD_ATTRIBUTE_LIST list() {
    return reinterpret_cast<LPPROC_THREAD_ATTRIBUTE_LIST>(memory_.data());
  }

 private:
  std::vector<HANDLE> handles_;
  std::vector<unsigned char> memory_;
  bool made_ = false;
  bool good_ = false;
};

// A service has none. Looked at once, before the first hook: in such a process there is one later on, for
// the moments in which somebody speaks on a hook's.
bool has_console() {
  static const bool has = ::GetConsoleCP() != 0;
  return has;
}

// A process has one console at most: who wants to speak on a hook's waits until it is let go.
std::mutex console_mutex;

}  // namespace

std::wstring command_line_of(const HookCommand& command) {
  std::wstring line;
  for (const std::string& argument : command)
    line += (line.empty() ? L"" : L" ") + quoted(to_wide(argument));
  return line;
}

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
  SECURITY_ATTRIBUTES inherit{.nLength = sizeof(SECURITY_ATTRIBUTES),
                              .lpSecurityDescriptor = nullptr,
                              .bInheritHandle = TRUE};
  HANDLE from = nullptr;
  HANDLE to = nullptr;
  if (::CreatePipe(&from, &to, &inherit, 0) == 0) return cannot_run(program_path, "no pipe");
  hook.output_ = WindowsHandle(from);
  const WindowsHandle output(to);
  ::SetHandleInformation(from, HANDLE_FLAG_INHERIT, 0);
  const WindowsHandle nothing(::CreateFileW(L"NUL", GENERIC_READ,
                                            FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit,
                                            OPEN_EXISTING, 0, nullptr));
  if (!nothing) return cannot_run(program_path, "its input");
  Inherited inherited({nothing.get(), output.get()});
  if (!inherited.good()) return cannot_run(program_path, "its files");

  STARTUPINFOEXW startup{};
  startup.StartupInfo.cb = sizeof startup;
  startup.StartupInfo.dwFlags = STARTF_USESTDHANDLES;
  startup.StartupInfo.hStdInput = nothing.get();
  startup.StartupInfo.hStdOutput = output.get();
  startup.StartupInfo.hStdError = output.get();
  startup.lpAttributeList = inherited.list();
  // A group of its own: Ctrl-C on the agent's console is not for it, and Ctrl-Break can be for it alone.
  DWORD flags =
      CREATE_NEW_PROCESS_GROUP | CREATE_UNICODE_ENVIRONMENT | EXTENDED_STARTUPINFO_PRESENT;
  hook.own_console_ = !has_console();
  if (hook.own_console_) flags |= CREATE_NO_WINDOW;
  std::wstring line = command_line_of(command);
  std::wstring block = environment(job, service);
  const std::wstring program = to_wide(program_path);
  const std::wstring folder = windows_directory().substr(0, 3);
  PROCESS_INFORMATION made{};
  if (::CreateProcessW(program.c_str(), line.data(), nullptr, nullptr, TRUE, flags, block.data(),
                       folder.empty() ? nullptr : folder.c_str(), &startup.StartupInfo,
                       &made) == 0) {
    return cannot_run(program_path, "the system said");
  }
  const WindowsHandle thread(made.hThread);
  hook.process_ = WindowsHandle(made.hProcess);
  hook.pid_ = made.dwProcessId;
  return hook;
}

void HookProcess::drain() {
  std::array<char, 4096> buffer;
  for (;;) {
    DWORD there = 0;
    if (!output_ || ::PeekNamedPipe(output_.get(), nullptr, 0, nullptr, &there, nullptr) == 0) {
      output_.reset();  // nobody writes any more
      return;
    }
    if (there == 0) return;
    DWORD got = 0;
    if (::ReadFile(output_.get(), buffer.data(), std::min<DWORD>(there, buffer.size()), &got,
                   nullptr) == 0) {
      output_.reset();
      return;
    }
    report_.add_output({buffer.data(), got});
  }
}

bool HookProcess::wait(Milliseconds patience, const WindowsHandle& or_for) {
  drain();
  const std::array<HANDLE, 2> handles{process_.get(), or_for.get()};
  const auto time =
      static_cast<DWORD>(std::clamp(patience, Milliseconds(0), between_looks).count());
  if (::WaitForMultipleObjects(handles.size(), handles.data(), FALSE, time) != WAIT_OBJECT_0) {
    return false;
  }
  DWORD status = 0;
  if (::GetExitCodeProcess(process_.get(), &status) != 0) status_ = status;
  drain();
  return true;
}

bool HookProcess::ask_to_end() const {
  if (!own_console_) return ::GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, pid_) != 0;
  const std::lock_guard lock(console_mutex);
  if (::AttachConsole(pid_) == 0) return false;
  const bool asked = ::GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, pid_) != 0;
  ::FreeConsole();
  return asked;
}

Result<void> HookProcess::result(const std::string& service) const {
  if (status_ == 0U) return {};
  Error error =
      report_.failed(service, status_ ? "ended with exit status " + std::to_string(*status_)
                                      : "ended, and its exit status was lost");
  error.native_code = status_;
  return std::unexpected(std::move(error));
}

}  // namespace noforce
