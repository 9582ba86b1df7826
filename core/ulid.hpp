// Identifiers of jobs and audit rows: ULIDs (48 bits of time, 80 of randomness, Crockford's
// base 32), so that the order of the text is the order of making.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/clock.hpp"
#include "core/thread_safety.hpp"

namespace noforce {

// Makes strictly growing ULIDs, also within one millisecond and when the wall clock steps back.
// Any thread.
class UlidSource {
 public:
  explicit UlidSource(const Clock& clock = system_clock()) : clock_(clock) {}
  [[nodiscard]] std::string next();
  // Everything made from now on is greater than this one (the last known to the journal).
  void start_after(std::string_view ulid);

 private:
  const Clock& clock_;
  Mutex mutex_;
  std::array<std::uint8_t, 16> last_ NOFORCE_GUARDED_BY(mutex_){};
};

// 26 characters of Crockford's alphabet in capitals, at most 7ZZZ....
[[nodiscard]] bool is_ulid(std::string_view text);

// The smallest ULID of that millisecond: where to cut a list of them by time.
[[nodiscard]] std::string first_ulid_at(WallTime time);

}  // namespace noforce
