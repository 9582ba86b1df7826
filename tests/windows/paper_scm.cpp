#include "tests/windows/paper_scm.hpp"

#include <algorithm>
#include <cstdio>

namespace noforce::windows::testing {

void PaperScm::add(const std::string& name, Service service) {
  const std::lock_guard lock(mutex_);
  services_[name] = std::move(service);
}

void PaperScm::remove(const std::string& name) {
  const std::lock_guard lock(mutex_);
  services_.erase(name);
}

void PaperScm::driver(const std::string& name) {
  const std::lock_guard lock(mutex_);
  drivers_.push_back(name);
}

std::uint32_t PaperScm::run(const std::string& name, std::uint32_t pid) {
  const std::lock_guard lock(mutex_);
  if (pid == 0) pid = next_pid_++;
  if (!processes_.contains(pid)) processes_[pid] = {.created = 133'000'000'000'000'000U + pid};
  Service& service = services_.at(name);
  service.status.state = state::running;
  service.status.accepts = accept::stop | accept::pause_continue | accept::paramchange;
  service.status.pid = pid;
  service.status.exit_code = 0;
  notify(name);
  return pid;
}

void PaperScm::change(const std::string& name, const std::function<void(Service&)>& how) {
  const std::lock_guard lock(mutex_);
  how(services_.at(name));
  notify(name);
}

void PaperScm::report(const std::string& name, std::uint32_t state, std::uint32_t checkpoint,
                      std::uint32_t hint) {
  change(name, [&](Service& it) {
    it.status.state = state;
    it.status.checkpoint = checkpoint;
    it.status.wait_hint = hint;
  });
}

void PaperScm::stopped(const std::string& name, Code exit_code, Code own) {
  change(name, [&](Service& it) {
    it.status.state = state::stopped;
    it.status.pid = 0;
    it.status.accepts = 0;
    it.status.exit_code = exit_code;
    it.status.service_code = own;
  });
}

void PaperScm::end_process(std::uint32_t pid, Code exit_code) {
  const std::lock_guard lock(mutex_);
  processes_.at(pid).exit_code = exit_code;
  if (watched_processes_.contains(pid)) woken_.processes.push_back(pid);
  changed_.notify_all();
}

void PaperScm::take_over(std::uint32_t pid) {
  const std::lock_guard lock(mutex_);
  processes_.at(pid) = {.created = processes_.at(pid).created + 1, .exit_code = {}};
}

bool PaperScm::is_held(std::uint32_t pid) {
  const std::lock_guard lock(mutex_);
  return std::any_of(process_handles_.begin(), process_handles_.end(),
                     [&](const auto& it) { return it.second == pid; });
}

StatusRecord PaperScm::status(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return services_.at(name).status;
}

void PaperScm::lose(Code code) {
  const std::lock_guard lock(mutex_);
  lost_ = code;
}

void PaperScm::lose_once(Code code) {
  const std::lock_guard lock(mutex_);
  lost_ = code;
  lost_once_ = true;
}

Code PaperScm::away() {
  const Code code = lost_;
  if (std::exchange(lost_once_, false)) lost_ = 0;
  return code;
}

void PaperScm::hold() {
  const std::lock_guard lock(mutex_);
  held_ = true;
  asked_ = 0;
}

void PaperScm::let_go() {
  const std::lock_guard lock(mutex_);
  held_ = false;
  changed_.notify_all();
}

bool PaperScm::has_been_asked(int times) {
  std::unique_lock lock(mutex_);
  constexpr std::chrono::seconds broken{40};  // only broken code waits for so long
  return changed_.wait_for(lock, broken, [&] { return asked_ >= times; });
}

bool PaperScm::process_runs(std::uint32_t pid) {
  const std::lock_guard lock(mutex_);
  const auto found = processes_.find(pid);
  return found != processes_.end() && !found->second.exit_code;
}

std::vector<std::string> PaperScm::sent() {
  const std::lock_guard lock(mutex_);
  return sent_;
}
std::vector<std::string> PaperScm::reasons() {
  const std::lock_guard lock(mutex_);
  return reasons_heard_;
}
std::set<std::uint32_t> PaperScm::rights(const std::string& name) {
  const std::lock_guard lock(mutex_);
  return rights_[name];
}
std::set<std::uint32_t> PaperScm::manager_rights() {
  const std::lock_guard lock(mutex_);
  return manager_rights_;
}
int PaperScm::open_handles() {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(opened_.size() + process_handles_.size());
}
int PaperScm::managers_opened() {
  const std::lock_guard lock(mutex_);
  return managers_opened_;
}
int PaperScm::watches() {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(watched_.size());
}

Answer<ManagerHandle> PaperScm::open_manager(std::uint32_t rights) {
  const std::lock_guard lock(mutex_);
  if (const Code code = away()) return std::unexpected(code);
  ++managers_opened_;
  manager_rights_.insert(rights);
  const std::uintptr_t handle = next_handle_++;
  opened_[handle] = {.name = {}, .rights = rights};
  return ManagerHandle(*this, handle);
}

Answer<ServiceHandle> PaperScm::open_service(const ManagerHandle& manager, const std::string& name,
                                             std::uint32_t rights) {
  const std::lock_guard lock(mutex_);
  if (const Code code = away()) return std::unexpected(code);
  if (!opened_.contains(manager.get())) return std::unexpected(Code{6});
  const auto found = services_.find(name);
  if (found == services_.end()) return std::unexpected(code::does_not_exist);
  if ((found->second.denies & rights) != 0) return std::unexpected(code::access_denied);
  rights_[name].insert(rights);
  const std::uintptr_t handle = next_handle_++;
  opened_[handle] = {.name = name, .rights = rights};
  return ServiceHandle(*this, handle);
}

Answer<std::vector<ListedService>> PaperScm::list_services(const ManagerHandle& manager) {
  const std::lock_guard lock(mutex_);
  if (const Code code = away()) return std::unexpected(code);
  const auto opened = opened_.find(manager.get());
  if (opened == opened_.end()) return std::unexpected(Code{6});
  if ((opened->second.rights & right::manager_enumerate) == 0) {
    return std::unexpected(code::access_denied);
  }
  std::vector<ListedService> list;
  for (const auto& [name, service] : services_)
    list.push_back({name, service.config.display_name, service.status});
  return list;
}

Answer<std::vector<std::string>> PaperScm::list_drivers(const ManagerHandle&) {
  const std::lock_guard lock(mutex_);
  return drivers_;
}

Answer<PaperScm::Service*> PaperScm::reach(const ServiceHandle& service, std::uint32_t needed) {
  const auto opened = opened_.find(service.get());
  if (opened == opened_.end()) return std::unexpected(Code{6});
  if ((opened->second.rights & needed) != needed) return std::unexpected(code::access_denied);
  const auto found = services_.find(opened->second.name);
  if (found == services_.end()) return std::unexpected(code::marked_for_delete);
  return &found->second;
}

Answer<StatusRecord> PaperScm::query_status(const ServiceHandle& service) {
  const std::lock_guard lock(mutex_);
  const auto reached = reach(service, right::query_status);
  if (!reached) return std::unexpected(reached.error());
  return (*reached)->status;
}
Answer<ConfigRecord> PaperScm::query_config(const ServiceHandle& service, const std::string& name) {
  if (at_query_) at_query_(name);
  const std::lock_guard lock(mutex_);
  const auto reached = reach(service, right::query_config);
  if (!reached) return std::unexpected(reached.error());
  return (*reached)->config;
}
Answer<RecoveryRecord> PaperScm::query_recovery(const ServiceHandle& service) {
  const std::lock_guard lock(mutex_);
  const auto reached = reach(service, right::query_config);
  if (!reached) return std::unexpected(reached.error());
  if ((*reached)->refuses_recovery != 0) return std::unexpected((*reached)->refuses_recovery);
  return (*reached)->recovery;
}
Answer<std::vector<TriggerRecord>> PaperScm::query_triggers(const ServiceHandle& service) {
  const std::lock_guard lock(mutex_);
  const auto reached = reach(service, right::query_config);
  if (!reached) return std::unexpected(reached.error());
  return (*reached)->triggers;
}
Answer<std::vector<std::string>> PaperScm::list_dependents(const ServiceHandle& service) {
  const std::lock_guard lock(mutex_);
  const auto reached = reach(service, right::enumerate_dependents);
  if (!reached) return std::unexpected(reached.error());
  return (*reached)->dependents;
}

Code PaperScm::send(const ServiceHandle& service, std::uint32_t control, std::uint32_t needed) {
  std::string name;
  std::function<Code(std::uint32_t)> answers;
  {
    const std::lock_guard lock(mutex_);
    const auto reached = reach(service, needed);
    if (!reached) return reached.error();
    name = opened_.at(service.get()).name;
    sent_.push_back((control == 0 ? "start" : std::to_string(control)) + " " + name);
    answers = (*reached)->answers;
    changed_.notify_all();
  }
  if (answers) return answers(control);
  switch (control) {
    case 0:
      run(name);
      return code::success;
    case control::stop: {
      const std::uint32_t pid = status(name).pid;
      stopped(name);
      end_process(pid);
      return code::success;
    }
    case control::pause:
      report(name, state::paused);
      return code::success;
    case control::resume:
      report(name, state::running);
      return code::success;
    case control::paramchange:
      return code::success;
    default:
      return code::invalid_control;
  }
}

Code PaperScm::start_service(const ServiceHandle& service) {
  return send(service, 0, right::start);
}

Code PaperScm::control_service(const ServiceHandle& service, std::uint32_t control) {
  return send(service, control, control == control::stop ? right::stop : right::pause_continue);
}

std::optional<Code> PaperScm::control_with_reason(const ServiceHandle& service,
                                                  std::uint32_t control, std::uint32_t reason,
                                                  const std::string& comment) {
  {
    const std::lock_guard lock(mutex_);
    if (!reasons_) return std::nullopt;
    char number[16];
    std::snprintf(number, sizeof number, "%x", reason);
    reasons_heard_.push_back(std::string(number) + " " + comment);
  }
  return control_service(service, control);
}

Answer<ProcessHandle> PaperScm::open_process(std::uint32_t pid) {
  if (at_open_) at_open_(pid);
  const std::lock_guard lock(mutex_);
  if (denied_.contains(pid)) return std::unexpected(code::access_denied);
  if (!processes_.contains(pid)) return std::unexpected(code::invalid_parameter);
  const std::uintptr_t handle = next_handle_++;
  process_handles_[handle] = pid;
  return ProcessHandle(*this, handle);
}

Answer<std::uint64_t> PaperScm::creation_time(const ProcessHandle& process) {
  const std::lock_guard lock(mutex_);
  return processes_.at(process_handles_.at(process.get())).created;
}

std::optional<Code> PaperScm::exit_code(const ProcessHandle& process) {
  const std::lock_guard lock(mutex_);
  return processes_.at(process_handles_.at(process.get())).exit_code;
}

Code PaperScm::watch_service(const ManagerHandle& manager, const std::string& name,
                             std::uint32_t seen) {
  const std::lock_guard lock(mutex_);
  if (!notifies_) return code::not_supported;
  if (std::exchange(lags_, false)) return code::notify_lagging;
  if (!opened_.contains(manager.get())) return 6;
  const auto found = services_.find(name);
  if (found == services_.end()) return code::does_not_exist;
  watched_[name] = seen;
  if (found->second.status.state != seen) notify(name);
  return code::success;
}

void PaperScm::forget_services() {
  const std::lock_guard lock(mutex_);
  watched_.clear();
}

Code PaperScm::watch_process(const ProcessHandle& process, std::uint32_t pid) {
  const std::lock_guard lock(mutex_);
  watched_processes_.insert(pid);
  if (processes_.at(process_handles_.at(process.get())).exit_code) {
    woken_.processes.push_back(pid);
    changed_.notify_all();
  }
  return code::success;
}

Woken PaperScm::wait(MonoTime until) {
  std::unique_lock lock(mutex_);
  const auto told = [this] {
    if (held_) return false;
    return awake_ || !woken_.services.empty() || !woken_.processes.empty();
  };
  if (held_ || until == MonoTime::max()) {
    changed_.wait(lock, told);
  } else {
    changed_.wait_until(lock, until, told);
  }
  awake_ = false;
  return std::exchange(woken_, {});
}

void PaperScm::wake() {
  const std::lock_guard lock(mutex_);
  awake_ = true;
  ++asked_;
  changed_.notify_all();
}

void PaperScm::close(HandleKind kind, std::uintptr_t value) {
  const std::lock_guard lock(mutex_);
  if (kind == HandleKind::process) {
    process_handles_.erase(value);
  } else {
    opened_.erase(value);
  }
}

void PaperScm::notify(const std::string& name) {
  if (watched_.erase(name) > 0) woken_.services.push_back(name);
  changed_.notify_all();
}

}  // namespace noforce::windows::testing
