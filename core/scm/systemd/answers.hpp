// What systemd's errors mean here (org.freedesktop.systemd1(5), "Errors"). Pure.
#pragma once

#include <string>

#include "core/error.hpp"
#include "core/scm/systemd/wire.hpp"

namespace noforce::systemd {

// `what`: "cannot stop web.service".
[[nodiscard]] Error error_of(const CallError& told, const std::string& what,
                             const std::string& service);

}  // namespace noforce::systemd
