#include <fcntl.h>
#include <io.h>
#include <windows.h>

#include <filesystem>

#include "agent/files.hpp"
#include "core/trusted_program.hpp"
#include "core/windows_error.hpp"
#include "core/windows_handle.hpp"
#include "core/windows_security.hpp"

namespace noforce::agent {
namespace {

constexpr DWORD shared = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
constexpr unsigned for_others = 0077;

std::filesystem::path path_of(const std::string& text) {
  return {to_wide(text)};
}

std::string text_of(const std::filesystem::path& path) {
  return to_utf8(path.wstring());
}

// Each that is missing is for nobody else: what is handed on to a new directory lets everybody write
// in many places, as in C:\ itself.
Result<void> make_directories(const std::filesystem::path& path) {
  if (exists(text_of(path))) return {};
  const auto refuse = [&path](DWORD problem) {
    return system_error("cannot make " + text_of(path), static_cast<int>(problem));
  };
  const PrivateSecurity security;
  if (security.descriptor() == nullptr) return refuse(::GetLastError());
  SECURITY_ATTRIBUTES attributes{.nLength = sizeof(SECURITY_ATTRIBUTES),
                                 .lpSecurityDescriptor = security.descriptor(),
                                 .bInheritHandle = FALSE};
  std::filesystem::path place = path.root_path();
  for (const auto& name : path.relative_path()) {
    place /= name;
    if (exists(text_of(place)) || ::CreateDirectoryW(place.c_str(), &attributes) != 0) continue;
    const DWORD problem = ::GetLastError();
    if (problem != ERROR_ALREADY_EXISTS) return refuse(problem);
  }
  return {};
}

// Closed to others where the mode says so; else as its directory has it.
WindowsHandle make_file(const std::string& path, DWORD access, DWORD disposition, unsigned mode) {
  const PrivateSecurity security;
  SECURITY_ATTRIBUTES attributes{.nLength = sizeof(SECURITY_ATTRIBUTES),
                                 .lpSecurityDescriptor = security.descriptor(),
                                 .bInheritHandle = FALSE};
  const bool is_private = (mode & for_others) == 0 && security.descriptor() != nullptr;
  return WindowsHandle(
      ::CreateFileW(to_wide(path).c_str(), access, shared, is_private ? &attributes : nullptr,
                    disposition, FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
}

// Writes `path` under another name; the caller gives it its own.
Result<std::string> write_beside(const std::string& path, std::string_view content, unsigned mode) {
  std::string beside = path + ".new" + std::to_string(::GetCurrentProcessId());
  ::DeleteFileW(to_wide(beside).c_str());  // of a process that died and had the same number
  const WindowsHandle file = make_file(beside, GENERIC_WRITE, CREATE_NEW, mode);
  if (!file) return system_error("cannot write " + beside, static_cast<int>(::GetLastError()));
  while (!content.empty()) {
    DWORD count = 0;
    if (::WriteFile(file.get(), content.data(), static_cast<DWORD>(content.size()), &count,
                    nullptr) == 0) {
      break;
    }
    content.remove_prefix(count);
  }
  if (content.empty() && ::FlushFileBuffers(file.get()) != 0) return beside;
  const auto problem = static_cast<int>(::GetLastError());
  ::DeleteFileW(to_wide(beside).c_str());
  return system_error("cannot write " + beside, problem);
}

// Whoever has the old file open for a moment (a virus scanner) is waited for.
DWORD give_name(const std::string& from, const std::string& to, DWORD flags) {
  constexpr int tries = 20;
  constexpr DWORD between = 25;
  for (int n = 1;; ++n) {
    if (::MoveFileExW(to_wide(from).c_str(), to_wide(to).c_str(), flags) != 0) return 0;
    const DWORD problem = ::GetLastError();
    if (n == tries || (problem != ERROR_SHARING_VIOLATION && problem != ERROR_ACCESS_DENIED)) {
      return problem;
    }
    ::Sleep(between);
  }
}

}  // namespace

std::unexpected<Error> system_error(const std::string& what, int number) {
  const auto code = static_cast<unsigned long>(number);
  return windows_error(windows_kind(code), what, code);
}

bool exists(const std::string& path) {
  return ::GetFileAttributesW(to_wide(path).c_str()) != INVALID_FILE_ATTRIBUTES;
}

Result<std::string> read_small_file(const std::string& path, std::size_t most) {
  const WindowsHandle file(::CreateFileW(to_wide(path).c_str(), GENERIC_READ, shared, nullptr,
                                         OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr));
  if (!file) return system_error("cannot read " + path, static_cast<int>(::GetLastError()));
  if (::GetFileType(file.get()) != FILE_TYPE_DISK) {
    return fail(ErrorKind::malformed, path + " is no regular file");
  }
  std::string content(most + 1, '\0');
  std::size_t size = 0;
  while (size < content.size()) {
    DWORD count = 0;
    if (::ReadFile(file.get(), content.data() + size, static_cast<DWORD>(content.size() - size),
                   &count, nullptr) == 0) {
      return system_error("cannot read " + path, static_cast<int>(::GetLastError()));
    }
    if (count == 0) break;
    size += count;
  }
  if (size > most) {
    return fail(ErrorKind::too_large, path + " is larger than " + std::to_string(most) + " bytes");
  }
  content.resize(size);
  return content;
}

Result<void> write_new_file(const std::string& path, std::string_view content, unsigned mode) {
  if (exists(path)) return fail(ErrorKind::already_done, path + " is there already");
  const Result<std::string> beside = write_beside(path, content, mode);
  if (!beside) return std::unexpected(beside.error());
  const DWORD problem = give_name(*beside, path, MOVEFILE_WRITE_THROUGH);
  if (problem == 0) return {};
  ::DeleteFileW(to_wide(*beside).c_str());
  if (problem == ERROR_ALREADY_EXISTS || problem == ERROR_FILE_EXISTS) {
    return fail(ErrorKind::already_done, path + " is there already");
  }
  return system_error("cannot make " + path, static_cast<int>(problem));
}

Result<void> replace_file(const std::string& path, std::string_view content, unsigned mode) {
  const Result<std::string> beside = write_beside(path, content, mode);
  if (!beside) return std::unexpected(beside.error());
  const DWORD problem =
      give_name(*beside, path, MOVEFILE_REPLACE_EXISTING | MOVEFILE_WRITE_THROUGH);
  if (problem == 0) return {};
  ::DeleteFileW(to_wide(*beside).c_str());
  return system_error("cannot replace " + path, static_cast<int>(problem));
}

Result<File> open_log_safely(const std::string& path) {
  std::error_code ignored;
  const auto whole = std::filesystem::absolute(path_of(path), ignored).lexically_normal();
  if (auto made = make_directories(whole.parent_path()); !made) {
    return std::unexpected(made.error());
  }
  if (auto trusted = check_trusted_directory(text_of(whole.parent_path()), true); !trusted) {
    return std::unexpected(trusted.error());
  }
  WindowsHandle file = make_file(
      text_of(whole), FILE_APPEND_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE, OPEN_ALWAYS, 0600);
  if (!file) return system_error("cannot open " + path, static_cast<int>(::GetLastError()));
  const auto rights = rights_of_others(text_of(whole));
  if (!rights) return std::unexpected(rights.error());
  if (rights->is_link) {
    return fail(ErrorKind::access_denied, path + " is a symbolic link; name the file itself");
  }
  if (rights->is_directory || ::GetFileType(file.get()) != FILE_TYPE_DISK) {
    return fail(ErrorKind::access_denied, path + " is no regular file");
  }
  const bool own = is_trusted_sid(rights->owner);
  if (!own || rights->links > 1) {
    return fail(ErrorKind::access_denied, path +
                                              (own ? std::string(" has a second name (hard link)")
                                                   : " belongs to " + account_name(rights->owner)) +
                                              "; move it away, or name another file");
  }
  const int descriptor = ::_open_osfhandle(reinterpret_cast<intptr_t>(file.release()),
                                           _O_APPEND | _O_BINARY | _O_NOINHERIT);
  File stream(descriptor < 0 ? nullptr : ::_fdopen(descriptor, "ab"));
  if (!stream) return fail(ErrorKind::internal, "cannot open " + path + ": out of descriptors");
  return stream;
}

bool is_forbidden(const std::string& path) {
  const WindowsHandle file(::CreateFileW(to_wide(path).c_str(), GENERIC_READ, shared, nullptr,
                                         OPEN_EXISTING, FILE_ATTRIBUTE_NORMAL, nullptr));
  return !file && ::GetLastError() == ERROR_ACCESS_DENIED;
}

std::string why_not_secret(const std::string& path) {
  const auto rights = rights_of_others(path);
  if (!rights) return {};
  if (rights->may_read || rights->may_change) {
    return rights->who + " can read " + path +
           "; let only SYSTEM, the administrators and the agent's user do that, and take a new key "
           "if somebody may have";
  }
  if (!is_trusted_sid(rights->owner)) {
    return path + " belongs to " + account_name(rights->owner) +
           "; give it to the administrators or to the agent's user";
  }
  return {};
}

void remove_file(const std::string& path) {
  (void)::DeleteFileW(to_wide(path).c_str());
}

Result<void> prepare_private_directory(const std::string& path) {
  std::error_code error;
  const auto normal = std::filesystem::absolute(path_of(path), error).lexically_normal();
  const auto whole = normal.has_filename() ? normal : normal.parent_path();
  const std::filesystem::path parent = whole.parent_path();
  if (auto made = make_directories(parent); !made) return made;
  // Whoever may rename what is in it may put another directory in this one's place.
  if (auto trusted = check_trusted_directory(text_of(parent)); !trusted) return trusted;
  if (auto made = make_directories(whole); !made) return made;
  const auto rights = rights_of_others(text_of(whole));
  if (!rights) return std::unexpected(rights.error());
  if (rights->is_link || !rights->is_directory) {
    return fail(ErrorKind::access_denied, path + " is no directory; name another one");
  }
  if (!is_trusted_sid(rights->owner)) {
    return fail(ErrorKind::access_denied,
                path + " belongs to " + account_name(rights->owner) +
                    "; run noforce as its owner or as an administrator, or name another one");
  }
  if (rights->may_read || rights->may_add || rights->may_change) {
    return fail(ErrorKind::access_denied,
                path + " holds keys, and " + rights->who +
                    " may enter it; let only SYSTEM, the administrators and the agent's user do "
                    "that");
  }
  return check_trusted_directory(text_of(whole));
}

}  // namespace noforce::agent
