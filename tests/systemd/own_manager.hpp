// A systemd of a test's own: `systemd --user` in a private mount namespace and a control group of its
// own, with nothing but the units that the test writes. Ends with the test, and takes along whatever
// that has left.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace noforce::systemd::testing {

// The other side of OwnManager: the tests' program as `--manager FOLDER CGROUP` becomes that systemd.
int become_manager(const std::string& folder, const std::string& cgroup);

class OwnManager {
 public:
  // Starts it and waits until it answers.
  OwnManager();
  ~OwnManager();
  OwnManager(const OwnManager&) = delete;
  OwnManager& operator=(const OwnManager&) = delete;

  [[nodiscard]] const std::string& folder() const { return folder_; }
  [[nodiscard]] std::string runtime_dir() const { return folder_ + "/run"; }
  // Where the backend puts its drop-ins.
  [[nodiscard]] std::string unit_runtime_dir() const { return runtime_dir() + "/systemd/user"; }

  // A unit's file; a daemon-reload makes a running manager read it.
  void write_unit(const std::string& name, const std::string& text) const;
  void remove_unit(const std::string& name) const;
  struct Output {
    int status = -1;
    std::string text;
  };
  // `systemctl --user ARGUMENTS`.
  Output systemctl(const std::vector<std::string>& arguments) const;
  void daemon_reload() const;
  // The value of one property of a unit.
  [[nodiscard]] std::string show(const std::string& unit, const std::string& property) const;

  // The manager executes itself anew; connections break, units run on.
  void reexecute() const;
  // The manager is gone, by force, as nothing in the program does it; its services run on.
  void kill();
  // A new one, in its place; it knows nothing of what the one before has left.
  void start();

  // All drop-ins in the runtime directory.
  [[nodiscard]] std::vector<std::string> drop_ins() const;

 private:
  [[nodiscard]] bool answers() const;
  void clear_cgroup() const;

  std::string folder_;
  std::string cgroup_;
  pid_t pid_ = -1;
};

}  // namespace noforce::systemd::testing
