// What the keeper has on disk besides the records: its lock, the definitions, its log.
#pragma once

#include <string>
#include <vector>

#include "core/fd.hpp"
#include "core/scm/supervisor/spec.hpp"

namespace noforce::supervisor {

class KeeperFiles {
 public:
  // Opens the folders (made where missing, 0700) and takes the lock. Empty, or why not.
  [[nodiscard]] std::string open(const std::string& state_dir);

  // Left to the program that this process executes next, so that no other keeper comes in between.
  void hand_on_lock(bool hand_on);

  // Whether the state directory is this user's, and nobody else can write it.
  [[nodiscard]] bool only_ours() const;

  [[nodiscard]] int state() const { return state_.get(); }
  [[nodiscard]] int records() const { return records_.get(); }
  [[nodiscard]] int logs() const { return logs_.get(); }
  [[nodiscard]] int null() const { return null_.get(); }

  // Every definition that can be read, with those that only a record speaks of: a service that
  // runs must be known, though nothing is left of its settings.
  [[nodiscard]] std::vector<ServiceSpec> load_specs();
  // Writes the definition unless the same is there. 0 or errno.
  [[nodiscard]] int store_spec(const ServiceSpec& spec);
  // Definition and record.
  void remove(const std::string& name);

  // One line with the time in front. Never fails; the log is turned over at 1 MiB.
  void log(const std::string& line);

 private:
  Fd state_;
  Fd lock_;
  Fd records_;
  Fd logs_;
  Fd null_;
  Fd log_;
};

}  // namespace noforce::supervisor
