// Small files of the agent's own: written whole or not at all, with the mode that they keep.
#pragma once

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "core/error.hpp"

namespace noforce::agent {

// The system's number (an errno, or Windows' last error) as an Error: "WHAT: No such file or
// directory", with the number and its name.
[[nodiscard]] std::unexpected<Error> system_error(const std::string& what, int number);

[[nodiscard]] bool exists(const std::string& path);
// At most `most` bytes of a regular file; not_found where there is none.
[[nodiscard]] Result<std::string> read_small_file(const std::string& path,
                                                  std::size_t most = 65'536);
// Makes the file, synchronized to disk; already_done when there is one, which stays as it is.
[[nodiscard]] Result<void> write_new_file(const std::string& path, std::string_view content,
                                          unsigned mode);
// The old content or the new, never a mixture, whoever looks and whatever happens meanwhile.
[[nodiscard]] Result<void> replace_file(const std::string& path, std::string_view content,
                                        unsigned mode);
struct CloseFile {
  void operator()(std::FILE* file) const { (void)std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;
// Opens a log to append to it, made with mode 0600 where it is missing. Refuses a link, what is no
// regular file, has a second name or belongs to somebody else, and a directory in which others may
// put such things in its place.
[[nodiscard]] Result<File> open_log_safely(const std::string& path);
// It is there, and this user may not read it.
[[nodiscard]] bool is_forbidden(const std::string& path);
// What others on this machine may do with a secret, and what to do about it; empty: nothing.
[[nodiscard]] std::string why_not_secret(const std::string& path);
void remove_file(const std::string& path);

// Makes the directory with mode 0700 where it is missing, and those above it with 0755; on Windows these
// are for nobody else either, since what a directory inherits there may let anybody write. Refuses one
// that belongs to somebody else, or that others may enter, or replace (by a directory or a link on
// the way that is theirs).
[[nodiscard]] Result<void> prepare_private_directory(const std::string& path);

}  // namespace noforce::agent
