#include "agent/going_down.hpp"

namespace noforce::agent {

// The services are the SCM's own, which looks after them at a shutdown.
Result<bool> machine_goes_down() {
  return false;
}

}  // namespace noforce::agent
