// Windows' error codes as Errors, and text in Windows' own encoding. For files of that platform only.
#pragma once

#include <string>
#include <string_view>

#include "core/error.hpp"

namespace noforce {

// What Windows says of the code, in English where it can, without the line's end.
[[nodiscard]] std::string windows_text(unsigned long code);
// "ERROR_ACCESS_DENIED" for those that services, files, pipes and processes fail with; else empty.
[[nodiscard]] std::string windows_name(unsigned long code);
// not_found, access_denied, or `otherwise`, as the code means it.
[[nodiscard]] ErrorKind windows_kind(unsigned long code, ErrorKind otherwise = ErrorKind::internal);
// "WHAT: Access is denied.", with the code and its name. `code` is GetLastError()'s.
[[nodiscard]] std::unexpected<Error> windows_error(ErrorKind kind, const std::string& what,
                                                   unsigned long code);

// UTF-8 and UTF-16. What is not valid becomes U+FFFD.
[[nodiscard]] std::wstring to_wide(std::string_view text);
[[nodiscard]] std::string to_utf8(std::wstring_view text);

}  // namespace noforce
