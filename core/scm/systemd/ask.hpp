// One question to a manager, for whoever keeps no connection to it.
#pragma once

#include "core/error.hpp"
#include "core/scm/systemd/wire.hpp"

namespace noforce::systemd {

// Blocks until the answer is there, or `call.patience` is over: timeout. Else scm_unavailable where no manager
// can be asked or it went away, scm_failure in its own words. Any thread.
[[nodiscard]] Result<Value::List> ask(const OpenWire& open, Call call);

}  // namespace noforce::systemd
