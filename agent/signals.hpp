// The signals that tell the agent what to do, taken one by one by its main thread.
#pragma once

#include <cstdint>
#include <optional>

#include "core/clock.hpp"

namespace noforce::agent {

enum class Told : std::uint8_t { end, reload };

class Signals {
 public:
  // Blocks them for this thread and every one that it starts: made before there is another.
  Signals();
  // SIGTERM and SIGINT: end; SIGHUP: reload; nullopt when `patience` is over.
  [[nodiscard]] std::optional<Told> wait(Milliseconds patience) const;
};

}  // namespace noforce::agent
