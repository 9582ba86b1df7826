// The waiting for a service that was asked to start, by the manager's rule ("Starting a Service"): for as
// long as its checkpoint moves within its wait hint. Pure; needs no Windows.
#pragma once

#include <cstdint>

#include "core/clock.hpp"
#include "core/scm/windows/records.hpp"

namespace noforce::agent {

enum class StartStep : std::uint8_t {
  look_again,
  runs,
  ask_again,    // it was still ending when it was asked, and has ended
  ended,        // it did not come up
  no_progress,  // and is left as it is
};

class StartWatch {
 public:
  // `was_up`: the manager said 1056 to the start, as it does of a service that runs, of one that starts
  // for somebody else, and of one that is still stopping.
  StartWatch(bool was_up, MonoTime now);

  [[nodiscard]] StartStep look(const windows::StatusRecord& status, MonoTime now);

 private:
  bool is_old_;  // what is seen may be the end of an earlier run
  std::uint32_t state_ = 0;
  std::uint32_t checkpoint_ = 0;
  MonoTime until_;
};

}  // namespace noforce::agent
