#include <windows.h>

#include <cstdint>

#include "core/journal_reserve.hpp"
#include "core/journal_schema.hpp"
#include "core/windows_error.hpp"
#include "core/windows_handle.hpp"
#include "core/windows_security.hpp"

namespace noforce {
namespace {

std::unexpected<Error> refuse(const std::string& path, const std::string& why, DWORD code = 0) {
  const std::string sentence = "the journal " + path + " " + why;
  if (code == 0) return fail(ErrorKind::journal_unavailable, sentence);
  return windows_error(ErrorKind::journal_unavailable, sentence, code);
}

// 0 where there is none.
std::uint64_t size_of(const std::string& path) {
  WIN32_FILE_ATTRIBUTE_DATA about{};
  if (::GetFileAttributesExW(to_wide(path).c_str(), GetFileExInfoStandard, &about) == 0) return 0;
  return (std::uint64_t{about.nFileSizeHigh} << 32U) | about.nFileSizeLow;
}

constexpr std::uint64_t smallest = 4096;  // one page

constexpr const char* move_all =
    "; put a copy made by `noforce backup` there, or, to start with a new one that knows no job, "
    "no token and not what services are wanted to be, move away what begins with its name";

}  // namespace

Result<std::string> prepare_journal_file(const std::string& path) {
  std::wstring whole(32'768, L'\0');
  const DWORD length = ::GetFullPathNameW(to_wide(path).c_str(), static_cast<DWORD>(whole.size()),
                                          whole.data(), nullptr);
  if (length == 0 || length >= whole.size()) return refuse(path, "has no name", ::GetLastError());
  whole.resize(length);
  const std::string resolved = to_utf8(whole);
  const std::string name = resolved.substr(resolved.find_last_of("\\/") + 1);

  const bool has_log = size_of(resolved + "-wal") > 0;
  if (has_log && ::GetFileAttributesW(whole.c_str()) == INVALID_FILE_ATTRIBUTES &&
      ::GetLastError() == ERROR_FILE_NOT_FOUND) {
    return refuse(path, "is gone, and its log " + name + "-wal is still there" + move_all);
  }
  const PrivateSecurity security;
  SECURITY_ATTRIBUTES attributes{.nLength = sizeof(SECURITY_ATTRIBUTES),
                                 .lpSecurityDescriptor = security.descriptor(),
                                 .bInheritHandle = FALSE};
  const WindowsHandle made(::CreateFileW(whole.c_str(), GENERIC_READ | GENERIC_WRITE, 0,
                                         security.descriptor() != nullptr ? &attributes : nullptr,
                                         CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr));
  if (made) return resolved;
  if (const DWORD problem = ::GetLastError();
      problem == ERROR_PATH_NOT_FOUND || problem == ERROR_DIRECTORY) {
    return refuse(path, "cannot be opened, its directory is not there", problem);
  } else if (problem != ERROR_FILE_EXISTS && problem != ERROR_SHARING_VIOLATION &&
             problem != ERROR_ACCESS_DENIED) {
    return refuse(path, "cannot be made", problem);
  }

  const auto rights = rights_of_others(resolved);
  if (!rights) {
    return refuse(path, "cannot be looked at",
                  static_cast<DWORD>(rights.error().native_code.value_or(0)));
  }
  if (rights->is_link) return refuse(path, "is a symbolic link; name the file itself");
  if (rights->is_directory) return refuse(path, "is no regular file");
  if (!is_trusted_sid(rights->owner)) {
    return refuse(path, "belongs to another user (" + account_name(rights->owner) +
                            "); run the agent as that user, or give it the file");
  }
  if (rights->links != 1) return refuse(path, "has a second name (hard link); remove one");
  const std::uint64_t size = size_of(resolved);
  // An agent that ended while it made the file leaves it empty, but no reserve and no log. SQLite
  // takes what is cut off before its first page's end for empty as well.
  if (size < smallest && (has_log || size_of(JournalReserve::path_of(resolved)) > 0)) {
    return refuse(path, (size == 0 ? "is empty" : "is cut off") +
                            std::string(", and was not when it was last used") + move_all);
  }
  if (rights->may_read || rights->may_change) {
    if (auto closed = close_to_others(resolved); !closed) {
      return refuse(path, "cannot be closed to other users",
                    static_cast<DWORD>(closed.error().native_code.value_or(0)));
    }
  }
  return resolved;
}

}  // namespace noforce
