#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "core/fd.hpp"
#include "core/full_disk.hpp"
#include "core/journal_reserve.hpp"
#include "core/log.hpp"

namespace noforce {
namespace {

constexpr off_t mib = 1024 * 1024;
// A job's commit takes some ten pages of 4 KiB: this is some two hundred of them, if the log can
// never be moved into the database meanwhile, and no end of them if it can.
constexpr off_t whole = 8 * mib;
constexpr off_t portion = mib;
// Of which this much is left to whoever else needs it: the database, so that the log can be moved
// into it and used again from its beginning; SQLite's index of the log; small files of the agent's.
constexpr off_t loose = mib / 4;
// What must be free besides before the disk counts as having room again.
constexpr off_t margin = mib;

Fd open_to_write(const std::string& path, int more) {
  return Fd(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | more, 0600));
}

// Of a regular file; 0 for everything else.
off_t size_of(const Fd& file) {
  struct stat status{};
  if (::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return 0;
  return status.st_size;
}

// 0 or an errno.
int make_whole(const std::string& path) {
  const Fd file = open_to_write(path, O_CREAT);
  if (!file) return errno;
  const off_t before = size_of(file);
  // With the margin for a moment, so that it is known to be there.
  const int problem = ::posix_fallocate(file.get(), 0, whole + margin);
  const off_t after = problem == 0 ? whole : std::min(before, whole);
  const int trimmed = ::ftruncate(file.get(), after) == 0 ? 0 : errno;
  return problem != 0 ? problem : trimmed;
}

}  // namespace

bool JournalReserve::fill() {
  const int problem = make_whole(path_);
  if (problem == 0) return true;
  if (means_full_disk(problem)) return false;
  if (!complained_) {
    complained_ = true;
    log_warning("journal", "no space can be kept for a full disk (" + path_ +
                               "): " + std::strerror(problem) + "; running jobs would wait for it");
  }
  return true;
}

bool JournalReserve::release() {
  const Fd file = open_to_write(path_, 0);
  if (!file) return false;
  const off_t size = size_of(file);
  if (size == 0) return false;
  if (::ftruncate(file.get(), std::max<off_t>(size - portion, 0)) != 0) return false;
  // SQLite never locks its log, so this descriptor takes no lock away when it is closed; and what
  // follows the last commit in the log is nothing to SQLite.
  const Fd log = open_to_write(log_, 0);
  if (log) (void)::fallocate(log.get(), 0, size_of(log), portion - loose);
  return true;
}

std::uint64_t JournalReserve::wanted_mib() const {
  const Fd file = open_to_write(path_, 0);
  const off_t there = file ? size_of(file) : 0;
  const off_t missing = std::max<off_t>(whole - there, 0) + margin;
  return static_cast<std::uint64_t>((missing + mib - 1) / mib);
}

}  // namespace noforce
