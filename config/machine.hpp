// What the settings are checked against on this machine: who owns a file, who may write it,
// whether a user exists.
#pragma once

#include <cstddef>
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

// Why no service can run as this user; empty: one can.
[[nodiscard]] std::string why_not_user(const std::string& user);

}  // namespace noforce::config
