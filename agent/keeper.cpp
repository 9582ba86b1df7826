#include <signal.h>

#include <cstdint>
#include <cstdio>
#include <optional>

#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#include "core/scm/supervisor/number.hpp"
#if NOFORCE_SCM_SUPERVISOR
#include "core/scm/supervisor/keeper.hpp"
#endif

namespace noforce::agent {

int keeper(const std::string& state_dir, const std::string& face) {
  std::optional<std::uint32_t> user;
  if (!face.empty()) {
    user = supervisor::to_number<std::uint32_t>(face);
    if (!user || *user == 0) {
      (void)std::fprintf(stderr, "noforce: --face needs the number of a user that is not root\n");
      return exit_usage;
    }
  }
#if NOFORCE_SCM_SUPERVISOR
  // The agent waits for its signals with them blocked, and a child inherits that.
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  return supervisor::run_keeper({.state_dir = state_dir, .face = user});
#else
  (void)std::fprintf(stderr, "noforce: this build has no supervisor, so it has no keeper (%s)\n",
                     state_dir.c_str());
  return exit_failed;
#endif
}

}  // namespace noforce::agent
