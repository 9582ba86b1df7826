// Starts a program as a child of the keeper, in two steps: the child is forked and waits; it goes
// on when it is told to, and ends by itself when the keeper died before that. So a record of it can
// be on disk before it runs anything.
#pragma once

#include <cstdint>
#include <expected>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/error.hpp"
#include "core/fd.hpp"
#include "core/scm/supervisor/spec.hpp"

namespace noforce::supervisor {

struct LaunchPlan {
  std::vector<std::string> argv;  // argv[0] is an absolute path; never a shell
  std::string user;               // empty: the keeper's own
  std::string directory;          // empty: "/"
  // On top of PATH and, with `user`, HOME USER LOGNAME SHELL; later ones win.
  std::vector<std::pair<std::string, std::string>> environment;
  std::vector<std::pair<std::string, std::uint64_t>> limits;
  // Soft and hard RLIMIT_NOFILE as the keeper found it, before it raised its own: what select() can
  // count to is what a program expects. `limits` come after it.
  std::optional<std::pair<std::uint64_t, std::uint64_t>> open_files;
  // Likewise RLIMIT_CORE, before it took its own away.
  std::optional<std::pair<std::uint64_t, std::uint64_t>> core;
};

// Where and why a child could not become its program.
struct LaunchError {
  enum class At : std::int32_t {
    fork,
    descriptors,
    session,
    limits,
    user,
    groups,
    directory,
    exec
  };

  At at = At::exec;
  std::int32_t code = 0;  // errno

  // "cannot execute /usr/sbin/x: No such file or directory (ENOENT)".
  [[nodiscard]] std::string sentence(const LaunchPlan& plan) const;
};

// A forked child. Destroyed before go(), the child ends by itself without having run anything.
class Launch {
 public:
  // `input` becomes its standard input, `output` its standard output and error.
  [[nodiscard]] static std::expected<Launch, LaunchError> fork(const LaunchPlan& plan, int input,
                                                               int output);

  [[nodiscard]] std::int64_t pid() const { return pid_; }
  // Lets the child become its program.
  void go();
  // Readable, at the latest, once the program runs or could not be executed.
  [[nodiscard]] int result_fd() const { return result_.get(); }
  // What is known by now: nothing yet; the program runs (or ended); or the error.
  [[nodiscard]] std::optional<std::expected<void, LaunchError>> result();

 private:
  std::int64_t pid_ = 0;
  Fd go_;
  Fd result_;
};

// RLIMIT_NOFILE and its like by name; nothing for those that the settings refuse or do not know.
[[nodiscard]] std::optional<int> limit_number(const std::string& name);

}  // namespace noforce::supervisor
