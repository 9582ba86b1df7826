// One supervised service: what the keeper knows of it and decides. All effects go through `World`,
// so that tests can show each interleaving, and what is left when the keeper dies before any of
// them.
//
//   state             entered                                  left
//   stopped           its process is gone                      start, or the restart policy
//   start_pending     its child is forked                      running: simple: exec'ed; notify: READY=1;
//                                                              with ready_tcp: the agent saw it accept
//   running           ready, or continued                      stop, pause, its end, STOPPING=1
//   stop_pending      a stop was sent, or STOPPING=1           its process is gone; nothing else, ever
//   pause_pending     SIGSTOP was sent                         paused: the main process is halted
//   paused                                                     continue, stop
//   continue_pending  SIGCONT was sent                         running: it is no longer halted
//
// There is no time-out here and no second step after a stop: how long to wait is the agent's to
// judge, and nobody ends a process by force.
//
// What makes a keeper that is killed at any instant harmless is the order of save and effect:
//   start   fork (the child waits) - save pid and token - let it go. Before the save the child
//           ends by itself; after it the next keeper finds the pid, and never starts a second one.
//   stop    save the token as not yet answered - signal - save as answered. Found not answered,
//           the next keeper looks whether the signal arrived, and where that cannot be known says
//           so (Effect::unknown) rather than send it twice.
// A token that was answered is answered again from the record, with nothing done.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/scm/supervisor/launch.hpp"
#include "core/scm/supervisor/notify.hpp"
#include "core/scm/supervisor/process.hpp"
#include "core/scm/supervisor/protocol.hpp"
#include "core/scm/supervisor/record.hpp"
#include "core/scm/supervisor/spec.hpp"

namespace noforce::supervisor {

inline constexpr Milliseconds kStartWaitHint{2000};  // what the Windows SCM gives a start
inline constexpr Milliseconds kFirstRestart{100};
inline constexpr Milliseconds kLongestRestart{30'000};
inline constexpr Milliseconds kGoodRun{10'000};  // after one like this the back-off begins anew

// Stop and reload commands: programs that run beside the service.
enum class Companion : std::uint8_t { stop, reload };

struct ForkedMain {
  ProcessId process;
  std::string notify_address;  // where the service's messages are heard
};

// What a Supervised can see and do. One for each service; the keeper's does the real thing.
class World {
 public:
  virtual ~World() = default;

  [[nodiscard]] virtual MonoTime now() const = 0;
  [[nodiscard]] virtual std::int64_t wall_ms() const = 0;
  [[nodiscard]] virtual const std::string& boot() const = 0;
  // The machine goes down, or the keeper was asked to end: no restart policy.
  [[nodiscard]] virtual bool draining() const = 0;

  // 0 once the record would survive this process; else the errno.
  [[nodiscard]] virtual int save(const Record& record) = 0;

  // Forks the main process, which waits for let_go(); drop() ends it instead.
  [[nodiscard]] virtual std::expected<ForkedMain, Error> fork_main() = 0;
  virtual void let_main_go() = 0;
  virtual void drop_main() = 0;
  // Likewise for a command beside it.
  [[nodiscard]] virtual Result<void> fork_companion(Companion which) = 0;
  virtual void let_companion_go(Companion which) = 0;
  virtual void drop_companion(Companion which) = 0;

  // 0, or the errno.
  [[nodiscard]] virtual int signal_main(int signal) = 0;
  // SIGSTOP or SIGCONT to each process of the service's tree.
  [[nodiscard]] virtual int halt_tree() = 0;
  [[nodiscard]] virtual int resume_tree() = 0;
  [[nodiscard]] virtual bool main_halted() const = 0;
  // Of a process taken up from a record: still the keeper's image, waiting for its word.
  [[nodiscard]] virtual bool main_forked_only() const = 0;
  // Whoever started it: this process sees how it ends.
  [[nodiscard]] virtual bool main_is_child() const = 0;
  [[nodiscard]] virtual std::optional<SignalFate> main_signal_fate(int signal) const = 0;

  // To the agent, if one is connected. The status that was changed() is sent before an answer.
  virtual void answer(const ControlToken& token, const Result<void>& result) = 0;
  // `urgent`: the state changed; else it may wait a moment and be joined with later ones.
  virtual void changed(bool urgent) = 0;
};

class Supervised {
 public:
  // `record` is what an earlier keeper left. Call take_up() next when there was one.
  Supervised(World& world, ServiceSpec spec, std::optional<Record> record);

  // Goes on from the record. `alive`: its main process is there, with the recorded start time;
  // `code`: how it ended, where that can still be seen.
  void take_up(bool alive, std::optional<std::int64_t> code = {});

  // New settings; they hold from the next control on, and what makes its process what it is from its
  // next start on.
  void define(ServiceSpec spec);
  void take_out();       // no longer in the settings
  void keep(bool kept);  // whether a job may have to start it again, also when taken out

  void control(const Command& command);
  void tcp_ready(const std::string& key);
  // The main process became its program.
  void executed();
  // The main process is gone. `code` as in Exit, unset when nobody could see it; `failure` when it
  // never became its program.
  void main_ended(std::optional<std::int64_t> code, const std::optional<Error>& failure);
  void companion_executed(Companion which);
  void companion_failed(Companion which, const Error& error);  // not executed
  void companion_ended(Companion which, std::int64_t code);
  // From a process that belongs to the service; the keeper checked. `moved`: MAINPID names this one,
  // checked as well; the run stays the same instance. In the record when it returns; heard a second
  // time, by the next keeper, it changes nothing more.
  void notified(const Notification& notification, const std::optional<ProcessId>& moved = {});
  // Something may have changed that nobody reports (a process halted), or due() has come.
  void look();

  // When look() is to be called at the latest.
  [[nodiscard]] std::optional<MonoTime> due() const;
  [[nodiscard]] Status status() const;
  [[nodiscard]] const ServiceSpec& spec() const { return spec_; }
  [[nodiscard]] const Record& record() const { return record_; }
  [[nodiscard]] bool up() const { return record_.main.pid != 0; }
  [[nodiscard]] bool defined() const { return defined_; }
  [[nodiscard]] bool kept() const { return kept_; }
  // Something about the service that its owner should know; replaces the last one about `topic`.
  void note(const std::string& topic, const std::string& sentence);

 private:
  void start(const Command& command);
  void stop(const Command& command);
  void stop_by_signal(const Command& command);
  void stop_by_companion(const Command& command);
  void pause(const Command& command);
  void resume(const Command& command);
  void reload(const Command& command);

  // Forks, saves, lets go. The error was saved as the token's answer by nobody yet.
  [[nodiscard]] Result<void> launch(const Command* command);
  void take_up_stop(TokenRecord& token);
  void take_up_tokens();
  void plan_restart(const std::optional<Error>& failure, bool asked);
  void enter(ServiceState state);
  void progress();
  [[nodiscard]] bool ready_but_tcp() const;
  void become_running_if_ready();

  [[nodiscard]] TokenRecord* find(const ControlToken& token);
  void remember(const Command& command);
  void forget(const ControlToken& token);
  // Saves the answer, then tells the agent what changed and the answer.
  void settle(const Command& command, Result<void> result);
  // The same for all controls of this kind whose answer is outstanding.
  void settle_outstanding(ControlOp op, const Result<void>& result);
  [[nodiscard]] bool outstanding(ControlOp op) const;
  void save_and_tell(bool urgent);
  [[nodiscard]] bool other_instance(const Command& command) const;
  [[nodiscard]] std::unexpected<Error> error(ErrorKind kind, const std::string& what) const;
  [[nodiscard]] std::unexpected<Error> errno_error(const std::string& what, int code) const;
  [[nodiscard]] Accepts accepts() const;

  World& world_;
  ServiceSpec spec_;
  Record record_;
  bool defined_ = true;
  bool kept_ = false;
  bool taken_up_ = false;    // this run began under another keeper
  bool end_unseen_ = false;  // and that was another process: nobody sees how the run ends
  bool stop_companion_failed_ = false;
  std::optional<MonoTime> restart_at_;
  Milliseconds restart_delay_{0};
  std::optional<MonoTime> look_at_;  // for what nobody reports
  Milliseconds look_delay_{0};
  std::vector<std::pair<std::string, std::string>> notes_;
};

}  // namespace noforce::supervisor
