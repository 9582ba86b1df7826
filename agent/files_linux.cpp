#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "agent/files.hpp"
#include "agent/process.hpp"
#include "core/fd.hpp"
#include "core/trusted_program.hpp"

namespace noforce::agent {
namespace {

// As anybody else's: 0755.
Result<void> make_directories(const std::filesystem::path& path) {
  std::error_code error;
  const mode_t before = ::umask(022);
  std::filesystem::create_directories(path, error);
  ::umask(before);
  if (error) return system_error("cannot make " + path.string(), error.value());
  return {};
}

Result<void> write_all(int fd, std::string_view content, const std::string& path) {
  while (!content.empty()) {
    const ssize_t n = ::write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("cannot write " + path, errno);
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  return {};
}

// So that the name is still there after a power cut.
void sync_directory_of(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  const Fd directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory) (void)::fsync(directory.get());
}

// Writes `path` under another name; the caller gives it its own.
Result<std::string> write_beside(const std::string& path, std::string_view content, unsigned mode) {
  std::string beside = path + ".new" + std::to_string(::getpid());
  const Fd file(::open(beside.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
                       static_cast<mode_t>(mode)));
  if (!file) return system_error("cannot write " + beside, errno);
  Result<void> written = write_all(file.get(), content, beside);
  if (written &&
      (::fchmod(file.get(), static_cast<mode_t>(mode)) != 0 || ::fsync(file.get()) != 0)) {
    written = system_error("cannot write " + beside, errno);
  }
  if (!written) {
    ::unlink(beside.c_str());
    return std::unexpected(written.error());
  }
  return beside;
}

}  // namespace

std::unexpected<Error> system_error(const std::string& what, int number) {
  ErrorKind kind = ErrorKind::internal;
  if (number == ENOENT) kind = ErrorKind::not_found;
  if (number == EACCES || number == EPERM) kind = ErrorKind::access_denied;
  const char* name = ::strerrorname_np(number);
  return std::unexpected(Error{.kind = kind,
                               .detail = what + ": " + ::strerror(number),
                               .native_code = number,
                               .native_name = name != nullptr ? name : ""});
}

bool exists(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

Result<std::string> read_small_file(const std::string& path, std::size_t most) {
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) return system_error("cannot read " + path, errno);
  struct stat status{};
  if (::fstat(file.get(), &status) != 0) return system_error("cannot read " + path, errno);
  if (!S_ISREG(status.st_mode)) return fail(ErrorKind::malformed, path + " is no regular file");
  std::string content(most + 1, '\0');
  std::size_t size = 0;
  while (size < content.size()) {
    const ssize_t n = ::read(file.get(), content.data() + size, content.size() - size);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return system_error("cannot read " + path, errno);
    if (n == 0) break;
    size += static_cast<std::size_t>(n);
  }
  if (size > most) {
    return fail(ErrorKind::too_large, path + " is larger than " + std::to_string(most) + " bytes");
  }
  content.resize(size);
  return content;
}

Result<void> write_new_file(const std::string& path, std::string_view content, unsigned mode) {
  const Result<std::string> beside = write_beside(path, content, mode);
  if (!beside) return std::unexpected(beside.error());
  // A link, unlike a rename, does not replace what is there.
  const int linked = ::link(beside->c_str(), path.c_str());
  const int number = errno;
  ::unlink(beside->c_str());
  if (linked != 0 && number == EEXIST) {
    return fail(ErrorKind::already_done, path + " is there already");
  }
  if (linked != 0) return system_error("cannot make " + path, number);
  sync_directory_of(path);
  return {};
}

Result<void> replace_file(const std::string& path, std::string_view content, unsigned mode) {
  const Result<std::string> beside = write_beside(path, content, mode);
  if (!beside) return std::unexpected(beside.error());
  if (::rename(beside->c_str(), path.c_str()) != 0) {
    const int number = errno;
    ::unlink(beside->c_str());
    return system_error("cannot replace " + path, number);
  }
  sync_directory_of(path);
  return {};
}

Result<File> open_log_safely(const std::string& path) {
  const auto whole = std::filesystem::absolute(path);
  if (auto made = make_directories(whole.parent_path()); !made) {
    return std::unexpected(made.error());
  }
  if (auto trusted = check_trusted_directory(whole.parent_path().string(), true); !trusted) {
    return std::unexpected(trusted.error());
  }
  Fd file(::open(whole.c_str(),
                 O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY | O_NONBLOCK,
                 0600));
  if (!file && errno == ELOOP) {
    return fail(ErrorKind::access_denied, path + " is a symbolic link; name the file itself");
  }
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0) return system_error("cannot open " + path, errno);
  const bool is_device = S_ISCHR(status.st_mode);  // /dev/null, a terminal
  if (!is_device && !S_ISREG(status.st_mode))
    return fail(ErrorKind::access_denied, path + " is no regular file");
  const bool own = status.st_uid == 0 || status.st_uid == ::geteuid();
  if (!is_device && (!own || status.st_nlink > 1)) {
    return fail(ErrorKind::access_denied,
                path +
                    (own ? " has a second name (hard link)"
                         : " belongs to user " + std::to_string(status.st_uid)) +
                    "; move it away, or name another file");
  }
  File stream(::fdopen(file.get(), "a"));
  if (!stream) return system_error("cannot open " + path, errno);
  (void)file.release();
  return stream;
}

bool is_forbidden(const std::string& path) {
  return ::access(path.c_str(), R_OK) != 0 && errno == EACCES;
}

std::string why_not_secret(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return {};
  if ((status.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    return "everybody on this machine can read " + path +
           "; chmod 600 it, and take a new key if somebody may have";
  }
  if (status.st_uid != 0 && status.st_uid != ::geteuid()) {
    return path + " belongs to " + user_name(status.st_uid) +
           "; chown it to root or to the agent's user";
  }
  return {};
}

void remove_file(const std::string& path) {
  (void)::unlink(path.c_str());
}

Result<void> prepare_private_directory(const std::string& path) {
  std::error_code error;
  const std::filesystem::path whole = std::filesystem::absolute(path);
  const std::filesystem::path parent =
      whole.has_filename() ? whole.parent_path() : whole.parent_path().parent_path();
  if (std::filesystem::exists(parent, error)) {
    // Whoever may rename what is in it may put another directory in this one's place.
    if (auto trusted = check_trusted_directory(parent.string()); !trusted) return trusted;
  } else if (auto made = make_directories(parent); !made) {
    return made;
  }
  if (::mkdir(path.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return system_error("cannot make " + path, errno);

  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return system_error("cannot look at " + path, errno);
  if (!S_ISDIR(status.st_mode)) {
    return fail(ErrorKind::access_denied, path + " is no directory; name another one");
  }
  if (status.st_uid != ::geteuid()) {
    return fail(ErrorKind::access_denied, path + " belongs to user " +
                                              std::to_string(status.st_uid) +
                                              ", and this is user " + std::to_string(::geteuid()) +
                                              "; run noforce as its owner, or name another one");
  }
  if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail(ErrorKind::access_denied,
                path + " holds keys, and others may enter it; chmod 700 " + path);
  }
  // It may be there by a link; what leads to it counts as well.
  return check_trusted_directory(whole.string());
}

}  // namespace noforce::agent
