#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "core/journal_reserve.hpp"
#include "core/journal_schema.hpp"

namespace noforce {
namespace {

std::unexpected<Error> refuse(const std::string& path, const std::string& why, int problem = 0) {
  Error error;
  error.kind = ErrorKind::journal_unavailable;
  error.detail = "the journal " + path + " " + why;
  if (problem != 0) {
    error.detail += std::string(": ") + std::strerror(problem);
    error.native_code = problem;
    if (const char* const name = ::strerrorname_np(problem)) error.native_name = name;
  }
  return std::unexpected(std::move(error));
}

bool has_content(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && status.st_size > 0;
}

constexpr off_t smallest = 4096;  // one page

constexpr const char* move_all =
    "; put a copy made by `noforce backup` there, or, to start with a new one that knows no job, "
    "no "
    "token and not what services are wanted to be, move away what begins with its name";

}  // namespace

Result<std::string> prepare_journal_file(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(parent.c_str(), nullptr),
                                                         &std::free);
  if (!real) return refuse(path, "cannot be opened, its directory is not there", errno);
  std::string resolved = std::string(real.get()) + "/" + name;

  const bool has_log = has_content(resolved + "-wal");
  if (has_log && ::access(resolved.c_str(), F_OK) != 0 && errno == ENOENT) {
    return refuse(path,
                  std::string("is gone, and its log ") + name + "-wal is still there" + move_all);
  }
  const int made = ::open(resolved.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  if (made >= 0) {
    ::close(made);
    return resolved;
  }
  if (errno != EEXIST) return refuse(path, "cannot be made", errno);

  // Looked at by name: closing a descriptor of the file would drop the POSIX locks that SQLite may
  // hold on it elsewhere in this process. SQLITE_OPEN_NOFOLLOW guards the opening itself.
  struct stat status{};
  if (::lstat(resolved.c_str(), &status) != 0) return refuse(path, "cannot be looked at", errno);
  if (S_ISLNK(status.st_mode)) return refuse(path, "is a symbolic link; name the file itself");
  if (!S_ISREG(status.st_mode)) return refuse(path, "is no regular file");
  if (status.st_uid != ::geteuid()) {
    return refuse(path, "belongs to another user (uid " + std::to_string(status.st_uid) +
                            "); run the agent as that user, or give it the file");
  }
  if (status.st_nlink != 1) return refuse(path, "has a second name (hard link); remove one");
  // An agent that ended while it made the file leaves it empty, but no reserve and no log. SQLite
  // takes what is cut off before its first page's end for empty as well.
  if (status.st_size < smallest && (has_log || has_content(JournalReserve::path_of(resolved)))) {
    return refuse(path, (status.st_size == 0 ? "is empty" : "is cut off") +
                            std::string(", and was not when it was last used") + move_all);
  }
  if ((status.st_mode & 0077) != 0 && ::chmod(resolved.c_str(), 0600) != 0) {
    return refuse(path, "cannot be closed to other users", errno);
  }
  return resolved;
}

}  // namespace noforce
