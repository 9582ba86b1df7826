#include "core/scm/windows/followed.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "core/scm/windows/codes.hpp"
#include "core/text.hpp"

namespace noforce::windows {
namespace {

constexpr std::size_t kMostName = 256;  // "The maximum length of a service's name" and display name
constexpr Milliseconds kSoon{100};
// 100 ns from 1601-01-01 to 1970-01-01.
constexpr std::uint64_t kUnixEpoch = 116'444'736'000'000'000;

bool up_number(std::uint32_t number) {
  return number != state::stopped;
}

WallTime wall_of(std::uint64_t filetime) {
  return WallTime(Milliseconds((filetime - kUnixEpoch) / 10'000));
}

}  // namespace

std::optional<ServiceState> state_of(std::uint32_t number) {
  switch (number) {
    case state::stopped:
      return ServiceState::stopped;
    case state::start_pending:
      return ServiceState::start_pending;
    case state::stop_pending:
      return ServiceState::stop_pending;
    case state::running:
      return ServiceState::running;
    case state::continue_pending:
      return ServiceState::continue_pending;
    case state::pause_pending:
      return ServiceState::pause_pending;
    case state::paused:
      return ServiceState::paused;
    default:
      return std::nullopt;
  }
}

Accepts accepts_of(const StatusRecord& status) {
  if (status.state == state::stopped || status.state == state::start_pending ||
      status.state == state::stop_pending) {
    return {};
  }
  return {.stop = (status.accepts & accept::stop) != 0,
          .pause_continue = (status.accepts & accept::pause_continue) != 0,
          .reload = (status.accepts & accept::paramchange) != 0};
}

StartType start_type_of(std::uint32_t number) {
  if (number == start::disabled) return StartType::disabled;
  return number == start::demand ? StartType::manual : StartType::automatic;
}

Milliseconds poll_interval(std::uint32_t wait_hint_ms) {
  return std::clamp(Milliseconds(wait_hint_ms / 10), Milliseconds(1'000), Milliseconds(10'000));
}

void Followed::describe(const ConfigRecord& config, std::vector<std::string> depends_on,
                        std::vector<std::string> unread) {
  service_.display_name =
      clean_text(config.display_name.empty() ? service_.name : config.display_name, kMostName);
  service_.start_type = start_type_of(config.start);
  service_.depends_on = std::move(depends_on);
  auto& warnings = service_.warnings;
  warnings.erase(warnings.begin(), warnings.begin() + static_cast<std::ptrdiff_t>(unread_.size()));
  warnings.insert(warnings.begin(), unread.begin(), unread.end());
  unread_ = std::move(unread);
}

std::string Followed::key_of(const ProcessSeen& process) {
  std::string key = std::to_string(process.pid) + ":" + std::to_string(process.created);
  if (!shared()) return key;
  if (runs_.process != key) runs_ = {.process = key, .count = 0};
  return key + ":" + std::to_string(runs_.count);
}

bool Followed::take(const StatusRecord& status, const Sight& sight) {
  const Service before = service_;
  const std::int64_t pid_before = process_.pid;
  if (!state_of(status.state)) {
    service_.warnings = unread_;
    warn("it reported " + std::to_string(status.state) +
         " as its state, which is none; the last one is shown");
    return !(service_ == before);
  }
  if (given_up_ != 0) {
    const bool still =
        status.pid == given_up_ && up_number(status.state) && sight.named && sight.named->ended;
    if (still) return false;  // told already; the manager has not noticed
    given_up_ = 0;
  }
  service_.warnings = unread_;
  status_.type = status.type;
  take_instance(status, sight);
  const ServiceState state_before = service_.state;
  service_.state = *state_of(status.state);
  service_.accepts = accepts_of(status);
  take_progress(status, state_before, sight);
  take_end(status, state_before, sight);
  if (service_.instance && !process_.held && !process_.ended) {
    warn("its process (" + std::to_string(process_.pid) +
         ") cannot be watched, so it counts as gone once the service manager says that it stopped");
  }
  status_ = status;
  seen_ = true;
  return !(service_ == before) || pid_before != process_.pid;
}

// Who runs. `process_` is the process of the instance that is known so far.
void Followed::take_instance(const StatusRecord& status, const Sight& sight) {
  const bool is_up = up_number(status.state);
  if (shared() && process_.pid != 0 && ran_ && !is_up) ++runs_.count;  // the next run is another
  if (is_up && sight.named) {
    const bool anew = shared() && seen_ && status.state == state::start_pending &&
                      up_number(status_.state) && status_.state != state::start_pending && ran_;
    if (anew) ++runs_.count;  // STOPPED came and went between two looks
    process_ = *sight.named;
    service_.instance = Instance{.pid = process_.pid, .key = key_of(process_)};
    ran_ = true;
    stopped_since_.reset();
    return;
  }
  if (is_up) return;  // on its way up, without a process as yet
  ran_ = false;
  if (process_.pid == 0) return;
  const auto& now = sight.named && sight.named->pid == process_.pid ? sight.named : sight.last;
  if (now) process_ = *now;
  if (!stopped_since_) stopped_since_ = sight.now;
  bool gone = process_.ended || !process_.held;
  if (shared() && !gone) {
    gone = sight.others_run_there || sight.now - *stopped_since_ >= kSharedLinger;
  }
  if (!gone) return;
  service_.instance.reset();
  process_ = {};
  stopped_since_.reset();
}

void Followed::take_progress(const StatusRecord& status, ServiceState before, const Sight& sight) {
  const bool entered = !seen_ || service_.state != before;
  service_.wait_hint = Milliseconds(status.wait_hint);
  if (entered) {
    service_.since = sight.wall;
    if (!seen_ && process_.created > kUnixEpoch) service_.since = wall_of(process_.created);
    service_.checkpoint = status.checkpoint;
    service_.last_progress = sight.now;
  } else if (is_pending(service_.state) && status.checkpoint > service_.checkpoint) {
    service_.checkpoint = status.checkpoint;
    service_.last_progress = sight.now;
  }
  if (!is_pending(service_.state)) {
    service_.checkpoint = 0;
    service_.wait_hint = Milliseconds(0);
  }
}

// How it ended, and whether its process ended without a word.
void Followed::take_end(const StatusRecord& status, ServiceState before, const Sight& sight) {
  if (service_.state == ServiceState::stopped) {
    dead_since_.reset();
    if (status.exit_code == code::never_started) return;
    Exit exit{.code = status.exit_code};
    if (status.exit_code == code::specific_error) exit.service_code = status.service_code;
    const bool known = service_.exit && before == service_.state &&
                       (status_.exit_code == status.exit_code || up_number(status_.state));
    if (!known) {
      service_.exit = exit;
      service_.status_text.clear();
      if (status.exit_code == code::specific_error) {
        service_.status_text = "stopped with " + number_and_name(status.exit_code) +
                               ", its own code " + std::to_string(status.service_code);
      } else if (status.exit_code == code::process_aborted) {
        service_.status_text = "its process ended without reporting that it stopped: " +
                               number_and_name(status.exit_code);
        if (sight.last && sight.last->exit_code) {
          service_.status_text +=
              ", the process's exit code " + std::to_string(*sight.last->exit_code);
        }
      } else if (status.exit_code != code::success) {
        service_.status_text = "stopped with " + number_and_name(status.exit_code);
      }
    }
    return;
  }
  if (before == ServiceState::stopped) service_.status_text.clear();
  if (!process_.ended || !sight.named || sight.named->pid != process_.pid) {
    dead_since_.reset();
    return;
  }
  if (!dead_since_) dead_since_ = sight.now;
  if (sight.now - *dead_since_ >= kScmNotices) show_gone(status, sight);
}

void Followed::show_gone(const StatusRecord& status, const Sight& sight) {
  const ProcessSeen process = process_;
  given_up_ = process.pid;
  dead_since_.reset();
  ran_ = false;
  service_.state = ServiceState::stopped;
  service_.since = sight.wall;
  service_.instance.reset();
  service_.accepts = {};
  service_.checkpoint = 0;
  service_.wait_hint = Milliseconds(0);
  service_.exit = Exit{.code = code::process_aborted};
  service_.status_text =
      "its process (" + std::to_string(process.pid) + ") ended without reporting that it stopped";
  if (process.exit_code) {
    service_.status_text += ", exit code " + std::to_string(*process.exit_code);
  }
  process_ = {};
  service_.warnings = unread_;
  warn("the service manager still says " + std::string(to_string(*state_of(status.state))) +
       " of a process that has ended");
}

std::optional<Milliseconds> Followed::look_again() const {
  if (dead_since_ || stopped_since_) return kSoon;
  if (is_pending(service_.state)) {
    return poll_interval(static_cast<std::uint32_t>(service_.wait_hint.count()));
  }
  return std::nullopt;
}

}  // namespace noforce::windows
