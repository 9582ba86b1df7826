// For the Windows service's control handler, which tells the agent what a signal tells it elsewhere.
#pragma once

#include "agent/signals.hpp"

namespace noforce::agent {

// Any thread; heard by Signals::wait(), once each time.
void tell(Told what);

}  // namespace noforce::agent
