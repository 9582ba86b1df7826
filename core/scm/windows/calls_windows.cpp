// The real table: advapi32 and kernel32, linked statically, and what Wine (or an older Windows) has
// not, found by name.

// clang-format off: the first of these has to be the first
#include <windows.h>
#include <tlhelp32.h>
#include <winsvc.h>
// clang-format on

#include <algorithm>
#include <cstddef>
#include <deque>
#include <iterator>
#include <map>
#include <vector>

#include "core/scm/windows/calls.hpp"
#include "core/scm/windows/dependencies.hpp"
#include "core/scm/windows/handles_windows.hpp"
#include "core/thread_safety.hpp"
#include "core/windows_error.hpp"
#include "core/windows_handle.hpp"

namespace noforce::windows {
namespace {

// ---- texts

std::string narrow(const wchar_t* text) {
  return text == nullptr ? std::string() : to_utf8(text);
}

// "A\0B\0\0", as lpDependencies and REG_MULTI_SZ have it.
std::vector<std::string> narrow_strings(const wchar_t* text) {
  std::vector<std::string> out;
  while (text != nullptr && *text != L'\0') {
    out.push_back(narrow(text));
    text += std::wcslen(text) + 1;
  }
  return out;
}

// ---- buffers that the system wants larger

// Bytes aligned for any structure of the SCM.
class Buffer {
 public:
  explicit Buffer(std::size_t size) { grow(size); }
  void grow(std::size_t size) { units_.resize(size / sizeof(std::max_align_t) + 1); }
  [[nodiscard]] BYTE* bytes() { return reinterpret_cast<BYTE*>(units_.data()); }
  [[nodiscard]] DWORD size() const {
    return static_cast<DWORD>(units_.size() * sizeof(std::max_align_t));
  }
  template <typename T>
  [[nodiscard]] T* as() {
    return reinterpret_cast<T*>(units_.data());
  }

 private:
  std::vector<std::max_align_t> units_;
};

constexpr std::size_t kQueryBuffer = 8 * 1024;   // "The maximum size of this array is 8K bytes"
constexpr std::size_t kListBuffer = 256 * 1024;  // "... 256K bytes" (EnumServicesStatusEx)

// Calls `query` until its buffer is large enough. 0, or the error.
template <typename Query>
Code with_room(Buffer& buffer, const Query& query) {
  for (int tries = 0; tries < 8; ++tries) {
    DWORD needed = 0;
    if (query(buffer.bytes(), buffer.size(), &needed)) return code::success;
    const DWORD failed = GetLastError();
    if (failed != ERROR_INSUFFICIENT_BUFFER && failed != ERROR_MORE_DATA) return failed;
    buffer.grow(std::max<std::size_t>(needed, 2 * std::size_t{buffer.size()}));
  }
  return ERROR_INSUFFICIENT_BUFFER;
}

// ---- records

StatusRecord record_of(const SERVICE_STATUS_PROCESS& status) {
  return {.type = status.dwServiceType,
          .state = status.dwCurrentState,
          .accepts = status.dwControlsAccepted,
          .exit_code = status.dwWin32ExitCode,
          .service_code = status.dwServiceSpecificExitCode,
          .checkpoint = status.dwCheckPoint,
          .wait_hint = status.dwWaitHint,
          .pid = status.dwProcessId};
}

std::vector<std::string> registry_strings(const std::wstring& key, const wchar_t* value) {
  DWORD size = 0;
  if (RegGetValueW(HKEY_LOCAL_MACHINE, key.c_str(), value, RRF_RT_REG_MULTI_SZ, nullptr, nullptr,
                   &size) != ERROR_SUCCESS) {
    return {};
  }
  std::vector<wchar_t> text(size / sizeof(wchar_t) + 2, L'\0');
  size = static_cast<DWORD>(text.size() * sizeof(wchar_t));
  if (RegGetValueW(HKEY_LOCAL_MACHINE, key.c_str(), value, RRF_RT_REG_MULTI_SZ, nullptr,
                   text.data(), &size) != ERROR_SUCCESS) {
    return {};
  }
  text.back() = L'\0';
  return narrow_strings(text.data());
}

std::uint64_t time_of(const FILETIME& time) {
  return (std::uint64_t{time.dwHighDateTime} << 32) | time.dwLowDateTime;
}

SC_HANDLE sc(std::uintptr_t value) {
  return reinterpret_cast<SC_HANDLE>(value);
}
HANDLE kernel(std::uintptr_t value) {
  return reinterpret_cast<HANDLE>(value);
}

// ---- what is found by name

using ControlServiceExPointer = BOOL(WINAPI*)(SC_HANDLE, DWORD, DWORD, PVOID);
constexpr DWORD kStatusReasonInfo = 1;  // SERVICE_CONTROL_STATUS_REASON_INFO

template <typename Pointer>
Pointer advapi(const char* name) {
  const HMODULE module = GetModuleHandleW(L"advapi32.dll");
  if (module == nullptr) return nullptr;
  return reinterpret_cast<Pointer>(reinterpret_cast<void*>(GetProcAddress(module, name)));
}

// What is to be told by the next wait(). Callbacks of any thread put it in and do no more.
class Inbox {
 public:
  Inbox() : event_(CreateEventW(nullptr, FALSE, FALSE, nullptr)) {}

  void service(const std::string& name) {
    MutexLock lock(mutex_);
    if (std::find(woken_.services.begin(), woken_.services.end(), name) == woken_.services.end()) {
      woken_.services.push_back(name);
    }
    SetEvent(event_.get());
  }
  void process(std::uint32_t pid) {
    MutexLock lock(mutex_);
    woken_.processes.push_back(pid);
    SetEvent(event_.get());
  }
  void wake() { SetEvent(event_.get()); }
  [[nodiscard]] HANDLE event() const { return event_.get(); }
  [[nodiscard]] Woken take() {
    MutexLock lock(mutex_);
    return std::exchange(woken_, {});
  }

 private:
  WindowsHandle event_;
  Mutex mutex_;
  Woken woken_ NOFORCE_GUARDED_BY(mutex_);
};

// One service's notification. "The buffer must remain valid until the callback or until the handle is
// closed" (NotifyServiceStatusChange), so it stays where it is as long as the table lives.
struct Notice {
  Inbox* inbox = nullptr;
  std::string name;
  UniqueScHandle service;
  SERVICE_NOTIFYW buffer{};
  bool armed = false;
  bool deleted = false;  // marked for deletion, which our handle holds up

  static void CALLBACK notified(PVOID parameter) {  // an APC, on the thread that waits
    auto* buffer = static_cast<SERVICE_NOTIFYW*>(parameter);
    auto* notice = static_cast<Notice*>(buffer->pContext);
    notice->armed = false;
    if (buffer->dwNotificationStatus != ERROR_SUCCESS) notice->deleted = true;
    if ((buffer->dwNotificationTriggered & SERVICE_NOTIFY_DELETE_PENDING) != 0) {
      notice->deleted = true;
    }
    notice->inbox->service(notice->name);
  }
};

struct ProcessWait {
  Inbox* inbox = nullptr;
  std::uint32_t pid = 0;
  HANDLE wait = nullptr;

  static void CALLBACK ended(PVOID context, BOOLEAN) {
    const auto* wait = static_cast<ProcessWait*>(context);
    wait->inbox->process(wait->pid);
  }
};

constexpr DWORD kAnyChange = SERVICE_NOTIFY_STOPPED | SERVICE_NOTIFY_START_PENDING |
                             SERVICE_NOTIFY_STOP_PENDING | SERVICE_NOTIFY_RUNNING |
                             SERVICE_NOTIFY_CONTINUE_PENDING | SERVICE_NOTIFY_PAUSE_PENDING |
                             SERVICE_NOTIFY_PAUSED | SERVICE_NOTIFY_DELETE_PENDING;

// The states to be told of: all but the one that was seen, which would be told at once again.
DWORD mask_without(std::uint32_t seen) {
  if (seen < SERVICE_STOPPED || seen > SERVICE_PAUSED) return kAnyChange;
  return kAnyChange & ~(DWORD{1} << (seen - 1));
}

constexpr std::size_t kMostRetired = 256;

class SystemCalls final : public Calls {
 public:
  ~SystemCalls() override {
    for (auto& [handle, wait] : process_waits_)
      UnregisterWaitEx(wait->wait, INVALID_HANDLE_VALUE);
  }

  Answer<ManagerHandle> open_manager(std::uint32_t rights) override {
    const SC_HANDLE opened = OpenSCManagerW(nullptr, SERVICES_ACTIVE_DATABASEW, rights);
    if (opened == nullptr) return std::unexpected(GetLastError());
    return ManagerHandle(*this, reinterpret_cast<std::uintptr_t>(opened));
  }

  Answer<ServiceHandle> open_service(const ManagerHandle& manager, const std::string& name,
                                     std::uint32_t rights) override {
    const SC_HANDLE opened = OpenServiceW(sc(manager.get()), to_wide(name).c_str(), rights);
    if (opened == nullptr) return std::unexpected(GetLastError());
    return ServiceHandle(*this, reinterpret_cast<std::uintptr_t>(opened));
  }

  Answer<std::vector<ListedService>> list_services(const ManagerHandle& manager) override {
    return list(manager, SERVICE_WIN32);
  }

  Answer<std::vector<std::string>> list_drivers(const ManagerHandle& manager) override {
    auto listed = list(manager, SERVICE_DRIVER);
    if (!listed) return std::unexpected(listed.error());
    std::vector<std::string> names;
    for (auto& one : *listed)
      names.push_back(std::move(one.name));
    return names;
  }

  Answer<StatusRecord> query_status(const ServiceHandle& service) override {
    SERVICE_STATUS_PROCESS status{};
    DWORD needed = 0;
    if (!QueryServiceStatusEx(sc(service.get()), SC_STATUS_PROCESS_INFO,
                              reinterpret_cast<BYTE*>(&status), sizeof status, &needed)) {
      return std::unexpected(GetLastError());
    }
    return record_of(status);
  }

  Answer<ConfigRecord> query_config(const ServiceHandle& service,
                                    const std::string& name) override {
    Buffer buffer(kQueryBuffer);
    const Code failed = with_room(buffer, [&](BYTE* bytes, DWORD size, DWORD* needed) {
      return QueryServiceConfigW(sc(service.get()), reinterpret_cast<QUERY_SERVICE_CONFIGW*>(bytes),
                                 size, needed);
    });
    if (failed != code::success) return std::unexpected(failed);
    const auto* config = buffer.as<QUERY_SERVICE_CONFIGW>();
    ConfigRecord record{.display_name = narrow(config->lpDisplayName),
                        .type = config->dwServiceType,
                        .start = config->dwStartType,
                        .load_group = narrow(config->lpLoadOrderGroup),
                        .dependencies = narrow_strings(config->lpDependencies)};
    if (record.dependencies.empty()) {
      const std::wstring key = L"SYSTEM\\CurrentControlSet\\Services\\" + to_wide(name);
      record.dependencies = registry_strings(key, L"DependOnService");
      for (const auto& group : registry_strings(key, L"DependOnGroup"))
        record.dependencies.push_back("+" + group);
    }
    return record;
  }

  Answer<RecoveryRecord> query_recovery(const ServiceHandle& service) override {
    Buffer buffer(kQueryBuffer);
    if (const Code failed = config2(service, SERVICE_CONFIG_FAILURE_ACTIONS, buffer)) {
      return std::unexpected(failed);
    }
    RecoveryRecord record;
    const auto* actions = buffer.as<SERVICE_FAILURE_ACTIONSW>();
    for (DWORD n = 0; actions->lpsaActions != nullptr && n < actions->cActions; ++n) {
      record.steps.push_back({.action = static_cast<RecoveryAction>(actions->lpsaActions[n].Type),
                              .delay_ms = actions->lpsaActions[n].Delay});
    }
    if (config2(service, SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, buffer) == code::success) {
      record.on_error_exit =
          buffer.as<SERVICE_FAILURE_ACTIONS_FLAG>()->fFailureActionsOnNonCrashFailures != FALSE;
    }
    return record;
  }

  Answer<std::vector<TriggerRecord>> query_triggers(const ServiceHandle& service) override {
    Buffer buffer(kQueryBuffer);
    if (const Code failed = config2(service, SERVICE_CONFIG_TRIGGER_INFO, buffer)) {
      return std::unexpected(failed);
    }
    // SERVICE_TRIGGER and SERVICE_TRIGGER_INFO, which MinGW's winsvc.h does not have.
    struct Trigger {
      DWORD kind;
      DWORD action;
      GUID* subtype;
      DWORD items;
      void* item;
    };
    struct TriggerInfo {
      DWORD count;
      Trigger* triggers;
      BYTE* reserved;
    };
    constexpr DWORD kStarts = 1;  // SERVICE_TRIGGER_ACTION_SERVICE_START
    const auto* info = buffer.as<TriggerInfo>();
    std::vector<TriggerRecord> records;
    for (DWORD n = 0; info->triggers != nullptr && n < info->count; ++n) {
      records.push_back(
          {.kind = info->triggers[n].kind, .starts = info->triggers[n].action == kStarts});
    }
    return records;
  }

  Answer<std::vector<std::string>> list_dependents(const ServiceHandle& service) override {
    Buffer buffer(kQueryBuffer);
    DWORD count = 0;
    const Code failed = with_room(buffer, [&](BYTE* bytes, DWORD size, DWORD* needed) {
      return EnumDependentServicesW(sc(service.get()), SERVICE_STATE_ALL,
                                    reinterpret_cast<ENUM_SERVICE_STATUSW*>(bytes), size, needed,
                                    &count);
    });
    if (failed != code::success) return std::unexpected(failed);
    std::vector<std::string> names;
    const auto* rows = buffer.as<ENUM_SERVICE_STATUSW>();
    for (DWORD n = 0; n < count; ++n)
      names.push_back(narrow(rows[n].lpServiceName));
    return names;
  }

  std::vector<std::string> group_order() override {
    return registry_strings(L"SYSTEM\\CurrentControlSet\\Control\\ServiceGroupOrder", L"List");
  }

  Code start_service(const ServiceHandle& service) override {
    return StartServiceW(sc(service.get()), 0, nullptr) ? code::success : GetLastError();
  }

  Code control_service(const ServiceHandle& service, std::uint32_t control) override {
    SERVICE_STATUS unread{};  // no rule says that it is filled in when the call fails
    return ControlService(sc(service.get()), control, &unread) ? code::success : GetLastError();
  }

  std::optional<Code> control_with_reason(const ServiceHandle& service, std::uint32_t control,
                                          std::uint32_t reason,
                                          const std::string& comment) override {
    if (control_service_ex_ == nullptr) return std::nullopt;
    std::wstring text = to_wide(comment);
    if (text.size() > kMostComment) text.resize(kMostComment);
    SERVICE_CONTROL_STATUS_REASON_PARAMSW parameters{};
    parameters.dwReason = reason;
    parameters.pszComment = text.data();
    return control_service_ex_(sc(service.get()), control, kStatusReasonInfo, &parameters)
               ? code::success
               : GetLastError();
  }

  Answer<ProcessHandle> open_process(std::uint32_t pid) override {
    const HANDLE opened = OpenProcess(SYNCHRONIZE | PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid);
    if (opened == nullptr) return std::unexpected(GetLastError());
    return ProcessHandle(*this, reinterpret_cast<std::uintptr_t>(opened));
  }

  Answer<std::uint64_t> creation_time(const ProcessHandle& process) override {
    FILETIME created{};
    FILETIME other{};
    if (!GetProcessTimes(kernel(process.get()), &created, &other, &other, &other)) {
      return std::unexpected(GetLastError());
    }
    return time_of(created);
  }

  std::optional<Code> exit_code(const ProcessHandle& process) override {
    if (WaitForSingleObject(kernel(process.get()), 0) != WAIT_OBJECT_0) return std::nullopt;
    DWORD ended = 0;
    GetExitCodeProcess(kernel(process.get()), &ended);
    return ended;
  }

  std::vector<std::uint32_t> own_line() override {
    std::map<std::uint32_t, std::uint32_t> parents;
    const WindowsHandle snapshot(CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0));
    PROCESSENTRY32W row{};
    row.dwSize = sizeof row;
    for (BOOL more = Process32FirstW(snapshot.get(), &row); more;
         more = Process32NextW(snapshot.get(), &row)) {
      parents[row.th32ProcessID] = row.th32ParentProcessID;
    }
    std::vector<std::uint32_t> line{GetCurrentProcessId()};
    std::uint64_t younger = made(line.back());
    for (;;) {
      const auto parent = parents.find(line.back());
      if (parent == parents.end() || parent->second == 0) return line;
      const std::uint64_t made_at = made(parent->second);
      // A parent that is younger than its child has only taken over the number of one that ended.
      if (made_at == 0 || made_at > younger) return line;
      if (std::find(line.begin(), line.end(), parent->second) != line.end()) return line;
      younger = made_at;
      line.push_back(parent->second);
    }
  }

  Code watch_service(const ManagerHandle& manager, const std::string& name,
                     std::uint32_t seen) override {
    auto& place = notices_[name];
    if (place != nullptr && place->deleted) retire(std::move(place));
    if (place == nullptr) {
      place = std::make_unique<Notice>();
      place->inbox = &inbox_;
      place->name = name;
      place->service.reset(
          OpenServiceW(sc(manager.get()), to_wide(name).c_str(), SERVICE_QUERY_STATUS));
      if (place->service == nullptr) {
        const DWORD failed = GetLastError();
        notices_.erase(name);
        return failed;
      }
    }
    Notice& notice = *place;
    if (notice.armed) return code::success;
    notice.buffer = {};
    notice.buffer.dwVersion = SERVICE_NOTIFY_STATUS_CHANGE;
    notice.buffer.pfnNotifyCallback = &Notice::notified;
    notice.buffer.pContext = &notice;
    const DWORD failed =
        NotifyServiceStatusChangeW(notice.service.get(), mask_without(seen), &notice.buffer);
    notice.armed = failed == ERROR_SUCCESS;
    if (failed == ERROR_SERVICE_MARKED_FOR_DELETE) notice.deleted = true;
    return failed;
  }

  void forget_services() override {
    for (auto& [name, notice] : notices_)
      retire(std::move(notice));
    notices_.clear();
    free_retired();
  }

  Code watch_process(const ProcessHandle& process, std::uint32_t pid) override {
    auto wait = std::make_unique<ProcessWait>();
    wait->inbox = &inbox_;
    wait->pid = pid;
    if (!RegisterWaitForSingleObject(&wait->wait, kernel(process.get()), &ProcessWait::ended,
                                     wait.get(), INFINITE,
                                     WT_EXECUTEONLYONCE | WT_EXECUTEINWAITTHREAD)) {
      return GetLastError();
    }
    MutexLock lock(mutex_);
    process_waits_[process.get()] = std::move(wait);
    return code::success;
  }

  Woken wait(MonoTime until) override {
    retire_unused();
    DWORD time = INFINITE;
    if (until != MonoTime::max()) {
      const auto left = std::chrono::ceil<Milliseconds>(until - system_clock().mono()).count();
      time = static_cast<DWORD>(std::clamp<std::int64_t>(left, 0, 3'600'000));
    }
    WaitForSingleObjectEx(inbox_.event(), time, TRUE);
    return inbox_.take();
  }

  void wake() override { inbox_.wake(); }

 private:
  Answer<std::vector<ListedService>> list(const ManagerHandle& manager, DWORD kind) {
    std::vector<ListedService> all;
    Buffer buffer(kListBuffer);
    DWORD resume = 0;
    for (;;) {
      DWORD needed = 0;
      DWORD count = 0;
      const BOOL complete =
          EnumServicesStatusExW(sc(manager.get()), SC_ENUM_PROCESS_INFO, kind, SERVICE_STATE_ALL,
                                buffer.bytes(), buffer.size(), &needed, &count, &resume, nullptr);
      const DWORD failed = complete ? ERROR_SUCCESS : GetLastError();
      if (failed != ERROR_SUCCESS && failed != ERROR_MORE_DATA) return std::unexpected(failed);
      const auto* rows = buffer.as<ENUM_SERVICE_STATUS_PROCESSW>();
      for (DWORD n = 0; n < count; ++n) {
        all.push_back({.name = narrow(rows[n].lpServiceName),
                       .display_name = narrow(rows[n].lpDisplayName),
                       .status = record_of(rows[n].ServiceStatusProcess)});
      }
      if (complete) return all;
      // Windows goes on from `resume`; Wine has no pages and gives nothing until all fit.
      if (count == 0) {
        buffer.grow(std::size_t{buffer.size()} + needed + 1024);
        resume = 0;
        all.clear();
      }
    }
  }

  static Code config2(const ServiceHandle& service, DWORD level, Buffer& buffer) {
    return with_room(buffer, [&](BYTE* bytes, DWORD size, DWORD* needed) {
      return QueryServiceConfig2W(sc(service.get()), level, bytes, size, needed);
    });
  }

  // When a process was made; 0: it cannot be asked.
  static std::uint64_t made(std::uint32_t pid) {
    const WindowsHandle process(OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, pid));
    FILETIME created{};
    FILETIME other{};
    if (!process || !GetProcessTimes(process.get(), &created, &other, &other, &other)) {
      return 0;
    }
    return time_of(created);
  }

  // A service that is held open cannot be deleted: closed is what is to be deleted, and what was told
  // of and is not watched anew.
  void retire_unused() {
    for (auto it = notices_.begin(); it != notices_.end();) {
      Notice& notice = *it->second;
      const bool used = !notice.deleted && notice.armed;
      if (!used) retire(std::move(it->second));
      it = used ? std::next(it) : notices_.erase(it);
    }
    free_retired();
  }

  void retire(std::unique_ptr<Notice> notice) {
    notice->service.reset();
    retired_.push_back(std::move(notice));
  }

  // A callback that is queued for this thread already has its notice's address: it comes first.
  void free_retired() {
    SleepEx(0, TRUE);
    while (retired_.size() > kMostRetired)
      retired_.pop_front();
  }

  void close(HandleKind kind, std::uintptr_t value) override {
    if (kind != HandleKind::process) {
      CloseServiceHandle(sc(value));
      return;
    }
    std::unique_ptr<ProcessWait> wait;
    {
      MutexLock lock(mutex_);
      if (const auto found = process_waits_.find(value); found != process_waits_.end()) {
        wait = std::move(found->second);
        process_waits_.erase(found);
      }
    }
    if (wait != nullptr) UnregisterWaitEx(wait->wait, INVALID_HANDLE_VALUE);
    CloseHandle(kernel(value));
  }

  const ControlServiceExPointer control_service_ex_ =
      advapi<ControlServiceExPointer>("ControlServiceExW");

  Inbox inbox_;
  std::map<std::string, std::unique_ptr<Notice>> notices_;  // the thread that waits
  std::deque<std::unique_ptr<Notice>> retired_;             // likewise; for callbacks on their way
  Mutex mutex_;
  std::map<std::uintptr_t, std::unique_ptr<ProcessWait>> process_waits_ NOFORCE_GUARDED_BY(mutex_);
};

}  // namespace

std::shared_ptr<Calls> system_calls() {
  return std::make_shared<SystemCalls>();
}

}  // namespace noforce::windows
