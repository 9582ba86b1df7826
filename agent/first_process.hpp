// Being the first process of a container: it inherits every orphan and has to reap it, gets no
// default action for its signals, and takes everything else with it when it ends. So it does
// nothing but that, and the agent runs below it.
#pragma once

#include <functional>

namespace noforce::agent {

[[nodiscard]] bool is_first_process();

// Runs `agent` in a child, hands SIGTERM, SIGINT and SIGHUP on to it, reaps whatever ends, and
// starts it again when it was ended by a signal: its services must not go with it. The child's exit
// status once it ended by itself. Called before there is a second thread.
[[nodiscard]] int run_below_first_process(const std::function<int()>& agent);

}  // namespace noforce::agent
