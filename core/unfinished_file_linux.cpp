#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "core/unfinished_file.hpp"

namespace noforce {
namespace {

std::unexpected<Error> failed(const std::string& what, int problem) {
  Error error{.kind = ErrorKind::journal_unavailable,
              .detail = what + ": " + std::strerror(problem),
              .native_code = problem};
  if (const char* const name = ::strerrorname_np(problem)) error.native_name = name;
  return std::unexpected(std::move(error));
}

}  // namespace

UnfinishedFile::UnfinishedFile(const std::string& goal)
    : goal_(goal),
      path_(goal + ".part" + std::to_string(::getpid())),
      file_(::open(path_.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)),
      problem_(file_ ? 0 : errno) {}

UnfinishedFile::~UnfinishedFile() {
  if (file_) ::unlink(path_.c_str());
  ::unlink((path_ + "-journal").c_str());
}

Result<void> UnfinishedFile::made() const {
  if (file_) return {};
  return failed("cannot make " + path_, problem_);
}

Result<void> UnfinishedFile::synchronize() const {
  if (::fsync(file_.get()) == 0) return {};
  return failed("cannot write " + path_, errno);
}

Result<void> UnfinishedFile::keep() const {
  if (auto done = synchronize(); !done) return done;
  // A link, unlike a rename, replaces nothing.
  if (::link(path_.c_str(), goal_.c_str()) != 0) {
    if (errno == EEXIST) return fail(ErrorKind::already_done, goal_ + " is there already");
    return failed("cannot make " + goal_, errno);
  }
  const std::filesystem::path parent = std::filesystem::path(goal_).parent_path();
  const Fd folder(
      ::open(parent.empty() ? "." : parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder && ::fsync(folder.get()) == 0) return {};
  return failed("cannot write the directory of " + goal_, errno);
}

bool is_there(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

}  // namespace noforce
