// Which services `start = "auto"` starts: those that are new, those that ran when the machine went
// down, and those that the agent itself stopped because it ended (`on_exit = "stop"`, the end of a
// container or of the machine).
// Never over a deliberate stop, never what an unfinished job holds. Pure.
#pragma once

#include <string>
#include <vector>

#include "core/job.hpp"
#include "core/journal.hpp"
#include "core/service.hpp"

namespace noforce::agent {

// In the order in which to start them. `boot` is today's boot_id().
[[nodiscard]] std::vector<std::string> due_to_start(const Picture& picture,
                                                    const std::vector<Wanted>& wanted,
                                                    const std::vector<Job>& unfinished,
                                                    const std::string& boot);

}  // namespace noforce::agent
