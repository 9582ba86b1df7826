#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "core/wake_event.hpp"

namespace noforce {

WakeEvent::WakeEvent() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

void WakeEvent::wake() const {
  const std::uint64_t one = 1;
  (void)!::write(event_.get(), &one, sizeof one);
}

void WakeEvent::calm() const {
  std::uint64_t count = 0;
  (void)!::read(event_.get(), &count, sizeof count);
}

}  // namespace noforce
