#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <memory>

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

}  // namespace

Result<std::string> prepare_journal_file(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  const std::string name = slash == std::string::npos ? path : path.substr(slash + 1);
  const std::unique_ptr<char, decltype(&std::free)> real(::realpath(parent.c_str(), nullptr),
                                                         &std::free);
  if (!real) return refuse(path, "cannot be opened, its directory is not there", errno);
  std::string resolved = std::string(real.get()) + "/" + name;

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
  if ((status.st_mode & 0077) != 0 && ::chmod(resolved.c_str(), 0600) != 0) {
    return refuse(path, "cannot be closed to other users", errno);
  }
  return resolved;
}

}  // namespace noforce
