#include "agent/start_watch.hpp"

#include <algorithm>

namespace noforce::agent {
namespace {

// Also where the hint is shorter, or none.
constexpr Milliseconds least_patience{30'000};

}  // namespace

StartWatch::StartWatch(bool was_up, MonoTime now) : is_old_(was_up), until_(now + least_patience) {}

StartStep StartWatch::look(const windows::StatusRecord& status, MonoTime now) {
  if (status.state == windows::state::running) return StartStep::runs;
  if (status.state == windows::state::stopped) {
    return is_old_ ? StartStep::ask_again : StartStep::ended;
  }
  if (status.state == windows::state::start_pending) is_old_ = false;
  if (status.state != state_ || status.checkpoint != checkpoint_) {
    state_ = status.state;
    checkpoint_ = status.checkpoint;
    until_ = now + std::max(least_patience, Milliseconds(status.wait_hint));
  }
  return now < until_ ? StartStep::look_again : StartStep::no_progress;
}

}  // namespace noforce::agent
