// The backend's one thread: keeps the connection to the keeper, starts one where none answers,
// turns its messages into pictures and its answers into completions.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "core/scm/port.hpp"
#include "core/scm/supervisor/event_loop.hpp"
#include "core/scm/supervisor/inventory.hpp"
#include "core/scm/supervisor/keeper_start.hpp"
#include "core/scm/supervisor/mailbox.hpp"
#include "core/scm/supervisor/packet.hpp"
#include "core/scm/supervisor/protocol.hpp"
#include "core/scm/supervisor/tcp_probes.hpp"

namespace noforce::supervisor {

class KeeperClient {
 public:
  struct Options {
    std::string state_dir;
    std::string executable;
    std::vector<std::string> keeper_args;
    std::vector<ServiceSpec> specs;
    std::set<std::string> kept;  // what jobs that had begun may have to start again
    SeeToKeeper opener;  // empty: the keeper is started, replaced and told what to run from here
  };
  struct Outlets {
    std::function<void(PicturePtr)> publish;
    // The first complete picture was published, or why none can be had; may be called again.
    std::function<void(Result<void>)> ready;
    ScmSink* sink = nullptr;
  };

  // `cancel` is readable once the thread is to end, whatever it waits for.
  KeeperClient(Options options, Outlets outlets, Mailbox& mailbox, int cancel);

  // Until Leave is in the mailbox.
  void run();

 private:
  // replacing: the keeper was asked to execute our program, and has not done it yet.
  enum class Phase { away, greeting, replacing, hearing, talking, ended };
  struct Outstanding {
    Control control;
    bool sent = false;
  };

  void turn();
  void serve_mailbox();
  void submit(Control control);
  void redefine(Redefine redefine);
  void keep(KeepServices kept);
  void look_again(const LookAgain& look);
  void end_keeper(EndKeeper end);
  void wait_for_its_end();
  void has_ended();

  void connect();
  void attach(Fd socket);
  void lost(const std::string& why);
  void retry_later();
  void refuse_outstanding();

  void receive_some();
  void take(const Message& message, Fd descriptor);
  void met(const Hello& keeper);
  [[nodiscard]] bool to_be_replaced(const Hello& keeper) const;
  void stays_as_it_is(const std::string& why);
  void refused(const std::string& why);
  void greeted();
  void heard(const Status& status);
  void heard_all();
  void answered(const Answer& answer);
  void end_answered(const EndAnswer& answer);

  void send(const Message& message, Fd descriptor = {});
  // Afterwards every service is heard of.
  void send_definitions();
  void send_kept();
  void send_control(Outstanding& outstanding);
  void flush();
  void publish();

  Options options_;
  Outlets outlets_;
  Mailbox& mailbox_;
  int cancel_;

  EventLoop loop_;
  EventLoop::Id mailbox_watch_ = 0;
  Inventory inventory_;
  TcpProbes probes_;

  Phase phase_ = Phase::away;
  bool leaving_ = false;
  bool told_lost_ = false;
  bool ever_complete_ = false;
  std::optional<Hello> keeper_;       // of this connection
  std::optional<std::string> stays_;  // why no keeper takes our program; set: not asked again
  Fd socket_;
  EventLoop::Id socket_watch_ = 0;
  bool wants_room_ = false;
  std::deque<Packet> outbox_;
  // Services' notify sockets, held for the next keeper.
  std::map<std::string, std::pair<HeldSocket, Fd>> held_;
  MonoTime retry_at_{};
  Milliseconds retry_delay_{0};
  MonoTime away_since_{};

  std::map<ControlToken, Outstanding> outstanding_;
  std::vector<ControlToken> order_;   // of outstanding_, as submitted
  std::vector<std::string> changed_;  // services, since the last picture
  std::shared_ptr<Reply<Result<void>>> ending_;
  Fd keeper_process_;  // of a keeper that has said that it ends
  EventLoop::Id process_watch_ = 0;
};

}  // namespace noforce::supervisor
