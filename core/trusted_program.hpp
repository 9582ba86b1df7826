// Whether only those who may decide what is at a path of the settings: a program that is run, the
// settings themselves, a directory that holds keys, a log.
//
// Each of these follows an absolute path link by link. Every directory, link and the file itself must
// belong to root or to the agent's user (or who is named) and be writable by nobody else. A sticky
// directory like /tmp will do: others may make files there, and not move or replace ours. An access
// control list that lets somebody write shows in the group's bits, and counts as the group. They block
// as long as the file system does.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/error.hpp"

namespace noforce {

// A regular file that can be executed: a hook, which runs as the agent. hook_failed with the first
// thing that is not so.
[[nodiscard]] Result<void> check_trusted_program(const std::string& path);
// The program of a service. `as`: the user that it runs as, whose word counts too, since it only
// decides over itself; nullopt: the agent's. A group may write where it is root's or the agent's own.
[[nodiscard]] Result<void> check_service_program(const std::string& path,
                                                 std::optional<std::uint32_t> as);
// A regular file; groups as for a service. access_denied, as below.
[[nodiscard]] Result<void> check_trusted_file(const std::string& path);
// A directory and all that leads to it. A group may write where it is root's or the agent's own, and
// any group with `groups_may_write` (/var/log is its group's on many machines).
[[nodiscard]] Result<void> check_trusted_directory(const std::string& path,
                                                   bool groups_may_write = false);

// Whether nobody but root and `user` decides what lies at this absolute path, file or directory, now
// or, where there is nothing, later. Else access_denied with the first thing that is not so.
[[nodiscard]] Result<void> check_trusted_path(const std::string& path, std::uint32_t user);

}  // namespace noforce
