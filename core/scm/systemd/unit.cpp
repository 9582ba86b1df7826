#include "core/scm/systemd/unit.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "core/text.hpp"

namespace noforce::systemd {
namespace {

constexpr std::size_t kLongestText = 512;  // code points of a name or a status for people

void add_needs(Properties& to, const Value& value) {
  for (auto& name : value.texts())
    to.needs.push_back(std::move(name));
}

std::string hex_of(const std::string& bytes) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  bool nothing = true;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    nothing = nothing && byte == 0;
    out += digits[byte >> 4U];
    out += digits[byte & 15U];
  }
  return nothing ? std::string() : out;
}

struct Property {
  std::string_view name;
  void (*take)(Properties&, const Value&);
};

using P = Properties;
using V = Value;

// In the order of their names.
constexpr std::array kProperties{
    Property{"ActiveState", [](P& p, const V& v) { p.active_state = v.text(); }},
    Property{"BindsTo", add_needs},
    Property{"CanReload", [](P& p, const V& v) { p.can_reload = v.boolean(); }},
    Property{"ControlPID", [](P& p, const V& v) { p.control_pid = v.integer(); }},
    Property{"Description", [](P& p, const V& v) { p.description = v.text(); }},
    Property{"ExecMainCode", [](P& p, const V& v) { p.exec_code = v.integer(); }},
    Property{"ExecMainExitTimestamp",
             [](P& p, const V& v) { p.exec_ended_us = v.unsigned_integer(); }},
    Property{"ExecMainStatus", [](P& p, const V& v) { p.exec_status = v.integer(); }},
    Property{"Id",
             [](P& p, const V& v) {
               if (!v.text().empty()) p.id = v.text();
             }},
    Property{"InvocationID", [](P& p, const V& v) { p.invocation = hex_of(v.text()); }},
    Property{"Job", [](P& p, const V& v) { p.job = v.at(0).unsigned_integer(); }},
    Property{"JobRunningTimeoutUSec",
             [](P& p, const V& v) { p.job_running_timeout_us = v.unsigned_integer(); }},
    Property{"JobTimeoutAction", [](P& p, const V& v) { p.job_timeout_action = v.text(); }},
    Property{"JobTimeoutUSec", [](P& p, const V& v) { p.job_timeout_us = v.unsigned_integer(); }},
    Property{"KillMode", [](P& p, const V& v) { p.kill_mode = v.text(); }},
    Property{"KillSignal", [](P& p, const V& v) { p.kill_signal = v.integer(); }},
    Property{"LoadState", [](P& p, const V& v) { p.load_state = v.text(); }},
    Property{"MainPID", [](P& p, const V& v) { p.main_pid = v.integer(); }},
    Property{"Names", [](P& p, const V& v) { p.names = v.texts(); }},
    Property{"NeedDaemonReload", [](P& p, const V& v) { p.need_daemon_reload = v.boolean(); }},
    Property{"PartOf", add_needs},
    Property{"RefuseManualStart", [](P& p, const V& v) { p.refuses_start = v.boolean(); }},
    Property{"RefuseManualStop", [](P& p, const V& v) { p.refuses_stop = v.boolean(); }},
    Property{"Requires", add_needs},
    Property{"Requisite", add_needs},
    Property{"Restart", [](P& p, const V& v) { p.restart = v.text(); }},
    Property{"Result", [](P& p, const V& v) { p.result = v.text(); }},
    Property{"RuntimeMaxUSec", [](P& p, const V& v) { p.runtime_max_us = v.unsigned_integer(); }},
    Property{"SendSIGKILL", [](P& p, const V& v) { p.send_sigkill = v.boolean(); }},
    Property{"StateChangeTimestamp",
             [](P& p, const V& v) { p.state_changed_us = v.unsigned_integer(); }},
    Property{"StatusText", [](P& p, const V& v) { p.status_text = v.text(); }},
    Property{"StopPropagatedFrom", add_needs},
    Property{"SubState", [](P& p, const V& v) { p.sub_state = v.text(); }},
    Property{"TimeoutAbortUSec",
             [](P& p, const V& v) { p.timeout_abort_us = v.unsigned_integer(); }},
    Property{"TimeoutStartUSec",
             [](P& p, const V& v) { p.timeout_start_us = v.unsigned_integer(); }},
    Property{"TimeoutStopUSec", [](P& p, const V& v) { p.timeout_stop_us = v.unsigned_integer(); }},
    // Of sockets, mounts and swaps.
    Property{"TimeoutUSec", [](P& p, const V& v) { p.timeout_stop_us = v.unsigned_integer(); }},
    Property{"TriggeredBy", [](P& p, const V& v) { p.triggered_by = v.texts(); }},
    Property{"UnitFileState", [](P& p, const V& v) { p.unit_file_state = v.text(); }},
    Property{"WatchdogUSec", [](P& p, const V& v) { p.watchdog_us = v.unsigned_integer(); }},
};
static_assert(std::ranges::is_sorted(kProperties, {}, &Property::name));

const Property* find_property(std::string_view name) {
  const auto* const found = std::ranges::lower_bound(kProperties, name, {}, &Property::name);
  return found != kProperties.end() && found->name == name ? found : nullptr;
}

bool is_need(const Property& property) {
  return property.take == add_needs;
}

// A unit that was not in systemd's memory has no past there.
bool has_ended(const Properties& now) {
  return now.exec_code != 0 && now.exec_ended_us != 0;
}

Exit exit_of(const Properties& now) {
  constexpr std::int64_t cld_exited = 1;
  const std::int64_t code = now.exec_code == cld_exited ? now.exec_status : 128 + now.exec_status;
  return {.code = code, .service_code = {}};
}

bool says_more(const Properties& before, const Properties& now) {
  return before.sub_state != now.sub_state || before.status_text != now.status_text ||
         before.main_pid != now.main_pid || before.control_pid != now.control_pid;
}

}  // namespace

bool is_wanted_property(std::string_view name) {
  return find_property(name) != nullptr;
}

void take_properties(Properties& properties, const Value& entries) {
  // The lists of needs come together or not at all: they do not change but by a reload.
  bool needs = false;
  for (const auto& entry : entries.list()) {
    const Property* property = find_property(entry.at(0).text());
    if (property == nullptr) continue;
    if (is_need(*property) && !std::exchange(needs, true)) properties.needs.clear();
    property->take(properties, entry.at(1));
  }
  std::ranges::sort(properties.needs);
  const auto twice = std::ranges::unique(properties.needs);
  properties.needs.erase(twice.begin(), twice.end());
}

bool Unit::take(const std::vector<Value>& dictionaries, MonoTime now) {
  const Service before = service();
  const Properties old = properties_;
  const ServiceState was = state();
  const bool existed = exists();
  for (const auto& entries : dictionaries)
    take_properties(properties_, entries);
  if (properties_.job != our_stop_) our_stop_ = 0;
  const ServiceState is_now = state();
  if (is_up(is_now)) start_result_.clear();
  note_exit(old, was);
  if (is_pending(is_now)) {
    if (was != is_now) {
      checkpoint_ = 0;
      last_progress_ = now;
    } else if (says_more(old, properties_)) {
      ++checkpoint_;
      last_progress_ = now;
    }
  }
  const Service after = service();
  return !(before == after) || existed != exists() || old.needs != properties_.needs ||
         old.names != properties_.names ||
         (before.instance && after.instance && before.instance->pid != after.instance->pid);
}

void Unit::expect(bool is_stop, std::uint64_t job, MonoTime now) {
  const ServiceState was = state();
  properties_.job = job;
  our_stop_ = is_stop ? job : 0;
  if (state() == was) return;
  checkpoint_ = 0;
  last_progress_ = now;
}

void Unit::note_exit(const Properties& before, ServiceState was) {
  if (has_ended(properties_)) {
    if (!is_up(state()) || properties_.exec_ended_us != before.exec_ended_us) {
      exit_ = exit_of(properties_);
    }
    return;
  }
  // It was up and is down, and systemd has forgotten how that came: unloaded, or never executed.
  if (is_up(was) && !is_up(state())) exit_ = Exit{};
}

ServiceState Unit::state() const {
  const std::string& active = properties_.active_state;
  if (active.empty()) return ServiceState::stopped;  // not looked at yet
  if (active == "inactive" || active == "failed") {
    const bool starts = properties_.job != 0 && properties_.job != our_stop_;
    return starts ? ServiceState::start_pending : ServiceState::stopped;
  }
  if (active == "activating") {
    return awaits_restart() ? ServiceState::stopped : ServiceState::start_pending;
  }
  if (active == "deactivating") return ServiceState::stop_pending;
  const bool stops = properties_.job != 0 && properties_.job == our_stop_;
  return stops ? ServiceState::stop_pending : ServiceState::running;
}

bool Unit::awaits_restart() const {
  if (properties_.active_state != "activating" || properties_.sub_state != "auto-restart") {
    return false;
  }
  return properties_.job == 0 || properties_.job == our_stop_;  // else it is being started
}

std::optional<Instance> Unit::instance() const {
  if (!is_up(state()) || properties_.invocation.empty()) return std::nullopt;
  // A start that waits for its turn still shows the run before.
  if (properties_.active_state == "inactive" || properties_.active_state == "failed") {
    return std::nullopt;
  }
  const std::int64_t pid =
      properties_.main_pid > 0 ? properties_.main_pid : properties_.control_pid;
  return Instance{.pid = pid, .key = properties_.invocation};
}

bool Unit::is_masked() const {
  return properties_.load_state == "masked" || properties_.unit_file_state.starts_with("masked");
}

bool Unit::exists() const {
  return is_up(state()) || awaits_restart() ||
         (!properties_.load_state.empty() && properties_.load_state != "not-found");
}

Service Unit::service() const {
  const Properties& p = properties_;
  Service out;
  out.name = p.id;
  out.display_name = p.description.empty() ? p.id : clean_text(p.description, kLongestText);
  out.state = state();
  out.instance = instance();
  out.start_type = is_masked()                                ? StartType::disabled
                   : p.unit_file_state.starts_with("enabled") ? StartType::automatic
                                                              : StartType::manual;
  const bool on_its_way_or_up =
      out.state == ServiceState::running || out.state == ServiceState::start_pending;
  out.accepts.stop = (on_its_way_or_up || awaits_restart()) && !p.refuses_stop;
  out.accepts.reload = out.state == ServiceState::running && p.can_reload;
  out.checkpoint = checkpoint_;
  out.last_progress = last_progress_;
  out.status_text = clean_text(p.status_text, kLongestText);
  out.exit = exit_;
  out.since = WallTime(
      std::chrono::duration_cast<Milliseconds>(std::chrono::microseconds(p.state_changed_us)));
  if (is_masked()) out.warnings.emplace_back("it is masked, so it cannot be started");
  if (p.active_state == "failed") {
    out.warnings.push_back("systemd says that it failed: " + clean_text(p.result, kLongestText));
  }
  if (awaits_restart()) {
    out.warnings.push_back(
        "systemd is about to start it again (Restart=" + clean_text(p.restart, kLongestText) + ")");
  }
  if (!start_result_.empty()) {
    out.warnings.push_back("its last start did not begin: systemd says '" +
                           clean_text(start_result_, kLongestText) + "'");
  }
  return out;
}

}  // namespace noforce::systemd
