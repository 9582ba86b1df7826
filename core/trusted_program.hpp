// Whether only root and one other user decide what lies at a path: what runs when a program of the
// settings is run.
#pragma once

#include <cstdint>
#include <string>

#include "core/error.hpp"

namespace noforce {

// Follows an absolute path link by link. Every directory, link and the file itself must belong to
// root or to the agent's user and be writable by nobody else (a sticky directory will do); the file
// must be one that can be executed. Else hook_failed with the first thing that is not so. Blocks
// as long as the file system does.
[[nodiscard]] Result<void> check_trusted_program(const std::string& path);

// Whether nobody but root and `user` decides what lies at this absolute path, file or directory, now
// or, where there is nothing, later. Else access_denied with the first thing that is not so.
[[nodiscard]] Result<void> check_trusted_path(const std::string& path, std::uint32_t user);

}  // namespace noforce
