// Which units are spared, for whom, and until when. One thread; effects go through World and
// SparedFiles.
//
// A unit is spared before its stop is sent, or joined. It stays so for as long as a job holds it, and
// after that until it is stopped, or runs with nobody stopping it: while it stops, taking the drop-in
// away would let systemd kill it at once, whoever began that stop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/scm/systemd/spared_files.hpp"
#include "core/scm/systemd/sparing.hpp"

namespace noforce::systemd {

class SparedUnits {
 public:
  using Then = std::function<void(Result<void>)>;

  // What is seen of a unit.
  struct Seen {
    Sparing sparing;
    std::string instance;  // empty: none
    bool is_up = false;
    bool is_settled = false;  // active, with no job: nobody stops it
  };
  class World {
   public:
    virtual ~World() = default;
    // Nothing where systemd knows no such unit. Not asked while the connection is lost.
    [[nodiscard]] virtual std::optional<Seen> seen(const std::string& unit) const = 0;
    // systemd reads all its files again, and these units are looked at after that.
    virtual void reload(const std::vector<std::string>& units, Then then) = 0;
  };

  SparedUnits(World& world, SparedFiles files, const Clock& clock)
      : world_(world), files_(std::move(files)), clock_(clock) {}

  // What agents before this one have left; `begun` are the jobs that go on.
  [[nodiscard]] Result<void> load(const std::set<std::string>& begun);
  // Sees to it that none of these is killed when it stops, and says so to `then` once systemd has
  // it. Units that are stopped, or cannot be killed as they are, need nothing. `job` may be empty.
  void spare(const std::string& job, const std::vector<std::string>& units, Then then);
  // A stop goes out to it, or was refused after all.
  void stopping(const std::string& unit, bool is);
  void release(const std::string& job);
  // Takes away what is not needed any more. When it wants to be called again at the latest.
  std::optional<MonoTime> sweep();

 private:
  struct Spared {
    SparedRecord record;
    std::string drop_in;
    std::optional<MonoTime> needless_since;
    int waiting = 0;           // calls of spare() that are not answered yet
    bool is_loaded = false;    // systemd has read the drop-in
    bool is_stopping = false;  // a stop of ours was sent to the instance in the record
    bool is_leaving = false;   // the drop-in is off the disk, and systemd has not read that yet
  };
  struct Wanted {
    std::vector<std::string> units;
    Then then;
  };

  [[nodiscard]] Result<bool> put_in_place(const std::string& job, const std::string& unit,
                                          const Seen& seen);
  [[nodiscard]] Result<void> check(const std::vector<std::string>& units,
                                   const Result<void>& reloaded);
  [[nodiscard]] bool is_needed(const Spared& spared, const std::optional<Seen>& seen) const;
  void put_back_in_place();
  void leave(const std::vector<std::string>& units);
  void left(const std::vector<std::string>& units, const Result<void>& reloaded);
  void request_reload(Wanted wanted);
  void run_reload();

  World& world_;
  const SparedFiles files_;
  const Clock& clock_;
  std::map<std::string, Spared> spared_;
  std::vector<Wanted> running_;  // for whom the reload that runs is
  std::vector<Wanted> next_;     // their files came after it had begun
  MonoTime not_before_{};        // after a sweep that failed
};

}  // namespace noforce::systemd
