// The one table of the calls that this backend makes: everything of advapi32 and kernel32 that it
// needs, behind one class that tests replace. calls_windows.cpp is the real one.
//
// A method is one call of the documentation, named in its comment; buffers that have to grow and
// UTF-16 stay inside. Nothing here decides anything, and nothing ends a process.
#pragma once

#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/scm/windows/codes.hpp"
#include "core/scm/windows/records.hpp"

namespace noforce::windows {

class Calls;

template <typename T>
using Answer = std::expected<T, Code>;

enum class HandleKind : std::uint8_t { manager, service, process };

// A handle with one owner, of its own type for each kind. Outlived by its table.
template <HandleKind Kind>
class Handle {
 public:
  Handle() = default;
  Handle(Calls& calls, std::uintptr_t value) : calls_(&calls), value_(value) {}
  Handle(Handle&& other) noexcept
      : calls_(std::exchange(other.calls_, nullptr)), value_(std::exchange(other.value_, 0)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      reset();
      calls_ = std::exchange(other.calls_, nullptr);
      value_ = std::exchange(other.value_, 0);
    }
    return *this;
  }
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { reset(); }

  explicit operator bool() const { return calls_ != nullptr; }
  [[nodiscard]] std::uintptr_t get() const { return value_; }
  void reset();

 private:
  Calls* calls_ = nullptr;
  std::uintptr_t value_ = 0;
};

using ManagerHandle = Handle<HandleKind::manager>;  // SC_HANDLE of the manager
using ServiceHandle = Handle<HandleKind::service>;  // SC_HANDLE of a service
using ProcessHandle = Handle<HandleKind::process>;  // HANDLE of a process

// What a wait was ended by. Each name and each process once; empty: wake() or the time.
struct Woken {
  std::vector<std::string> services;     // their status changed; each has to be watched anew
  std::vector<std::uint32_t> processes;  // these have ended
};

class Calls {
 public:
  virtual ~Calls() = default;

  // OpenSCManager, of this machine only: a remote one can hang for 21 s. Any thread.
  [[nodiscard]] virtual Answer<ManagerHandle> open_manager(std::uint32_t rights) = 0;
  // OpenService. Any thread.
  [[nodiscard]] virtual Answer<ServiceHandle> open_service(const ManagerHandle& manager,
                                                           const std::string& name,
                                                           std::uint32_t rights) = 0;
  // EnumServicesStatusEx: all of SERVICE_WIN32, in every state. Any thread.
  [[nodiscard]] virtual Answer<std::vector<ListedService>> list_services(
      const ManagerHandle& manager) = 0;
  // The same of SERVICE_DRIVER, names only: services depend on them. Any thread.
  [[nodiscard]] virtual Answer<std::vector<std::string>> list_drivers(
      const ManagerHandle& manager) = 0;
  // QueryServiceStatusEx. Any thread.
  [[nodiscard]] virtual Answer<StatusRecord> query_status(const ServiceHandle& service) = 0;
  // QueryServiceConfig; where it names no dependencies, DependOnService and DependOnGroup of the
  // registry. Any thread.
  [[nodiscard]] virtual Answer<ConfigRecord> query_config(const ServiceHandle& service,
                                                          const std::string& name) = 0;
  // QueryServiceConfig2, SERVICE_CONFIG_FAILURE_ACTIONS and _FLAG. Any thread.
  [[nodiscard]] virtual Answer<RecoveryRecord> query_recovery(const ServiceHandle& service) = 0;
  // QueryServiceConfig2, SERVICE_CONFIG_TRIGGER_INFO. Any thread.
  [[nodiscard]] virtual Answer<std::vector<TriggerRecord>> query_triggers(
      const ServiceHandle& service) = 0;
  // EnumDependentServices, in every state: names, in the order in which to stop them. Any thread.
  [[nodiscard]] virtual Answer<std::vector<std::string>> list_dependents(
      const ServiceHandle& service) = 0;
  // HKLM\SYSTEM\CurrentControlSet\Control\ServiceGroupOrder, List. Any thread.
  [[nodiscard]] virtual std::vector<std::string> group_order() = 0;

  // StartService without arguments. May block for 30 s and longer. Any thread but the one that
  // looks.
  [[nodiscard]] virtual Code start_service(const ServiceHandle& service) = 0;
  // ControlService. May block for 30 s. Any thread but the one that looks.
  [[nodiscard]] virtual Code control_service(const ServiceHandle& service,
                                             std::uint32_t control) = 0;
  // ControlServiceEx with SERVICE_CONTROL_STATUS_REASON_PARAMS; nullopt where this Windows has
  // none, and then nothing was sent. Blocks as control_service().
  [[nodiscard]] virtual std::optional<Code> control_with_reason(const ServiceHandle& service,
                                                                std::uint32_t control,
                                                                std::uint32_t reason,
                                                                const std::string& comment) = 0;

  // OpenProcess with SYNCHRONIZE and PROCESS_QUERY_LIMITED_INFORMATION. Any thread.
  [[nodiscard]] virtual Answer<ProcessHandle> open_process(std::uint32_t pid) = 0;
  // GetProcessTimes: when it was made, in 100 ns since 1601 (FILETIME). Any thread.
  [[nodiscard]] virtual Answer<std::uint64_t> creation_time(const ProcessHandle& process) = 0;
  // Whether it has ended, and with what (GetExitCodeProcess); nullopt while it has not. Any thread.
  [[nodiscard]] virtual std::optional<Code> exit_code(const ProcessHandle& process) = 0;
  // This process and those above it (CreateToolhelp32Snapshot). Any thread.
  [[nodiscard]] virtual std::vector<std::uint32_t> own_line() = 0;

  // One word, by wait(), when the service is no longer in `seen` (NotifyServiceStatusChange). Armed
  // once, however often it is called.
  // 1294: the manager and all services have to be opened anew. Only the thread that waits.
  [[nodiscard]] virtual Code watch_service(const ManagerHandle& manager, const std::string& name,
                                           std::uint32_t seen) = 0;
  // Drops every watch of a service. Only the thread that waits.
  virtual void forget_services() = 0;
  // One word, by wait(), when the process has ended (RegisterWaitForSingleObject); it ends with
  // the handle. Only the thread that waits.
  [[nodiscard]] virtual Code watch_process(const ProcessHandle& process, std::uint32_t pid) = 0;
  // Waits, alertably, until something is to be told, wake() was called or `until` has come. Only
  // one thread.
  [[nodiscard]] virtual Woken wait(MonoTime until) = 0;
  // Any thread.
  virtual void wake() = 0;

 private:
  template <HandleKind Kind>
  friend class Handle;
  virtual void close(HandleKind kind, std::uintptr_t value) = 0;
};

template <HandleKind Kind>
void Handle<Kind>::reset() {
  if (calls_ != nullptr) std::exchange(calls_, nullptr)->close(Kind, std::exchange(value_, 0));
}

// The real ones.
[[nodiscard]] std::shared_ptr<Calls> system_calls();

}  // namespace noforce::windows
