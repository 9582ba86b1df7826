#include <fcntl.h>
#include <io.h>
#include <windows.h>

#include "core/unfinished_file.hpp"
#include "core/windows_error.hpp"
#include "core/windows_security.hpp"

namespace noforce {
namespace {

// SQLite opens it besides, and it gets its name while it is open.
Fd make(const std::string& path, int& problem) {
  const PrivateSecurity security;
  SECURITY_ATTRIBUTES attributes{.nLength = sizeof(SECURITY_ATTRIBUTES),
                                 .lpSecurityDescriptor = security.descriptor(),
                                 .bInheritHandle = FALSE};
  const HANDLE made = ::CreateFileW(to_wide(path).c_str(), GENERIC_READ | GENERIC_WRITE,
                                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
                                    security.descriptor() != nullptr ? &attributes : nullptr,
                                    CREATE_NEW, FILE_ATTRIBUTE_NORMAL, nullptr);
  if (made == INVALID_HANDLE_VALUE) {
    problem = static_cast<int>(::GetLastError());
    return {};
  }
  return Fd(::_open_osfhandle(reinterpret_cast<intptr_t>(made), _O_BINARY | _O_NOINHERIT));
}

std::unexpected<Error> failed(const std::string& what, unsigned long code) {
  return windows_error(ErrorKind::journal_unavailable, what, code);
}

}  // namespace

UnfinishedFile::UnfinishedFile(const std::string& goal)
    : goal_(goal),
      path_(goal + ".part" + std::to_string(::GetCurrentProcessId())),
      file_(make(path_, problem_)) {}

UnfinishedFile::~UnfinishedFile() {
  const bool is_ours = static_cast<bool>(file_);
  file_.reset();
  if (is_ours) ::DeleteFileW(to_wide(path_).c_str());
  ::DeleteFileW(to_wide(path_ + "-journal").c_str());
}

Result<void> UnfinishedFile::made() const {
  if (file_) return {};
  return failed("cannot make " + path_, static_cast<unsigned long>(problem_));
}

Result<void> UnfinishedFile::synchronize() const {
  auto* const handle = reinterpret_cast<HANDLE>(::_get_osfhandle(file_.get()));
  if (::FlushFileBuffers(handle) != 0) return {};
  return failed("cannot write " + path_, ::GetLastError());
}

Result<void> UnfinishedFile::keep() const {
  if (auto done = synchronize(); !done) return done;
  // Without MOVEFILE_REPLACE_EXISTING; NTFS keeps a name in its own log.
  if (::MoveFileExW(to_wide(path_).c_str(), to_wide(goal_).c_str(), MOVEFILE_WRITE_THROUGH) != 0) {
    return {};
  }
  const DWORD problem = ::GetLastError();
  if (problem == ERROR_ALREADY_EXISTS || problem == ERROR_FILE_EXISTS) {
    return fail(ErrorKind::already_done, goal_ + " is there already");
  }
  return failed("cannot make " + goal_, problem);
}

bool is_there(const std::string& path) {
  return ::GetFileAttributesW(to_wide(path).c_str()) != INVALID_FILE_ATTRIBUTES;
}

}  // namespace noforce
