// A service control manager on paper, behind the table of calls: for what neither Wine nor a real one
// can be made to do on command (1051, 1053 that later succeeds, 1055, 1294, reasons, shared processes,
// triggers, recovery actions). What it does is our reading of the documentation, no more.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/scm/windows/calls.hpp"

namespace noforce::windows::testing {

class PaperScm final : public Calls {
 public:
  struct Service {
    StatusRecord status;
    ConfigRecord config;
    RecoveryRecord recovery;
    std::vector<TriggerRecord> triggers;
    std::vector<std::string> dependents;  // what EnumDependentServices says
    // What the manager answers to a control (0: a start); on the thread that sends, which it may
    // hold up. Unset: done at once.
    std::function<Code(std::uint32_t control)> answers;
    std::uint32_t denies = 0;   // rights; 5 for whoever asks for one of them
    Code refuses_recovery = 0;  // QueryServiceConfig2, failure actions
  };

  // Before the backend starts, or while it runs.
  void add(const std::string& name, Service service);
  void add(const std::string& name) { add(name, Service{}); }
  void remove(const std::string& name);
  void driver(const std::string& name);
  void group_order(std::vector<std::string> order) { group_order_ = std::move(order); }
  // Makes it run in a process; a new one unless `pid` says which.
  std::uint32_t run(const std::string& name, std::uint32_t pid = 0);
  // Changes what it says of itself, and notifies who asked for it.
  void change(const std::string& name, const std::function<void(Service&)>& how);
  void report(const std::string& name, std::uint32_t state, std::uint32_t checkpoint = 0,
              std::uint32_t hint = 0);
  void stopped(const std::string& name, Code exit_code = 0, Code own = 0);
  void end_process(std::uint32_t pid, Code exit_code = 0);
  [[nodiscard]] StatusRecord status(const std::string& name);

  // Before the backend starts: called in the middle of these calls, of a service or a pid.
  void at_open_process(std::function<void(std::uint32_t pid)> then) { at_open_ = std::move(then); }
  void at_query_config(std::function<void(const std::string&)> then) {
    at_query_ = std::move(then);
  }
  // What has ended gives its pid to a process that is nobody's here.
  void take_over(std::uint32_t pid);
  [[nodiscard]] bool is_held(std::uint32_t pid);

  void without_reasons() { reasons_ = false; }
  void without_notifications() { notifies_ = false; }
  void lag_once() { lags_ = true; }
  // Until let_go() nobody is told anything: what is asked of the backend meanwhile lies in one batch.
  void hold();
  void let_go();
  // Waits for that many requests since hold(); false: they did not come.
  [[nodiscard]] bool has_been_asked(int times);
  void lose(Code code);       // 0: it can be reached again
  void lose_once(Code code);  // the next call finds nobody, the one after does
  [[nodiscard]] bool process_runs(std::uint32_t pid);
  void line(std::vector<std::uint32_t> pids) { line_ = std::move(pids); }
  void deny_process(std::uint32_t pid) { denied_.insert(pid); }

  [[nodiscard]] std::vector<std::string> sent();     // "1 W3SVC", "start W3SVC"
  [[nodiscard]] std::vector<std::string> reasons();  // "40040002 comment"
  [[nodiscard]] std::set<std::uint32_t> rights(const std::string& name);  // that it was opened with
  [[nodiscard]] std::set<std::uint32_t> manager_rights();
  [[nodiscard]] int open_handles();
  [[nodiscard]] int managers_opened();
  [[nodiscard]] int watches();

  Answer<ManagerHandle> open_manager(std::uint32_t rights) override;
  Answer<ServiceHandle> open_service(const ManagerHandle& manager, const std::string& name,
                                     std::uint32_t rights) override;
  Answer<std::vector<ListedService>> list_services(const ManagerHandle& manager) override;
  Answer<std::vector<std::string>> list_drivers(const ManagerHandle& manager) override;
  Answer<StatusRecord> query_status(const ServiceHandle& service) override;
  Answer<ConfigRecord> query_config(const ServiceHandle& service, const std::string& name) override;
  Answer<RecoveryRecord> query_recovery(const ServiceHandle& service) override;
  Answer<std::vector<TriggerRecord>> query_triggers(const ServiceHandle& service) override;
  Answer<std::vector<std::string>> list_dependents(const ServiceHandle& service) override;
  std::vector<std::string> group_order() override { return group_order_; }
  Code start_service(const ServiceHandle& service) override;
  Code control_service(const ServiceHandle& service, std::uint32_t control) override;
  std::optional<Code> control_with_reason(const ServiceHandle& service, std::uint32_t control,
                                          std::uint32_t reason,
                                          const std::string& comment) override;
  Answer<ProcessHandle> open_process(std::uint32_t pid) override;
  Answer<std::uint64_t> creation_time(const ProcessHandle& process) override;
  std::optional<Code> exit_code(const ProcessHandle& process) override;
  std::vector<std::uint32_t> own_line() override { return line_; }
  Code watch_service(const ManagerHandle& manager, const std::string& name,
                     std::uint32_t seen) override;
  void forget_services() override;
  Code watch_process(const ProcessHandle& process, std::uint32_t pid) override;
  Woken wait(MonoTime until) override;
  void wake() override;

 private:
  struct Opened {
    std::string name;
    std::uint32_t rights = 0;
  };
  struct Process {
    std::uint64_t created = 0;
    std::optional<Code> exit_code;
  };

  void close(HandleKind kind, std::uintptr_t value) override;
  void notify(const std::string& name);  // with the lock
  [[nodiscard]] Code away();             // likewise; 0: it can be reached
  [[nodiscard]] Code send(const ServiceHandle& service, std::uint32_t control,
                          std::uint32_t needed);
  // The service of a handle that was opened with `needed`; 5 otherwise, as the manager says it.
  [[nodiscard]] Answer<Service*> reach(const ServiceHandle& service, std::uint32_t needed);

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Service> services_;
  std::map<std::uint32_t, Process> processes_;
  std::map<std::uintptr_t, Opened> opened_;
  std::map<std::uintptr_t, std::uint32_t> process_handles_;
  std::set<std::uint32_t> watched_processes_;
  std::map<std::string, std::uint32_t> watched_;  // name -> seen
  std::vector<std::string> drivers_;
  std::vector<std::string> group_order_;
  std::vector<std::uint32_t> line_;
  std::set<std::uint32_t> denied_;
  std::vector<std::string> sent_;
  std::vector<std::string> reasons_heard_;
  std::map<std::string, std::set<std::uint32_t>> rights_;
  std::set<std::uint32_t> manager_rights_;
  std::function<void(std::uint32_t)> at_open_;
  std::function<void(const std::string&)> at_query_;
  Woken woken_;
  bool awake_ = false;
  bool held_ = false;
  int asked_ = 0;  // since hold()
  bool reasons_ = true;
  bool notifies_ = true;
  bool lags_ = false;
  Code lost_ = 0;
  bool lost_once_ = false;
  int managers_opened_ = 0;
  std::uintptr_t next_handle_ = 1;
  std::uint32_t next_pid_ = 1000;
};

}  // namespace noforce::windows::testing
