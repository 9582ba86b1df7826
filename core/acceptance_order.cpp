#include "core/acceptance_order.hpp"

namespace noforce {

AcceptanceOrder::Place AcceptanceOrder::enter() {
  const MutexLock lock(mutex_);
  return Place(*this, *places_.insert(ulids_.next()).first);
}

void AcceptanceOrder::leave(const std::string& id) {
  const MutexLock lock(mutex_);
  places_.erase(id);
  left_.notify_all();
}

void AcceptanceOrder::wait_for_those_before(const std::string& id) {
  MutexLock lock(mutex_);
  while (*places_.begin() != id)
    left_.wait(lock);
}

}  // namespace noforce
