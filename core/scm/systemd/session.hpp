// The backend's one thread: keeps the connection, sees what happens, carries out controls.
//
// All that systemd says comes in one order, replies and signals alike, so a reply is never older than
// a signal that was handled before it. What is not said again in time is asked for: after Subscribe,
// after a reload, after each job, for watched units every two seconds. Every minute the list of loaded
// units and the unit files are held against what is known, and what differs is asked for.
//
// systemd forgets a unit that is stopped and that nobody refers to, and with it how it ended; asking
// for such a unit makes systemd load it again. So what was heard of its end is kept here, and the
// signal that a known unit was loaded (UnitNew) is answered by one look at the list of loaded units,
// never by asking for that unit: that would go on for ever.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/scm/port.hpp"
#include "core/scm/systemd/controls.hpp"
#include "core/scm/systemd/mailbox.hpp"
#include "core/scm/systemd/spared_units.hpp"
#include "core/scm/systemd/units.hpp"
#include "core/scm/systemd/wire.hpp"
#include "core/thread_safety.hpp"

namespace noforce::systemd {

// What the session writes and any thread reads.
struct Shared {
  explicit Shared(std::set<std::string, std::less<>> types) : units(std::move(types)) {}

  Mutex mutex;
  Units units NOFORCE_GUARDED_BY(mutex);
  PicturePtr picture NOFORCE_GUARDED_BY(mutex);
  std::string why_lost NOFORCE_GUARDED_BY(mutex);  // the last connection that could not be made
};

class Session final : private SparedUnits::World {
 public:
  struct Options {
    OpenWire open;
    SparedFiles files;
    std::string no_disarming;     // why units are given no drop-in; empty: they are
    std::set<std::string> begun;  // jobs of agents before this one that go on
  };
  struct Outlets {
    std::shared_ptr<Reply<Result<void>>> ready;  // the first complete picture is there
    ScmSink* sink = nullptr;
  };

  Session(Options options, Outlets outlets, Shared& shared, Mailbox& mailbox, const Clock& clock);

  // Until the inbox says Leave. Restarts nothing and stops nothing by itself.
  void run();

 private:
  using Then = std::function<void()>;
  struct OurJob {
    std::string unit;
    ControlOp op = ControlOp::start;
  };

  // The connection.
  void connect();
  void lose();
  void wait();
  void work_off_mailbox();
  [[nodiscard]] MonoTime next_due() const;
  void call(std::string member, std::vector<std::string> arguments, Wire::OnReply on_reply);

  // What there is.
  void list();
  void take_list(const CallReply& reply);
  void look_soon(const std::string& unit);
  void look_some();
  void look(const std::string& unit, Then then);
  void take(const std::string& unit, const std::vector<Value>& dictionaries);
  void forget(const std::string& unit);
  void look_at_loaded_soon();
  void look_at_watched();
  void became_complete();
  void publish();

  // Signals.
  void hear(const Signal& signal);
  void hear_change(const Signal& signal);
  void hear_new_unit(const std::string& unit);
  void hear_removed_unit(const std::string& unit);
  void hear_job_removed(const Signal& signal);

  // Requests.
  void serve(Control control);
  void serve(const Prepare& prepare);
  void serve(const Release& release);
  void serve(const LookAgain& request);
  void serve(const Watch& watch);
  void serve(Leave);
  void carry_out(const Control& control, bool is_spared);
  void spare_first(const Control& control);
  void send(const Control& control, const Order& order);
  void sent(const Control& control, const CallReply& reply);
  void settle(const Control& control, Result<void> result);

  std::optional<SparedUnits::Seen> seen(const std::string& unit) const override;
  void reload(const std::vector<std::string>& units, SparedUnits::Then then) override;

  const Options options_;
  const Outlets outlets_;
  Shared& shared_;
  Mailbox& mailbox_;
  const Clock& clock_;
  SparedUnits spared_;

  std::unique_ptr<Wire> wire_;
  bool leaving_ = false;
  bool was_ready_ = false;  // once
  bool complete_ = false;
  MonoTime connect_at_{};
  int failures_ = 0;  // to connect, in a row

  std::vector<std::string> unit_path_;  // where unit files are
  bool is_new_ = true;                  // nothing was listed over this connection yet
  bool listing_ = false;                // the reply is still to come
  bool list_again_ = false;
  std::map<std::string, std::uint64_t> prints_;  // of the units' files, when they were last listed
  std::deque<std::string> to_look_;
  std::set<std::string> queued_;
  int looking_ = 0;  // of look_some(), on their way
  bool loaded_asked_ = false;
  std::map<std::string, std::vector<Value>> halves_;  // changes whose other half is to come
  std::set<std::string> changed_;
  std::set<std::string> watched_;
  MonoTime watch_at_{};
  MonoTime list_at_{};
  std::optional<MonoTime> sweep_at_;

  std::map<std::uint64_t, OurJob> jobs_;
  std::map<ControlToken, std::optional<Result<void>>> tokens_;
  std::deque<ControlToken> token_order_;
};

}  // namespace noforce::systemd
