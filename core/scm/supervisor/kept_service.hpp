// One service in the keeper: its processes, descriptors and files, and the decisions (Supervised)
// that they are lent to.
#pragma once

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "core/scm/supervisor/agent_link.hpp"
#include "core/scm/supervisor/event_loop.hpp"
#include "core/scm/supervisor/launch.hpp"
#include "core/scm/supervisor/notify_socket.hpp"
#include "core/scm/supervisor/supervised.hpp"

namespace noforce::supervisor {

class KeptService;

// What the keeper's services share.
struct Premises {
  // Called with the exit code while the process is still there as a zombie; it is reaped after.
  using Ended = std::function<void(std::int64_t code)>;

  EventLoop* loop = nullptr;
  AgentLink* link = nullptr;
  int records = -1;  // folder state_dir/keeper
  int logs = -1;     // folder state_dir/logs
  int null = -1;     // /dev/null
  std::string boot;
  bool draining = false;
  bool hands_out = true;  // the notify sockets to the agent, which keeps them for the next keeper
  std::optional<std::pair<std::uint64_t, std::uint64_t>> open_files;
  std::optional<std::pair<std::uint64_t, std::uint64_t>> core;
  std::map<std::int64_t, Ended> children;       // by pid
  std::set<KeptService*> leavers;               // ended; some of their processes may remain
  std::function<void(KeptService&)> touched;    // its due() may be another one now
  std::map<std::string, Fd> inherited;          // notify sockets of the program before, by address
  std::function<void(const std::string&)> log;  // one line
};

class KeptService final : public World {
 public:
  // Reads the record of an earlier keeper, if there is one.
  KeptService(Premises& premises, ServiceSpec spec);
  ~KeptService() override;
  KeptService(const KeptService&) = delete;
  KeptService& operator=(const KeptService&) = delete;

  // Finds the process that the record names, or sees that it is gone.
  void take_up();
  [[nodiscard]] Supervised& machine() { return machine_; }
  // The agent held this run's notify socket while there was no keeper.
  void take_notify(const std::string& address, Fd socket);
  // After its main process was reaped: whether others of its group go on without it.
  void look_for_left_behind();
  // Gives the agent the notify socket to hold.
  void hand_out_notify();
  // No child of it waits or is about to become its program: each is in the record, or known not to
  // have become it.
  [[nodiscard]] bool settled() const;
  // Leaves its notify socket open over an exec.
  void hand_on_notify(bool hand_on);
  // Neither a process nor a command beside it.
  [[nodiscard]] bool idle() const;
  [[nodiscard]] std::optional<MonoTime> due() const;
  void look();

  // World
  [[nodiscard]] MonoTime now() const override;
  [[nodiscard]] std::int64_t wall_ms() const override;
  [[nodiscard]] const std::string& boot() const override { return premises_.boot; }
  [[nodiscard]] bool draining() const override { return premises_.draining; }
  [[nodiscard]] int save(const Record& record) override;
  [[nodiscard]] std::expected<ForkedMain, Error> fork_main() override;
  void let_main_go() override;
  void drop_main() override;
  [[nodiscard]] Result<void> fork_companion(Companion which) override;
  void let_companion_go(Companion which) override;
  void drop_companion(Companion which) override;
  [[nodiscard]] int signal_main(int signal) override;
  [[nodiscard]] int halt_tree() override;
  [[nodiscard]] int resume_tree() override;
  [[nodiscard]] bool main_halted() const override;
  [[nodiscard]] bool main_forked_only() const override;
  [[nodiscard]] bool main_is_child() const override;
  [[nodiscard]] std::optional<SignalFate> main_signal_fate(int signal) const override;
  void answer(const ControlToken& token, const Result<void>& result) override;
  void changed(bool urgent) override;

 private:
  struct Beside {  // a stop or reload command
    std::int64_t pid = 0;
    LaunchPlan plan;
    std::optional<Launch> launch;  // until its result is known
    EventLoop::Id watch = 0;
    bool failed = false;
  };

  void open_record();
  // The run's notify socket, bound to `address`, or to a new name where that is taken or empty.
  void open_notify(const std::string& address, bool only_that);
  [[nodiscard]] Fd open_log();
  [[nodiscard]] LaunchPlan plan_for(const std::vector<std::string>& argv) const;
  [[nodiscard]] Error launch_failure(const LaunchError& error, const LaunchPlan& plan) const;

  void own_main(std::int64_t pid);
  void watch_pidfd();
  void listen_to(NotifySocket socket);
  void main_result();
  void main_gone(std::optional<std::int64_t> code);
  void release_main();
  void beside_result(Companion which);
  void beside_ended(Companion which, std::int64_t code);
  void hear(int most);
  void heard(const NotifySocket::Received& received);
  [[nodiscard]] bool is_ours(std::int64_t pid) const;
  [[nodiscard]] std::int64_t session() const;
  [[nodiscard]] std::vector<ProcessStat> tree() const;
  [[nodiscard]] Beside& beside(Companion which) { return beside_[static_cast<std::size_t>(which)]; }

  Premises& premises_;
  std::string name_;
  std::optional<RecordFile> file_;
  bool found_record_ = false;
  // There is a record that could not be read: until it is, nothing may be started.
  bool record_unread_ = false;
  Supervised machine_;

  // The main process.
  Fd pidfd_;
  std::int64_t main_ = 0;
  EventLoop::Id pidfd_watch_ = 0;  // only of one that is no child of this keeper
  std::optional<Launch> launch_;   // until its result is known
  LaunchPlan launch_plan_;
  std::optional<Error> launch_failure_;  // the child said so and ends
  EventLoop::Id launch_watch_ = 0;
  std::array<Beside, 2> beside_;

  std::optional<NotifySocket> notify_;
  std::string notify_address_;
  EventLoop::Id notify_watch_ = 0;

  MonoTime told_at_{};
  std::optional<MonoTime> tell_at_;
};

}  // namespace noforce::supervisor
