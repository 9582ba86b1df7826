// A descriptor that one thread waits for and others make readable.
#pragma once

#include "core/fd.hpp"

namespace noforce {

class WakeEvent {
 public:
  WakeEvent();

  // Any thread.
  void wake() const;
  // Whoever waits, before it looks at what it was woken for.
  void calm() const;
  // Readable from wake() until calm().
  [[nodiscard]] int fd() const { return event_.get(); }

 private:
  Fd event_;
};

}  // namespace noforce
