// Whether systemd would end a unit's processes by force when it stops, and what keeps it from that.
// Pure; the files are spared_units.hpp's.
//
// By systemd.service(5) and systemd.kill(5): when TimeoutStopSec is over, what is left gets the final
// signal (SendSIGKILL) or is abandoned while it still runs; KillMode=mixed ends what the main process
// leaves behind at once; a stop that the watchdog began has TimeoutAbortSec instead; KillSignal may
// be the very signal that nobody can handle; a job that is over its time may reboot the machine.
// WatchdogSec and RuntimeMaxSec count only while the unit runs, so they are none of a stop's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/scm/systemd/unit.hpp"

namespace noforce::systemd {

// The last of all drop-ins of a unit in the order in which systemd applies them, by its name.
inline constexpr const char* kDropIn = "zz-noforce.conf";

struct Sparing {
  // As settings for the person, "TimeoutStopSec=2 s"; empty: nothing of it is killed as it is.
  std::vector<std::string> ways;
  std::optional<Milliseconds> after;  // how long a stop may take until then, where it is a time
  std::string drop_in;                // the text that disarms them; empty for what has no processes
};

[[nodiscard]] Sparing sparing_of(const Properties& unit);
// It is not stopped, because it must not be disarmed: `why`, as a sentence's second half.
[[nodiscard]] Error would_kill(const std::string& unit, const Sparing& sparing,
                               const std::string& why);
// What ends it by force at other times than in a stop; for the plan.
[[nodiscard]] std::vector<std::string> other_ways(const Properties& unit);

}  // namespace noforce::systemd
