#include <signal.h>

#include <cstdio>

#include "agent/commands.hpp"
#include "agent/exit_status.hpp"
#if NOFORCE_SCM_SUPERVISOR
#include "core/scm/supervisor/keeper.hpp"
#endif

namespace noforce::agent {

int keeper(const std::string& state_dir) {
#if NOFORCE_SCM_SUPERVISOR
  // The agent waits for its signals with them blocked, and a child inherits that.
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  return supervisor::run_keeper({.state_dir = state_dir});
#else
  (void)std::fprintf(stderr, "noforce: this build has no supervisor, so it has no keeper (%s)\n",
                     state_dir.c_str());
  return exit_failed;
#endif
}

}  // namespace noforce::agent
