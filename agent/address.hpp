// Whether the agent's address can be had, asked before anything is begun that would have to end
// again.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.hpp"

namespace noforce::agent {

// The address is not kept: somebody else may still take it before the server does. Port 0 can always
// be had.
[[nodiscard]] Result<void> check_address(const std::string& host, std::uint16_t port);

}  // namespace noforce::agent
