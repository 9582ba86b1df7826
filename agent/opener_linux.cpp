#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "agent/files.hpp"
#include "agent/first_process.hpp"
#include "agent/handover.hpp"
#include "agent/lock.hpp"
#include "agent/log.hpp"
#include "agent/notify.hpp"
#include "agent/opener.hpp"
#include "agent/privileges.hpp"
#include "agent/process.hpp"
#include "config/machine.hpp"
#include "core/clock.hpp"
#include "core/fd.hpp"
#include "core/scm/supervisor/keeper_opener.hpp"
#include "core/text.hpp"
#include "core/thread_safety.hpp"
#include "core/trusted_program.hpp"

namespace noforce::agent {
namespace {

constexpr Milliseconds keeper_patience{12'000};
constexpr Milliseconds more_time{30'000};
constexpr std::size_t longest_answer = 4096;  // empty: granted
constexpr int first_port_for_all = 1024;

// The programs that run as root, or as somebody else, must not be the face's to change.
Result<void> check_programs(const config::Settings& settings, uid_t face) {
  if (auto trusted = check_trusted_path(this_executable(), 0); !trusted) return trusted;
  if (!settings.file.empty()) {
    if (auto trusted = check_trusted_path(settings.file, 0); !trusted) return trusted;
  }
  for (const supervisor::ServiceSpec& service : settings.services) {
    const auto user = config::find_user(service.user);
    if (user && user->uid == face) {
      return fail(ErrorKind::malformed,
                  "service " + service.name +
                      " must not run as the agent's own 'user': whoever takes over the one has the "
                      "other; give it a user of its own");
    }
    for (const auto* argv : {&service.command, &service.stop_command, &service.reload_command}) {
      if (argv->empty()) continue;
      auto trusted = check_trusted_path(argv->front(), user ? user->uid : 0);
      if (!trusted) {
        return fail(trusted.error().kind,
                    "service " + service.name + ": " + trusted.error().detail);
      }
    }
  }
  return {};
}

class FaceLine final : public OpenerLine {
 public:
  FaceLine(Fd line, std::int64_t opener, std::optional<Milliseconds> watchdog)
      : opener_(opener), watchdog_(watchdog), line_(std::move(line)) {}

  Result<void> wish(Wish what) override {
    const MutexLock lock(mutex_);
    const char word = static_cast<char>(what);
    std::array<char, longest_answer + 1> answer{};
    ssize_t size = ::send(line_.get(), &word, 1, MSG_NOSIGNAL);
    if (size == 1) {
      do {
        size = ::recv(line_.get(), answer.data(), answer.size(), 0);
      } while (size < 0 && errno == EINTR);
    }
    if (size <= 0) return fail(ErrorKind::scm_unavailable, "the opener, root's part, has ended");
    if (size == 1) return {};
    return fail(ErrorKind::malformed,
                std::string(answer.data(), static_cast<std::size_t>(size) - 1));
  }

  [[nodiscard]] bool is_held() const override { return ::getppid() == opener_; }
  [[nodiscard]] std::optional<Milliseconds> watchdog() const override { return watchdog_; }

 private:
  const std::int64_t opener_;
  const std::optional<Milliseconds> watchdog_;
  Mutex mutex_;
  Fd line_ NOFORCE_GUARDED_BY(mutex_);
};

class Opener {
 public:
  explicit Opener(const OpenerOptions& options)
      : options_(options), settings_(options.settings), notifier_(Notifier::from_environment()) {}

  int run(const std::function<int(OpenerLine&)>& face) {
    if (auto ready = set_up(); !ready) return report(ready.error());
    log(LogLevel::info, "the agent runs below this process, as a user of its own",
        {{"user", settings_.server.user}, {"keeper_dir", settings_.server.keeper_dir}});
    return run_below({.agent = [&, opener = ::getpid()](
                                   Fd line) { return be_face(std::move(line), opener, face); },
                      .hear = [this](int line) { return hear(line); },
                      .again = options_.first_process});
  }

 private:
  Result<void> set_up() {
    const config::ServerSettings& server = settings_.server;
    auto user = config::find_user(server.user);
    if (!user) return std::unexpected(user.error());
    user_ = std::move(*user);
    if (auto good = check_programs(settings_, user_.uid); !good) return good;
    if (auto made = prepare_for_face(server.state_dir, server.keeper_dir, user_); !made)
      return made;
    auto lock = Lock::take(server.keeper_dir + "/opener.lock");
    if (!lock) return std::unexpected(lock.error());
    lock_ = std::move(*lock);
    return {};
  }

  // What the starter left open is none of the face's.
  static void close_all_but(int kept) {
    constexpr unsigned first = STDERR_FILENO + 1;
    const auto line = static_cast<unsigned>(kept);
    if (line > first) (void)::close_range(first, line - 1, 0);
    (void)::close_range(line + 1, ~0U, 0);
  }

  int be_face(Fd end, pid_t opener, const std::function<int(OpenerLine&)>& face) {
    lock_.reset();  // the opener's, not the face's
    close_all_but(end.get());
    const bool low_port = settings_.server.port != 0 && settings_.server.port < first_port_for_all;
    if (auto dropped = drop_privileges(user_, low_port); !dropped) return report(dropped.error());
    if (auto refused = refuse_dangerous_calls(); !refused) {
      log(LogLevel::warning, "dangerous system calls are not refused",
          {{"why", refused.error().detail}});
    }
    FaceLine line(std::move(end), opener, notifier_.watchdog());
    (void)::prctl(PR_SET_PDEATHSIG, SIGTERM);
    return line.is_held() ? face(line) : exit_failed;
  }

  // False when the face has closed its end.
  bool hear(int line) {
    std::array<char, 2> said{};
    const ssize_t size = ::recv(line, said.data(), said.size(), MSG_DONTWAIT);
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    if (size == 0) return false;
    const Result<void> granted = size == 1 ? grant(static_cast<Wish>(said[0]))
                                           : fail(ErrorKind::malformed, "that is no wish");
    const std::string why = granted ? "" : granted.error().detail.substr(0, longest_answer);
    // One that does not read its answers gets none, and keeps nobody waiting.
    (void)::send(line, why.c_str(), why.size() + 1, MSG_NOSIGNAL | MSG_DONTWAIT);
    return true;
  }

  Result<void> grant(Wish wish) {
    switch (wish) {
      case Wish::keeper:
        return provide(settings_);
      case Wish::definitions:
        return read_again();
      case Wish::ready:
        notifier_.ready("Serving");
        return {};
      case Wish::reloading:
        notifier_.reloading();
        return {};
      case Wish::stopping:
        notifier_.stopping("Ending");
        return {};
      case Wish::more_time:
        notifier_.still_stopping(more_time, "Waiting for services to stop");
        return {};
      case Wish::alive:
        notifier_.alive();
        return {};
    }
    return fail(ErrorKind::malformed, "that is no wish");
  }

  [[nodiscard]] Result<void> provide(const config::Settings& settings) const {
    const auto provided = supervisor::provide_keeper(
        {.folder = settings.server.keeper_dir, .executable = this_executable(), .face = user_.uid},
        settings.services, keeper_patience);
    if (provided) return {};
    log(LogLevel::warning, "no keeper for the agent", {{"why", provided.error()}});
    return fail(ErrorKind::scm_unavailable, provided.error());
  }

  Result<void> read_again() {
    auto settings = options_.read_settings();
    if (!settings) return std::unexpected(settings.error());
    const config::ServerSettings& server = settings->server;
    if (server.user != settings_.server.user || server.keeper_dir != settings_.server.keeper_dir ||
        server.state_dir != settings_.server.state_dir) {
      return fail(ErrorKind::malformed,
                  "'user', 'state_dir' and 'keeper_dir' cannot change while the agent runs: end it "
                  "and start it again");
    }
    if (auto good = check_programs(*settings, user_.uid); !good) return good;
    if (auto provided = provide(*settings); !provided) return provided;
    settings_ = std::move(*settings);
    return {};
  }

  const OpenerOptions& options_;
  config::Settings settings_;  // as the keeper knows them
  const Notifier notifier_;
  config::User user_;
  std::optional<Lock> lock_;
};

}  // namespace

int run_opener(const OpenerOptions& options, const std::function<int(OpenerLine&)>& face) {
  return Opener(options).run(face);
}

}  // namespace noforce::agent
