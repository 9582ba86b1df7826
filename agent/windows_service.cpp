#include "agent/windows_service.hpp"

#include <windows.h>

#include <algorithm>
#include <array>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "agent/process.hpp"
#include "agent/signals_windows.hpp"
#include "core/thread_safety.hpp"
#include "core/windows_error.hpp"

namespace noforce::agent {
namespace {

// Unique among all services, as their names are.
std::wstring display_name_of(const std::string& name) {
  return L"noforce: graceful service restarts" +
         (name == "noforce" ? L"" : L" (" + to_wide(name) + L")");
}

constexpr const wchar_t* description =
    L"Stops, starts and restarts services over HTTPS, in order and patiently, and never kills one.";
constexpr DWORD preshutdown_ms = 180'000;
constexpr Milliseconds to_begin{30'000};

// What the SCM was told last. Stop and checkpoints come from several threads.
class Status {
 public:
  void begin(SERVICE_STATUS_HANDLE handle) {
    const MutexLock lock(mutex_);
    handle_ = handle;
  }
  void say(DWORD state, Milliseconds patience, DWORD exit_code = NO_ERROR) {
    const MutexLock lock(mutex_);
    // Once it stops it does not start any more, whoever is late with his word.
    if (handle_ == nullptr || state_ == SERVICE_STOPPED) return;
    if (state_ == SERVICE_STOP_PENDING && state != SERVICE_STOPPED &&
        state != SERVICE_STOP_PENDING) {
      return;
    }
    const bool pending = state == SERVICE_START_PENDING || state == SERVICE_STOP_PENDING;
    checkpoint_ = pending ? (state == state_ ? checkpoint_ + 1 : 1) : 0;
    state_ = state;
    hint_ = pending ? static_cast<DWORD>(patience.count()) : 0;
    exit_code_ = exit_code;
    tell();
  }
  void say_again() {
    const MutexLock lock(mutex_);
    if (handle_ != nullptr) tell();
  }

 private:
  void tell() NOFORCE_REQUIRES(mutex_) {
    SERVICE_STATUS status{};
    status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
    status.dwCurrentState = state_;
    status.dwControlsAccepted =
        state_ == SERVICE_RUNNING
            ? SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_PRESHUTDOWN | SERVICE_ACCEPT_PARAMCHANGE
            : 0;
    // The program's own statuses are no codes of Windows'.
    status.dwWin32ExitCode = exit_code_ == NO_ERROR ? NO_ERROR : ERROR_SERVICE_SPECIFIC_ERROR;
    status.dwServiceSpecificExitCode = exit_code_;
    status.dwCheckPoint = checkpoint_;
    status.dwWaitHint = hint_;
    ::SetServiceStatus(handle_, &status);
  }

  Mutex mutex_;
  SERVICE_STATUS_HANDLE handle_ NOFORCE_GUARDED_BY(mutex_) = nullptr;
  DWORD state_ NOFORCE_GUARDED_BY(mutex_) = SERVICE_START_PENDING;
  DWORD checkpoint_ NOFORCE_GUARDED_BY(mutex_) = 0;
  DWORD hint_ NOFORCE_GUARDED_BY(mutex_) = 0;
  DWORD exit_code_ NOFORCE_GUARDED_BY(mutex_) = NO_ERROR;
};

// Windows calls back without a word of ours, so there is one of these a process.
struct Running {
  std::string name;
  std::function<int()> agent;
  Status status;
  HANDLE events = nullptr;
  int exit_status = 0;
};

Running& running() {
  static Running one;
  return one;
}

DWORD WINAPI on_control(DWORD control, DWORD, void*, void*) {
  switch (control) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_PRESHUTDOWN:
    case SERVICE_CONTROL_SHUTDOWN:
      running().status.say(SERVICE_STOP_PENDING, to_begin);
      tell(Told::end);
      return NO_ERROR;
    case SERVICE_CONTROL_PARAMCHANGE:
      tell(Told::reload);
      return NO_ERROR;
    case SERVICE_CONTROL_INTERROGATE:
      running().status.say_again();
      return NO_ERROR;
    default:
      return ERROR_CALL_NOT_IMPLEMENTED;
  }
}

void WINAPI service_main(DWORD, wchar_t**) {
  Running& self = running();
  const std::wstring name = to_wide(self.name);
  const SERVICE_STATUS_HANDLE handle =
      ::RegisterServiceCtrlHandlerExW(name.c_str(), on_control, nullptr);
  if (handle == nullptr) return;
  self.events = ::RegisterEventSourceW(nullptr, name.c_str());
  self.status.begin(handle);
  self.status.say(SERVICE_START_PENDING, to_begin);
  self.exit_status = self.agent();
  // On an error that came before it ran, too: its text is in the log and in the event log.
  self.status.say(SERVICE_STOP_PENDING, to_begin);
  if (self.events != nullptr) ::DeregisterEventSource(self.events);
  self.events = nullptr;
  self.status.say(SERVICE_STOPPED, Milliseconds(0), static_cast<DWORD>(self.exit_status));
}

struct CloseService {
  void operator()(SC_HANDLE handle) const { ::CloseServiceHandle(handle); }
};
using ServiceHandle = std::unique_ptr<SC_HANDLE__, CloseService>;

std::unexpected<Error> scm_error(const std::string& what, DWORD code) {
  auto error = windows_error(windows_kind(code, ErrorKind::scm_failure), what, code);
  switch (code) {
    case ERROR_ACCESS_DENIED:
      error.error().detail += "; do this as an administrator";
      break;
    case ERROR_SERVICE_DOES_NOT_EXIST:
      error.error().kind = ErrorKind::not_found;
      error.error().native_name = "ERROR_SERVICE_DOES_NOT_EXIST";
      error.error().detail += "; install it with `noforce service install`";
      break;
    case ERROR_SERVICE_EXISTS:
      error.error().kind = ErrorKind::already_done;
      error.error().native_name = "ERROR_SERVICE_EXISTS";
      error.error().detail += "; take it away first with `noforce service uninstall`";
      break;
    case ERROR_SERVICE_MARKED_FOR_DELETE:
      error.error().native_name = "ERROR_SERVICE_MARKED_FOR_DELETE";
      error.error().detail += "; close what still looks at it (services.msc), or restart Windows";
      break;
    default:
      break;
  }
  return error;
}

Result<ServiceHandle> open_manager(DWORD access) {
  ServiceHandle manager(::OpenSCManagerW(nullptr, nullptr, access));
  if (!manager) {
    return scm_error("the service control manager cannot be reached", ::GetLastError());
  }
  return manager;
}

Result<ServiceHandle> open_service(SC_HANDLE manager, const std::string& name, DWORD access) {
  ServiceHandle service(::OpenServiceW(manager, to_wide(name).c_str(), access));
  if (!service) return scm_error("the service " + name + " cannot be opened", ::GetLastError());
  return service;
}

std::optional<SERVICE_STATUS_PROCESS> status_of(SC_HANDLE service) {
  SERVICE_STATUS_PROCESS status{};
  DWORD needed = 0;
  if (::QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, reinterpret_cast<BYTE*>(&status),
                             sizeof status, &needed) == 0) {
    return std::nullopt;
  }
  return status;
}

std::wstring quoted(const std::string& path) {
  return L"\"" + to_wide(path) + L"\"";
}

// EventCreate's messages are the text itself; so no library of messages has to be installed.
void register_event_source(const std::string& name) {
  const std::wstring path =
      L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\" + to_wide(name);
  HKEY key = nullptr;
  if (::RegCreateKeyExW(HKEY_LOCAL_MACHINE, path.c_str(), 0, nullptr, 0, KEY_WRITE, nullptr, &key,
                        nullptr) != ERROR_SUCCESS) {
    return;
  }
  constexpr std::wstring_view file = L"%SystemRoot%\\System32\\EventCreate.exe";
  const DWORD types = EVENTLOG_ERROR_TYPE | EVENTLOG_WARNING_TYPE | EVENTLOG_INFORMATION_TYPE;
  ::RegSetValueExW(key, L"EventMessageFile", 0, REG_EXPAND_SZ,
                   reinterpret_cast<const BYTE*>(file.data()),
                   static_cast<DWORD>((file.size() + 1) * sizeof(wchar_t)));
  ::RegSetValueExW(key, L"TypesSupported", 0, REG_DWORD, reinterpret_cast<const BYTE*>(&types),
                   sizeof types);
  ::RegCloseKey(key);
}

void forget_event_source(const std::string& name) {
  const std::wstring path =
      L"SYSTEM\\CurrentControlSet\\Services\\EventLog\\Application\\" + to_wide(name);
  ::RegDeleteKeyW(HKEY_LOCAL_MACHINE, path.c_str());
}

}  // namespace

std::string own_service() {
  return running().name;
}

Result<int> run_as_service(const std::string& name, const std::function<int()>& agent) {
  running().name = name;
  running().agent = agent;
  std::wstring wide = to_wide(name);
  const std::array<SERVICE_TABLE_ENTRYW, 2> table{
      {{.lpServiceName = wide.data(), .lpServiceProc = service_main},
       {.lpServiceName = nullptr, .lpServiceProc = nullptr}}};
  if (::StartServiceCtrlDispatcherW(table.data()) == 0) {
    const DWORD problem = ::GetLastError();
    return windows_error(ErrorKind::scm_unavailable,
                         "`serve --service` is for the service control manager; start it with "
                         "`noforce service start`, or run `noforce serve`",
                         problem);
  }
  return running().exit_status;
}

void say_running() {
  running().status.say(SERVICE_RUNNING, Milliseconds(0));
}

void say_stopping(Milliseconds patience) {
  running().status.say(SERVICE_STOP_PENDING, patience);
}

void report_event(EventKind kind, std::string_view text) {
  if (running().events == nullptr) return;
  const std::wstring wide = to_wide(text);
  const wchar_t* strings = wide.c_str();
  WORD type = EVENTLOG_INFORMATION_TYPE;
  if (kind == EventKind::warning) type = EVENTLOG_WARNING_TYPE;
  if (kind == EventKind::error) type = EVENTLOG_ERROR_TYPE;
  ::ReportEventW(running().events, type, 0, 1, nullptr, 1, 0, &strings, nullptr);
}

Result<void> install_service(const ServiceInstallation& installation) {
  const std::string program = this_executable();
  if (program.empty()) return fail(ErrorKind::internal, "the path of noforce.exe is not known");
  const auto manager = open_manager(SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE);
  if (!manager) return std::unexpected(manager.error());
  std::wstring line = quoted(program) + L" serve --service " + quoted(installation.name);
  if (!installation.config.empty()) line += L" --config " + quoted(installation.config);
  const ServiceHandle service(::CreateServiceW(
      manager->get(), to_wide(installation.name).c_str(),
      display_name_of(installation.name).c_str(), SERVICE_CHANGE_CONFIG | SERVICE_QUERY_STATUS,
      SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START, SERVICE_ERROR_NORMAL, line.c_str(), nullptr,
      nullptr, nullptr, nullptr, nullptr));
  if (!service) {
    return scm_error("the service " + installation.name + " cannot be made", ::GetLastError());
  }
  // What follows is for comfort: the service is there and works without.
  SERVICE_DESCRIPTIONW words{.lpDescription = const_cast<wchar_t*>(description)};
  ::ChangeServiceConfig2W(service.get(), SERVICE_CONFIG_DESCRIPTION, &words);
  SERVICE_PRESHUTDOWN_INFO patience{.dwPreshutdownTimeout = preshutdown_ms};
  ::ChangeServiceConfig2W(service.get(), SERVICE_CONFIG_PRESHUTDOWN_INFO, &patience);
  // The services that it looks after start without waiting for it.
  SERVICE_DELAYED_AUTO_START_INFO delayed{.fDelayedAutostart = TRUE};
  ::ChangeServiceConfig2W(service.get(), SERVICE_CONFIG_DELAYED_AUTO_START_INFO, &delayed);
  register_event_source(installation.name);
  return {};
}

Result<void> uninstall_service(const std::string& name) {
  const auto manager = open_manager(SC_MANAGER_CONNECT);
  if (!manager) return std::unexpected(manager.error());
  const auto service = open_service(manager->get(), name, DELETE | SERVICE_QUERY_STATUS);
  if (!service) return std::unexpected(service.error());
  const auto status = status_of(service->get());
  if (status && status->dwCurrentState != SERVICE_STOPPED) {
    return fail(ErrorKind::busy, "the service " + name + " runs; stop it first: sc stop " + name);
  }
  if (::DeleteService(service->get()) == 0) {
    return scm_error("the service " + name + " cannot be taken away", ::GetLastError());
  }
  forget_event_source(name);
  return {};
}

Result<void> start_service(const std::string& name) {
  const auto manager = open_manager(SC_MANAGER_CONNECT);
  if (!manager) return std::unexpected(manager.error());
  const auto service = open_service(manager->get(), name, SERVICE_START | SERVICE_QUERY_STATUS);
  if (!service) return std::unexpected(service.error());
  if (::StartServiceW(service->get(), 0, nullptr) == 0) {
    const DWORD problem = ::GetLastError();
    if (problem != ERROR_SERVICE_ALREADY_RUNNING) {
      return scm_error("the service " + name + " cannot be started", problem);
    }
  }
  constexpr Milliseconds look{100};
  DWORD checkpoint = 0;
  MonoTime until = system_clock().mono() + to_begin;
  for (;;) {
    const auto status = status_of(service->get());
    if (!status) {
      return scm_error("the service " + name + " cannot be looked at", ::GetLastError());
    }
    if (status->dwCurrentState == SERVICE_RUNNING) return {};
    if (status->dwCurrentState == SERVICE_STOPPED) {
      Error error{.kind = ErrorKind::start_failed,
                  .detail = "the service " + name +
                            " ended while it started; its log and the event log say why",
                  .service = name};
      error.native_code = status->dwWin32ExitCode == ERROR_SERVICE_SPECIFIC_ERROR
                              ? status->dwServiceSpecificExitCode
                              : status->dwWin32ExitCode;
      return std::unexpected(std::move(error));
    }
    const MonoTime now = system_clock().mono();
    if (status->dwCheckPoint != checkpoint) {
      checkpoint = status->dwCheckPoint;
      until = now + std::max(to_begin, Milliseconds(status->dwWaitHint));
    } else if (now >= until) {
      return fail(ErrorKind::timeout,
                  "the service " + name + " shows no progress in starting; it is left as it is");
    }
    std::this_thread::sleep_for(look);
  }
}

}  // namespace noforce::agent
