#include <fcntl.h>
#include <io.h>
#include <windows.h>

#include "agent/files.hpp"
#include "agent/lock.hpp"
#include "core/windows_error.hpp"
#include "core/windows_handle.hpp"
#include "core/windows_security.hpp"

namespace noforce::agent {
namespace {

// Beyond the content, which others may read while the lock is held: Windows' locks keep readers out.
constexpr DWORD locked_at = 0x40000000;

}  // namespace

Result<Lock> Lock::take(const std::string& path) {
  const PrivateSecurity security;
  SECURITY_ATTRIBUTES attributes{.nLength = sizeof(SECURITY_ATTRIBUTES),
                                 .lpSecurityDescriptor = security.descriptor(),
                                 .bInheritHandle = FALSE};
  WindowsHandle file(::CreateFileW(to_wide(path).c_str(), GENERIC_READ | GENERIC_WRITE,
                                   FILE_SHARE_READ | FILE_SHARE_WRITE,
                                   security.descriptor() != nullptr ? &attributes : nullptr,
                                   OPEN_ALWAYS, FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
  if (!file) return system_error("cannot open " + path, static_cast<int>(::GetLastError()));
  OVERLAPPED place{};
  place.Offset = locked_at;
  if (::LockFileEx(file.get(), LOCKFILE_EXCLUSIVE_LOCK | LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0,
                   &place) == 0) {
    const DWORD problem = ::GetLastError();
    if (problem != ERROR_LOCK_VIOLATION && problem != ERROR_IO_PENDING) {
      return system_error("cannot lock " + path, static_cast<int>(problem));
    }
    // The holder wrote its pid; a very young one may not have done so yet.
    const std::string holder = read_small_file(path, 64).value_or("");
    const std::string pid = holder.substr(0, holder.find('\n'));
    return fail(ErrorKind::busy, "another noforce" + (pid.empty() ? "" : " (pid " + pid + ")") +
                                     " holds " + path +
                                     "; there is one agent to a state directory");
  }
  const std::string pid = std::to_string(::GetCurrentProcessId()) + "\n";
  DWORD written = 0;
  if (::SetEndOfFile(file.get()) == 0 ||
      ::WriteFile(file.get(), pid.data(), static_cast<DWORD>(pid.size()), &written, nullptr) == 0) {
    return system_error("cannot write " + path, static_cast<int>(::GetLastError()));
  }
  return Lock(Fd(::_open_osfhandle(reinterpret_cast<intptr_t>(file.release()), _O_NOINHERIT)));
}

}  // namespace noforce::agent
