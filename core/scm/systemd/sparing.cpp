#include "core/scm/systemd/sparing.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "core/scm/systemd/names.hpp"
#include "core/text.hpp"

namespace noforce::systemd {
namespace {

constexpr std::int64_t kNobodyHandles = 9;  // signal(7): cannot be caught, blocked or ignored

// Types with processes of their own: the section of their settings, and the time for a stop in it.
struct Type {
  std::string_view name;
  std::string_view section;
  std::string_view timeout;
};
constexpr std::array kTypes{
    Type{"service", "Service", "TimeoutStopSec"}, Type{"scope", "Scope", "TimeoutStopSec"},
    Type{"socket", "Socket", "TimeoutSec"},       Type{"mount", "Mount", "TimeoutSec"},
    Type{"swap", "Swap", "TimeoutSec"},
};

bool is_limit(std::uint64_t us) {
  return us != kForEver && us != 0;  // both are "infinity"
}

std::string seconds(std::uint64_t us) {
  constexpr std::uint64_t second = 1'000'000;
  std::string out = std::to_string(us / second);
  if (const auto tenths = us % second / (second / 10); tenths != 0) {
    out += "." + std::to_string(tenths);
  }
  return out + " s";
}

Milliseconds milliseconds(std::uint64_t us) {
  return Milliseconds(static_cast<std::int64_t>(us / 1000));
}

}  // namespace

Sparing sparing_of(const Properties& unit) {
  Sparing out;
  const auto* const type = std::ranges::find(kTypes, type_of(unit.id), &Type::name);
  if (type == kTypes.end()) return out;
  std::string job_lines;
  std::string lines;
  const auto set = [&lines](std::string_view key, std::string_view value) {
    lines += std::string(key) + "=" + std::string(value) + "\n";
  };
  set(type->timeout, "infinity");
  set("SendSIGKILL", "no");
  if (type->name == "service") set("TimeoutAbortSec", "infinity");
  if (is_limit(unit.timeout_stop_us)) {
    out.ways.push_back(std::string(type->timeout) + "=" + seconds(unit.timeout_stop_us));
    out.after = milliseconds(unit.timeout_stop_us);
  }
  if (unit.send_sigkill && unit.kill_mode == "mixed") {
    out.ways.emplace_back("KillMode=mixed");
    out.after = Milliseconds(0);
  }
  if (type->name == "service" && unit.send_sigkill && is_limit(unit.watchdog_us) &&
      is_limit(unit.timeout_abort_us)) {
    out.ways.push_back("TimeoutAbortSec=" + seconds(unit.timeout_abort_us));
  }
  if (unit.kill_signal == kNobodyHandles) {
    out.ways.emplace_back("KillSignal=9");
    out.after = Milliseconds(0);
    set("KillSignal", "SIGTERM");
  }
  if (unit.job_timeout_action != "none" && !unit.job_timeout_action.empty() &&
      (is_limit(unit.job_timeout_us) || is_limit(unit.job_running_timeout_us))) {
    out.ways.push_back("JobTimeoutAction=" + clean_text(unit.job_timeout_action, 32));
    job_lines = "[Unit]\nJobTimeoutSec=infinity\nJobRunningTimeoutSec=infinity\n\n";
  }
  if (unit.kill_mode == "none") out.ways.clear();
  out.drop_in =
      "# noforce wrote this before it stops the unit, so that nothing of it is killed meanwhile,\n"
      "# and removes it once what ran then is gone. Removed earlier, systemd may kill it at "
      "once.\n" +
      job_lines + "[" + std::string(type->section) + "]\n" + lines;
  return out;
}

Error would_kill(const std::string& unit, const Sparing& sparing, const std::string& why) {
  Error error{.kind = ErrorKind::control_not_accepted, .service = unit};
  error.detail = "systemd would end " + unit + " by force when it stops (" +
                 list_names(sparing.ways) + "), and " + why +
                 ". Set TimeoutStopSec=infinity and SendSIGKILL=no in the unit itself, or let "
                 "noforce disarm it.";
  return error;
}

std::vector<std::string> other_ways(const Properties& unit) {
  std::vector<std::string> out;
  if (type_of(unit.id) != "service") return out;
  if (is_limit(unit.watchdog_us)) out.push_back("WatchdogSec=" + seconds(unit.watchdog_us));
  if (is_limit(unit.runtime_max_us)) out.push_back("RuntimeMaxSec=" + seconds(unit.runtime_max_us));
  if (is_limit(unit.timeout_start_us) && !sparing_of(unit).ways.empty()) {
    out.push_back("TimeoutStartSec=" + seconds(unit.timeout_start_us));
  }
  return out;
}

}  // namespace noforce::systemd
