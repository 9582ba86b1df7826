// The agent's life in one process, once the platform has seen to who it runs as and what stands above
// it: serve_linux.cpp, serve_windows.cpp.
#pragma once

#include "agent/commands.hpp"
#include "agent/notify.hpp"
#include "agent/opener.hpp"
#include "agent/signals.hpp"

namespace noforce::agent {

// From its settings to the last line of its log; the exit status. `opener`: of a face; null where this
// process does all itself.
[[nodiscard]] int run_agent(const ServeOptions& options, bool in_container, const Signals& signals,
                            const Notifier& notifier, OpenerLine* opener);

}  // namespace noforce::agent
