// What an answer of the service manager to a control means once the service was looked at, and which
// control is answered without being sent. Pure.
#pragma once

#include <string>

#include "core/error.hpp"
#include "core/scm/port.hpp"
#include "core/scm/windows/codes.hpp"
#include "core/service.hpp"

namespace noforce::windows {

// Why a control is not sent: 1060 for a service that is not there (null), 1062 for one that no longer
// runs as the instance that is meant. Success: it is to be sent.
[[nodiscard]] Code refusal_of(const Control& control, const Service* service);

// What core is told of a control that was answered with `code`. `seen` is the service as it looks
// now, or null. Fills all but Error::dependents.
[[nodiscard]] Result<void> result_of(ControlOp op, Code code, const std::string& service,
                                     const Service* seen);

// It was not sent, since it could not be noted first.
[[nodiscard]] Error not_noted(ControlOp op, const std::string& service);

}  // namespace noforce::windows
