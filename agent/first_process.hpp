// Being the process above the agent: a container's first one, which inherits every orphan and has to
// reap it, gets no default action for its signals, and takes everything else with it when it ends;
// or the opener (opener.hpp), which keeps rights that the agent does without. Both do as little as
// they can, and the agent runs below.
#pragma once

#include <functional>

#include "core/fd.hpp"

namespace noforce::agent {

[[nodiscard]] bool is_first_process();

struct Below {
  // In the child, with its end of the line if there is one; its exit status.
  std::function<int(Fd line)> agent;
  // In this process, with its own end, when the child said something; false once nothing more can
  // come. Empty: there is no line.
  std::function<bool(int line)> hear;
  // Started again when it was ended by a signal: its services must not go with it.
  bool again = false;
};

// Runs `agent` in a child, hands SIGTERM, SIGINT and SIGHUP on to it and reaps whatever ends. So is
// SIGABRT, by which a service manager ends an agent that hangs: it is the child that does. The child's
// exit status; 128 and more when a signal ended it. Called before there is a second thread.
[[nodiscard]] int run_below(const Below& below);

}  // namespace noforce::agent
