// A unit as systemd shows it, and as what it counts here. Pure.
//
// States, by ActiveState and SubState (org.freedesktop.systemd1.Unit), the SCM's beside them:
//
//   inactive, failed                               stopped
//   inactive or failed with a job that is queued   start_pending (a start that waits for its turn)
//   activating (auto-restart), with no job         stopped, and accepts a stop: that calls it off
//   activating                                     start_pending
//   active                                         running, with or without a process (exited)
//   active with a stop job of ours that is queued  stop_pending (a stop that waits for its turn)
//   reloading                                      running
//   deactivating                                   stop_pending
//   maintenance and what is not known              as if active: nothing is started beside it
//
// Nothing is paused: systemd has no such control. An instance is its InvocationID. In a pending
// state each new SubState, StatusText, main or control process is a sign of progress and lets the
// checkpoint grow. EXTEND_TIMEOUT_USEC moves systemd's own timer and shows in no property, so there
// is no wait hint: a service that wants to be seen says a STATUS.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/scm/systemd/value.hpp"
#include "core/service.hpp"

namespace noforce::systemd {

inline constexpr std::uint64_t kForEver = UINT64_MAX;  // systemd's "infinity", in microseconds

// The properties that are looked at, by their names in org.freedesktop.systemd1(5).
struct Properties {
  std::string id;
  std::vector<std::string> names;  // aliases, the id among them
  std::string description;
  std::string load_state;
  std::string active_state;
  std::string sub_state;
  std::string unit_file_state;
  std::string invocation;  // in hex; empty: none since it was loaded
  bool need_daemon_reload = false;
  std::uint64_t job = 0;               // its id; 0: none
  std::uint64_t state_changed_us = 0;  // CLOCK_REALTIME
  bool can_reload = false;
  bool refuses_start = false;
  bool refuses_stop = false;
  std::vector<std::string> needs;  // Requires, Requisite, BindsTo, PartOf, StopPropagatedFrom
  std::vector<std::string> triggered_by;
  std::uint64_t job_timeout_us = kForEver;
  std::uint64_t job_running_timeout_us = kForEver;
  std::string job_timeout_action;

  // Of services, and what other types have of them.
  std::int64_t main_pid = 0;
  std::int64_t control_pid = 0;
  std::string status_text;
  std::string result;
  std::string restart;
  std::uint64_t timeout_start_us = kForEver;
  std::uint64_t timeout_stop_us = kForEver;
  std::uint64_t timeout_abort_us = kForEver;
  std::uint64_t runtime_max_us = kForEver;
  std::uint64_t watchdog_us = kForEver;
  std::string kill_mode;
  std::int64_t kill_signal = 15;
  bool send_sigkill = false;
  std::int64_t exec_code = 0;  // CLD_EXITED, CLD_KILLED, CLD_DUMPED; 0: it has not ended
  std::int64_t exec_status = 0;
  std::uint64_t exec_ended_us = 0;
};

// Whether a property of this name is taken over by take_properties().
[[nodiscard]] bool is_wanted_property(std::string_view name);
// `entries`: a dictionary a{sv}. What it does not hold stays as it was.
void take_properties(Properties& properties, const Value& entries);

class Unit {
 public:
  // Takes over what systemd says: GetAll, or what PropertiesChanged brings. False when nothing changed.
  bool take(const std::vector<Value>& dictionaries, MonoTime now);
  // systemd has queued a job of ours for it: that shows at once. Its Job says so, too, when it says
  // anything; and says when the job is over.
  void expect(bool is_stop, std::uint64_t job, MonoTime now);
  // How the last start of ours went that never began: "dependency", "skipped"; empty: well.
  void note_start(std::string result) { start_result_ = std::move(result); }

  [[nodiscard]] const Properties& is() const { return properties_; }
  [[nodiscard]] ServiceState state() const;
  // Its own restart policy is about to start it again.
  [[nodiscard]] bool awaits_restart() const;
  // The run of it that there is; nothing while it is stopped.
  [[nodiscard]] std::optional<Instance> instance() const;
  // As a service; without depends_on.
  [[nodiscard]] Service service() const;
  [[nodiscard]] bool is_masked() const;
  [[nodiscard]] bool exists() const;  // there is a unit file, or it is up

 private:
  void note_exit(const Properties& before, ServiceState was);

  Properties properties_;
  std::uint64_t our_stop_ = 0;
  std::string start_result_;
  std::optional<Exit> exit_;
  std::uint64_t checkpoint_ = 0;
  MonoTime last_progress_{};
};

}  // namespace noforce::systemd
