// `serve`: the agent's life from the first look at its settings to the last line of its log.

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "agent/assembly.hpp"
#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "agent/files.hpp"
#include "agent/going_down.hpp"
#include "agent/lock.hpp"
#include "agent/log.hpp"
#include "agent/notify.hpp"
#include "agent/opener.hpp"
#include "agent/serving.hpp"
#include "agent/signals.hpp"
#include "core/text.hpp"

namespace noforce::agent {
namespace {

constexpr Milliseconds upkeep_interval = std::chrono::hours(1);
constexpr Milliseconds shortest_beat{10};
constexpr Milliseconds more_time{30'000};  // asked of our own service manager, again and again
constexpr Milliseconds try_again{2'000};
constexpr Milliseconds systemd_answers{30'000};
constexpr Milliseconds face_ends{10'000};  // how long another one's end may take

class Serving {
 public:
  // `opener`: of a face; null where this process does all itself.
  Serving(const ServeOptions& options, bool in_container, const Signals& signals,
          const Notifier& notifier, OpenerLine* opener)
      : options_(options),
        in_container_(in_container),
        signals_(signals),
        notifier_(notifier),
        opener_(opener) {}

  int run() {
    auto settings = read(options_.config);
    if (!settings) return report(settings.error());
    if (!settings->server.user.empty() && opener_ == nullptr) {
      return report({.kind = ErrorKind::access_denied,
                     .detail = "only root can give the agent a user of its own ('user' in [server]"
                               "): start it as root, or take 'user' out"});
    }
    if (auto opened = open_log(settings->log.level, settings->log.file); !opened) {
      return report(opened.error());
    }
    if (settings->file.empty()) {
      log(LogLevel::warning, "no settings file, so there are no services; the defaults count",
          {{"looked_for", default_settings()}});
    }
    const StateDir state(settings->server.state_dir);
    if (auto good = prepare_private_directory(state.path()); !good) return report(good.error());
    const auto lock = take_lock(state.lock());
    if (!lock) return report(lock.error());
    remove_file(state.address());  // of an agent that had no time to do so

    // A default file that was there and is gone is a mistake on reload, not the wish for defaults.
    const std::string file = settings->file.empty() ? options_.config : settings->file;
    auto agent = Agent::start({.settings = std::move(*settings),
                               .state = state,
                               .version = options_.version,
                               .read_settings = [this, file] { return read(file); },
                               .opener = opener_});
    if (!agent) return report(agent.error());
    agent_ = std::move(*agent);
    ready();
    agent_->start_what_is_due();
    watch();
    return end();
  }

 private:
  // What only root can see, its opener has looked at.
  [[nodiscard]] Result<config::Settings> read(const std::string& file) const {
    return read_settings(file, config::MachineChecks(opener_ == nullptr));
  }

  // The face of an opener that has just been ended by force may still be about to end.
  [[nodiscard]] Result<Lock> take_lock(const std::string& path) const {
    const MonoTime until =
        system_clock().mono() + (opener_ != nullptr ? face_ends : Milliseconds(0));
    for (;;) {
      auto lock = Lock::take(path);
      if (lock || lock.error().kind != ErrorKind::busy) return lock;
      const auto left = std::chrono::floor<Milliseconds>(until - system_clock().mono());
      constexpr Milliseconds look{50};
      if (left <= Milliseconds(0) || signals_.wait(std::min(left, look)) == Told::end) return lock;
    }
  }

  // An opener that was ended by force took nothing with it.
  [[nodiscard]] bool may_stop_services() const {
    return agent_->owns_services() && (opener_ == nullptr || opener_->is_held());
  }

  void ready() {
    log(LogLevel::info, "ready", {{"address", agent_->address()}, {"version", options_.version}});
    notifier_.ready("Serving at " + agent_->address());
  }

  // Between two looks. To a watchdog a word may come late, once or twice.
  [[nodiscard]] Milliseconds interval() const {
    const auto watchdog = notifier_.watchdog();
    return watchdog ? std::clamp(*watchdog / 4, shortest_beat, upkeep_interval) : upkeep_interval;
  }

  // Until it is told to end.
  void watch() {
    agent_->look_after();
    MonoTime upkeep = system_clock().mono() + upkeep_interval;
    const Milliseconds beat = interval();
    for (;;) {
      const auto told = signals_.wait(beat);
      if (told == Told::end) return;
      if (told == Told::reload) {
        notifier_.reloading();
        const auto reloaded = agent_->reload("signal");  // it logs what came of it
        notifier_.ready("Serving at " + agent_->address() +
                        (reloaded ? "" : "; the changed settings have mistakes"));
      } else if (system_clock().mono() >= upkeep) {
        agent_->look_after();
        upkeep = system_clock().mono() + upkeep_interval;
      }
      // This thread is here, and the executor's takes its turns.
      if (notifier_.watchdog() && agent_->responds()) notifier_.alive();
    }
  }

  int end() {
    log(LogLevel::info, "told to end");
    notifier_.stopping("Ending");
    const bool owns = may_stop_services();
    const bool stops =
        owns && (in_container_ || agent_->on_exit() == config::OnExit::stop || all_ends());
    log(LogLevel::info, "ending", {{"services", stops ? "are stopped" : "run on"}});
    const int status = stops ? stop_services() : exit_ok;
    agent_->close_doors();
    agent_->stop();
    agent_.reset();
    log(LogLevel::info, "ended");
    return status;
  }

  // Whether what is left running ends by force: all others with the container's first process, and
  // everything with the machine.
  bool all_ends() {
    if (!all_ends_) all_ends_ = in_container_ || goes_down();
    return *all_ends_;
  }

  // A systemd that is busy just then may need more than one try.
  bool goes_down() {
    const MonoTime until = system_clock().mono() + systemd_answers;
    for (;;) {
      const auto down = machine_goes_down();
      if (down) return *down;
      const bool again = down.error().kind == ErrorKind::timeout && system_clock().mono() < until;
      if (again && !is_told_again(Milliseconds(0))) continue;
      log(LogLevel::warning, "systemd does not say whether the machine goes down",
          {{"why", down.error().detail}});
      return false;
    }
  }

  bool is_told_again(Milliseconds patience) {
    const MonoTime now = system_clock().mono();
    if (now >= next_extension_) {
      notifier_.still_stopping(more_time, "Waiting for services to stop");
      next_extension_ = now + more_time / 3;
    }
    return signals_.wait(patience) == Told::end;
  }

  int stop_services() {
    const auto told_again = [this](Milliseconds patience) { return is_told_again(patience); };
    Agent::Stopped stopped = agent_->stop_services(told_again);
    // Rather wait than leave what then ends by force; and try again: what was hung on may follow by now, and
    // what could not be asked may be there.
    while (stopped == Agent::Stopped::some_left && all_ends()) {
      stopped =
          told_again(try_again) ? Agent::Stopped::told_off : agent_->stop_services(told_again);
    }
    if (stopped == Agent::Stopped::all) {
      if (const auto ended = agent_->end_keeper(); !ended) {
        log(LogLevel::warning, "the keeper runs on", {{"why", ended.error().detail}});
        return exit_failed;
      }
      return exit_ok;
    }
    log(LogLevel::warning, "services are left running, with their keeper; nothing was killed",
        {{"services", list_names(agent_->services_up())}});
    return exit_failed;
  }

  const ServeOptions& options_;
  const bool in_container_;
  const Signals& signals_;
  const Notifier& notifier_;
  OpenerLine* const opener_;
  MonoTime next_extension_{};
  std::optional<bool> all_ends_;
  std::unique_ptr<Agent> agent_;
};

}  // namespace

int run_agent(const ServeOptions& options, bool in_container, const Signals& signals,
              const Notifier& notifier, OpenerLine* opener) {
  return Serving(options, in_container, signals, notifier, opener).run();
}

}  // namespace noforce::agent
