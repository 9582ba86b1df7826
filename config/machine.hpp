// What the settings are checked against on this machine: who owns a file, who may write it,
// whether a user exists.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "core/error.hpp"

namespace noforce::config {

struct FileContent {
  std::string text;
  // Why others than root and the agent's user could have written this file; empty: nobody could.
  std::string distrust;
};

// A regular file of at most `most` bytes. not_found, access_denied, too_large or malformed, with
// a sentence.
[[nodiscard]] Result<FileContent> read_file(const std::string& path, std::size_t most);

struct User {
  std::string name;  // empty: it has none, only a number
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
};

// By name, or by number: one that has no name has the group of the same number. Never root:
// malformed, with a sentence. not_found where there is no such name.
[[nodiscard]] Result<User> find_user(const std::string& name_or_number);

// Why this program of a service may not be run as this user (empty: the agent's): somebody else could
// put another in its place. Empty: nobody could, or there is none yet.
[[nodiscard]] std::string why_not_program(const std::string& path, const std::string& user);

// Why no service can run as this user; empty: one can.
[[nodiscard]] std::string why_not_user(const std::string& user);

}  // namespace noforce::config
