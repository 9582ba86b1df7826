// A service control manager with a life of its own: it outlives the agent, takes controls late,
// answers later still, and its services hang, crash and refuse. One that is not told to spare a
// service ends it by force when its patience is over, as systemd does.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "core/graph.hpp"
#include "core/scm/port.hpp"
#include "tests/simulation/chance.hpp"
#include "tests/simulation/ledger.hpp"

namespace noforce::simulation {

// What a service is like, drawn from the seed.
struct Manner {
  Milliseconds stops_in{10};
  Milliseconds starts_in{10};
  Milliseconds ticks{0};  // a sign of progress this often while pending; 0: none
  Milliseconds wait_hint{0};
  unsigned crashes_in_stop = 0;  // percent
  unsigned fails_to_start = 0;
  unsigned refuses_stop = 0;
  unsigned unknown_answers = 0;  // 1053: done or not, nobody knows
  unsigned busy_answers = 0;
  bool lingers = false;  // stopped, and its process is still there for a while
  bool restarts_itself = false;
  bool stoppable_while_pending = false;
};

class Manager {
 public:
  // Ways in which the manager itself can be broken, to show what bites.
  struct Faults {
    bool forgets_tokens = false;
    bool kills_anyway = false;
    bool loses_starts = false;  // says that it took them
  };

  Manager(Chance& chance, Ledger& ledger, Faults faults)
      : chance_(chance), ledger_(ledger), faults_(faults) {}

  void add(Service service, Manner manner);
  void ready();  // all are added

  // The agent's connection -----------------------------------------------------------------------
  struct Update {
    std::shared_ptr<const Service> service;
  };
  using Message = std::variant<Update, Completion>;
  void connect();
  // Everything on its way back is lost; what was on its way here arrives or not.
  void disconnect();
  [[nodiscard]] bool connected() const { return connected_; }
  void send(Control control) { inbox_.push_back(std::move(control)); }
  [[nodiscard]] std::size_t inbox() const { return inbox_.size(); }
  void take_one();
  [[nodiscard]] std::size_t outbox() const { return outbox_.size(); }
  // One message, in order as far as one service goes.
  [[nodiscard]] Message hand_out_one();
  void look_again(const std::string& service) { tell(service); }

  void spare(const std::string& job, const std::vector<std::string>& services);
  void release(const std::string& job);
  // A stop is on its way: what spares this instance now stays until it is gone.
  void pin(const std::string& service);

  // Time and fate --------------------------------------------------------------------------------
  void set_time(MonoTime now) { now_ = now; }
  [[nodiscard]] MonoTime next_timer() const;
  void fire_due();
  void person_does(const std::string& service);
  void crash(const std::string& service);
  void reboot(const std::string& ended_boot);
  // What still hangs ends; nothing hangs or fails from now on.
  void calm_down();

  [[nodiscard]] PicturePtr picture() const;
  [[nodiscard]] const std::vector<std::string>& names() const { return names_; }

 private:
  struct Kept {
    Service service;
    Manner manner;
    std::uint64_t generation = 0;  // of its timers
    bool asked_to_stop = false;    // this instance
    bool asked_by_name = false;    // by a control that names it
    std::string stopped_by;        // the job that asked, or empty: a person
    std::set<std::string> spared_by;
    bool pinned = false;
  };
  using Timers = std::multimap<MonoTime, std::function<void()>>;

  [[nodiscard]] Result<void> carry_out(const Control& control);
  [[nodiscard]] Result<void> stop(Kept& kept, const Control& control);
  [[nodiscard]] Result<void> start(Kept& kept);
  void begin_stop(Kept& kept, const std::string& job, bool by_person);
  void end_stop(Kept& kept);
  void gone(Kept& kept, DownBy by);
  void come_up(Kept& kept);
  void tick(Kept& kept, ServiceState state);
  void at(Kept& kept, Milliseconds in, std::function<void(Kept&)> what);
  void tell(const std::string& service);
  void changed(Kept& kept);

  Chance& chance_;
  Ledger& ledger_;
  Faults faults_;
  MonoTime now_{};
  std::map<std::string, Kept> kept_;
  std::vector<std::string> names_;
  std::shared_ptr<const Graph> graph_;
  Timers timers_;
  std::map<ControlToken, Result<void>> answered_;
  bool connected_ = false;
  bool calm_ = false;
  std::deque<Control> inbox_;
  std::deque<Message> outbox_;
  std::int64_t next_pid_ = 100;
  std::uint64_t revision_ = 0;
};

}  // namespace noforce::simulation
