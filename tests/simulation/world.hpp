// One schedule of everything that can happen, drawn from a seed: an agent that is killed at any
// effect, a manager and services that misbehave, people, a disk that fills up, a machine that
// reboots, clocks that are set. Then all is calm, and the promises are held against what came of
// it. Nothing here sleeps and nothing has a thread: the same seed is the same schedule.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/events.hpp"
#include "core/jobs.hpp"
#include "tests/simulation/chance.hpp"
#include "tests/simulation/connection.hpp"
#include "tests/simulation/disk.hpp"
#include "tests/simulation/fuse.hpp"
#include "tests/simulation/ledger.hpp"
#include "tests/simulation/manager.hpp"

namespace noforce::simulation {

struct Setting {
  std::uint64_t seed = 1;
  bool tracing = false;
  Manager::Faults manager;
  Disk::Faults disk;
};

struct Outcome {
  std::vector<Violation> violations;
  std::vector<std::string> trace;  // empty without tracing
  std::uint64_t fingerprint = 0;
  std::size_t jobs = 0;
  std::size_t kills = 0;
};

// One life of the agent.
struct Agent {
  std::unique_ptr<EventFeed> events;
  std::unique_ptr<Connection> connection;
  std::unique_ptr<DiskJournal> journal;
  Attendance* attendance = nullptr;  // the jobs' own
  std::unique_ptr<Jobs> jobs;
  std::uint64_t heard = 0;
};

class World {
 public:
  explicit World(const Setting& setting);
  [[nodiscard]] Outcome run();

 private:
  // What can happen in this world at all.
  struct Climate {
    bool kills = false;
    bool people = false;
    bool crashes = false;
    bool reboots = false;
    bool full_disk = false;
    bool lost_connections = false;
    bool set_clocks = false;
    bool holds = false;
    bool cancels = false;
  };
  class Time final : public Clock {
   public:
    MonoTime now{Milliseconds{1'000}};
    WallTime date{Milliseconds{1'800'000'000'000}};
    [[nodiscard]] MonoTime mono() const override { return now; }
    [[nodiscard]] WallTime wall() const override { return date; }
  };
  struct Errand {
    JobRequest request;
    std::optional<IdempotencyKey> key;
  };

  void make_services();
  void make_policies();
  [[nodiscard]] Manner draw_manner();
  [[nodiscard]] JobRequest draw_request();

  void anything();
  void calm();
  [[nodiscard]] bool all_is_settled() const;
  void let_time_pass(bool to_next_event);
  void take_turn();
  void deliver();
  void send_job();
  void cancel_job();
  void mishap();
  void begin_agent();
  void end_agent();
  void reboot();
  void hear_events();
  // Something that the agent does and may die of.
  template <typename Work>
  void mortally(const Work& work);

  Setting setting_;
  Chance chance_;
  Ledger ledger_;
  Fuse fuse_;
  Manager manager_;
  Disk disk_;
  Time time_;
  Climate climate_;
  Policies policies_;
  std::map<std::string, ServiceState> at_first_;
  std::optional<Agent> agent_;
  std::deque<Errand> errands_;
  MonoTime last_arrival_{};  // of all that was on its way
  int boots_ = 1;
  int agents_ = 0;
  std::size_t kills_ = 0;
};

}  // namespace noforce::simulation
