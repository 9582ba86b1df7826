#include <windows.h>

#include <algorithm>
#include <cstdint>

#include "core/full_disk.hpp"
#include "core/journal_reserve.hpp"
#include "core/log.hpp"
#include "core/windows_error.hpp"
#include "core/windows_handle.hpp"

namespace noforce {
namespace {

constexpr std::int64_t mib = 1024 * 1024;
// A job's commit takes some ten pages of 4 KiB: this is some two hundred of them, if the log can
// never be moved into the database meanwhile, and no end of them if it can.
constexpr std::int64_t whole = 8 * mib;
constexpr std::int64_t portion = mib;
// Of which this much is left to whoever else needs it: the database, so that the log can be moved
// into it and used again from its beginning; SQLite's index of the log; small files of the agent's.
constexpr std::int64_t loose = mib / 4;
// What must be free besides before the disk counts as having room again.
constexpr std::int64_t margin = mib;

WindowsHandle open_to_write(const std::string& path, DWORD disposition) {
  return WindowsHandle(
      ::CreateFileW(to_wide(path).c_str(), GENERIC_READ | GENERIC_WRITE,
                    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, nullptr, disposition,
                    FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OPEN_REPARSE_POINT, nullptr));
}

std::int64_t size_of(const WindowsHandle& file) {
  LARGE_INTEGER size{};
  return ::GetFileSizeEx(file.get(), &size) != 0 ? size.QuadPart : 0;
}

// NTFS gives a file its clusters when its end is set. 0 or Windows' code.
DWORD set_size(const WindowsHandle& file, std::int64_t size) {
  FILE_END_OF_FILE_INFO end{};
  end.EndOfFile.QuadPart = size;
  const BOOL done = ::SetFileInformationByHandle(file.get(), FileEndOfFileInfo, &end, sizeof end);
  return done != 0 ? ERROR_SUCCESS : ::GetLastError();
}

DWORD make_whole(const std::string& path) {
  const WindowsHandle file = open_to_write(path, OPEN_ALWAYS);
  if (!file) return ::GetLastError();
  const std::int64_t before = size_of(file);
  // With the margin for a moment, so that it is known to be there.
  const DWORD problem = set_size(file, whole + margin);
  const DWORD trimmed = set_size(file, problem == 0 ? whole : std::min(before, whole));
  return problem != 0 ? problem : trimmed;
}

}  // namespace

bool JournalReserve::fill() {
  const DWORD problem = make_whole(path_);
  if (problem == 0) return true;
  if (means_full_disk(static_cast<int>(problem))) return false;
  if (!complained_) {
    complained_ = true;
    log_warning("journal", "no space can be kept for a full disk (" + path_ +
                               "): " + windows_text(problem) + "; running jobs would wait for it");
  }
  return true;
}

bool JournalReserve::release() {
  const WindowsHandle file = open_to_write(path_, OPEN_EXISTING);
  if (!file) return false;
  const std::int64_t size = size_of(file);
  if (size == 0) return false;
  if (set_size(file, std::max<std::int64_t>(size - portion, 0)) != 0) return false;
  // Clusters beyond the log's end, which stay with it for as long as SQLite has it open.
  if (const WindowsHandle log = open_to_write(log_, OPEN_EXISTING); log) {
    FILE_ALLOCATION_INFO room{};
    room.AllocationSize.QuadPart = size_of(log) + portion - loose;
    (void)::SetFileInformationByHandle(log.get(), FileAllocationInfo, &room, sizeof room);
  }
  return true;
}

std::uint64_t JournalReserve::wanted_mib() const {
  const WindowsHandle file = open_to_write(path_, OPEN_EXISTING);
  const std::int64_t there = file ? size_of(file) : 0;
  const std::int64_t missing = std::max<std::int64_t>(whole - there, 0) + margin;
  return static_cast<std::uint64_t>((missing + mib - 1) / mib);
}

}  // namespace noforce
