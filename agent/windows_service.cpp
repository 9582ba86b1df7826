#include "agent/windows_service.hpp"

#include <windows.h>

#include <array>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "agent/own_status.hpp"
#include "agent/process.hpp"
#include "agent/signals_windows.hpp"
#include "agent/start_watch.hpp"
#include "core/scm/windows/handles_windows.hpp"
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
// When the agent dies and does not say that it stops: so a start that fails on a mistake in the settings
// (1066) is not repeated for ever. After the third time it is always the last (SERVICE_FAILURE_ACTIONS).
constexpr std::array recovery_ms{DWORD{1'000}, DWORD{10'000}, DWORD{60'000}};
constexpr DWORD recovered_after_s = 24 * 60 * 60;  // then the next death counts as the first

void set_status(SERVICE_STATUS_HANDLE handle, const windows::StatusRecord& said) {
  SERVICE_STATUS status{.dwServiceType = SERVICE_WIN32_OWN_PROCESS,
                        .dwCurrentState = said.state,
                        .dwControlsAccepted = said.accepts,
                        .dwWin32ExitCode = said.exit_code,
                        .dwServiceSpecificExitCode = said.service_code,
                        .dwCheckPoint = said.checkpoint,
                        .dwWaitHint = said.wait_hint};
  ::SetServiceStatus(handle, &status);
}

// Windows calls back without a word of ours, so there is one of these a process.
struct Running {
  std::string name;
  std::function<int()> agent;
  OwnStatus status;
  HANDLE events = nullptr;
  int exit_status = 0;
};

Running& running() {
  static Running one;
  return one;
}

void say(DWORD state, Milliseconds patience, int exit_status = 0) {
  running().status.say(state, patience, system_clock().mono(), exit_status);
}

DWORD WINAPI on_control(DWORD control, DWORD, void*, void*) {
  switch (control) {
    case SERVICE_CONTROL_STOP:
    case SERVICE_CONTROL_PRESHUTDOWN:
    case SERVICE_CONTROL_SHUTDOWN:
      say(SERVICE_STOP_PENDING, own_wait_hint);
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
  self.status.begin([handle](const windows::StatusRecord& said) { set_status(handle, said); });
  say(SERVICE_START_PENDING, own_wait_hint);
  {
    const Pulse pulse(between_checkpoints, [&self] { self.status.say_on(system_clock().mono()); });
    self.exit_status = self.agent();
    // On an error that came before it ran, too: its text is in the log and in the event log.
    say(SERVICE_STOP_PENDING, own_wait_hint);
    if (self.events != nullptr) ::DeregisterEventSource(self.events);
    self.events = nullptr;
  }
  say(SERVICE_STOPPED, Milliseconds(0), self.exit_status);
}

std::unexpected<Error> scm_error(const std::string& what, DWORD code) {
  auto error = windows_error(windows_kind(code, ErrorKind::scm_failure), what, code);
  switch (code) {
    case ERROR_ACCESS_DENIED:
      error.error().detail += "; do this as an administrator";
      break;
    case ERROR_SERVICE_DOES_NOT_EXIST:
      error.error().kind = ErrorKind::not_found;
      error.error().detail += "; install it with `noforce service install`";
      break;
    case ERROR_SERVICE_EXISTS:
      error.error().kind = ErrorKind::already_done;
      error.error().detail += "; take it away first with `noforce service uninstall`";
      break;
    case ERROR_SERVICE_MARKED_FOR_DELETE:
      error.error().detail += "; close what still looks at it (services.msc), or restart Windows";
      break;
    default:
      break;
  }
  return error;
}

Result<windows::UniqueScHandle> open_manager(DWORD access) {
  windows::UniqueScHandle manager(::OpenSCManagerW(nullptr, nullptr, access));
  if (!manager) {
    return scm_error("the service control manager cannot be reached", ::GetLastError());
  }
  return manager;
}

Result<windows::UniqueScHandle> open_service(SC_HANDLE manager, const std::string& name,
                                             DWORD access) {
  windows::UniqueScHandle service(::OpenServiceW(manager, to_wide(name).c_str(), access));
  if (!service) return scm_error("the service " + name + " cannot be opened", ::GetLastError());
  return service;
}

std::optional<windows::StatusRecord> status_of(SC_HANDLE service) {
  SERVICE_STATUS_PROCESS status{};
  DWORD needed = 0;
  if (::QueryServiceStatusEx(service, SC_STATUS_PROCESS_INFO, reinterpret_cast<BYTE*>(&status),
                             sizeof status, &needed) == 0) {
    return std::nullopt;
  }
  return windows::StatusRecord{.state = status.dwCurrentState,
                               .exit_code = status.dwWin32ExitCode,
                               .service_code = status.dwServiceSpecificExitCode,
                               .checkpoint = status.dwCheckPoint,
                               .wait_hint = status.dwWaitHint};
}

bool set_recovery(SC_HANDLE service) {
  std::array<SC_ACTION, recovery_ms.size()> actions{};
  for (std::size_t i = 0; i < actions.size(); ++i)
    actions.at(i) = {.Type = SC_ACTION_RESTART, .Delay = recovery_ms.at(i)};
  SERVICE_FAILURE_ACTIONSW recovery{};
  recovery.dwResetPeriod = recovered_after_s;
  recovery.cActions = static_cast<DWORD>(actions.size());
  recovery.lpsaActions = actions.data();
  return ::ChangeServiceConfig2W(service, SERVICE_CONFIG_FAILURE_ACTIONS, &recovery) != 0;
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

// runs or ask_again; else an error.
Result<StartStep> wait_for_start(SC_HANDLE service, const std::string& name, bool was_up) {
  constexpr Milliseconds look{100};
  StartWatch watch(was_up, system_clock().mono());
  for (;;) {
    const auto status = status_of(service);
    if (!status) {
      return scm_error("the service " + name + " cannot be looked at", ::GetLastError());
    }
    const StartStep step = watch.look(*status, system_clock().mono());
    switch (step) {
      case StartStep::runs:
      case StartStep::ask_again:
        return step;
      case StartStep::ended:
        return std::unexpected(Error{
            .kind = ErrorKind::start_failed,
            .detail = "the service " + name +
                      " ended while it started; its log and the event log say why",
            .service = name,
            .native_code = status->exit_code == ERROR_SERVICE_SPECIFIC_ERROR ? status->service_code
                                                                             : status->exit_code});
      case StartStep::no_progress:
        return fail(ErrorKind::timeout,
                    "the service " + name +
                        (status->state == SERVICE_STOP_PENDING
                             ? " is still stopping and shows no progress; it is left as it is"
                             : " shows no progress in starting; it is left as it is"));
      case StartStep::look_again:
        std::this_thread::sleep_for(look);
    }
  }
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
  say(SERVICE_RUNNING, Milliseconds(0));
}

void say_stopping(Milliseconds patience) {
  say(SERVICE_STOP_PENDING, patience);
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
  const windows::UniqueScHandle service(::CreateServiceW(
      manager->get(), to_wide(installation.name).c_str(),
      display_name_of(installation.name).c_str(),
      // "SERVICE_START ... if the service controller handles the SC_ACTION_RESTART action".
      SERVICE_CHANGE_CONFIG | SERVICE_START | DELETE, SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START,
      SERVICE_ERROR_NORMAL, line.c_str(), nullptr, nullptr, nullptr, nullptr, nullptr));
  if (!service) {
    return scm_error("the service " + installation.name + " cannot be made", ::GetLastError());
  }
  // No agent that dies may leave down what it was about to start.
  if (!set_recovery(service.get())) {
    const DWORD problem = ::GetLastError();
    ::DeleteService(service.get());
    return scm_error(
        "the service manager does not take to start " + installation.name + " again after it died",
        problem);
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
  if (status && status->state != SERVICE_STOPPED) {
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
  for (;;) {
    const bool asked = ::StartServiceW(service->get(), 0, nullptr) != 0;
    const DWORD problem = asked ? ERROR_SUCCESS : ::GetLastError();
    if (!asked && problem != ERROR_SERVICE_ALREADY_RUNNING) {
      return scm_error("the service " + name + " cannot be started", problem);
    }
    const auto step = wait_for_start(service->get(), name, !asked);
    if (!step) return std::unexpected(step.error());
    if (*step == StartStep::runs) return {};
  }
}

}  // namespace noforce::agent
