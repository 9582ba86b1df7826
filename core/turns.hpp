// Who takes the executor's turns.
#pragma once

#include <cstdint>

namespace noforce {

// A thread of its own; or, by hand, whoever made it, on one thread: a simulation that owns the time.
enum class Turns : std::uint8_t { own_thread, by_hand };

}  // namespace noforce
