#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <filesystem>
#include <system_error>
#include <vector>

#include "config/machine.hpp"
#include "core/fd.hpp"
#include "core/trusted_program.hpp"

namespace noforce::config {
namespace {

std::string user_name(uid_t uid) {
  std::vector<char> buffer(16'384);
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr) {
    return found->pw_name;
  }
  return "user " + std::to_string(uid);
}

bool is_trusted_owner(uid_t uid) {
  return uid == 0 || uid == ::geteuid();
}

std::string distrust(const struct stat& status) {
  if (!is_trusted_owner(status.st_uid)) {
    return "it belongs to " + user_name(status.st_uid) + "; chown it to root or to " +
           user_name(::geteuid());
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return "others than its owner may write it; chmod go-w it";
  }
  return {};
}

}  // namespace

Result<FileContent> read_file(const std::string& path, std::size_t most) {
  // A FIFO would block the open: look first.
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) {
    const ErrorKind kind = errno == ENOENT ? ErrorKind::not_found : ErrorKind::access_denied;
    return fail(kind, "cannot be read: " + std::string(::strerror(errno)));
  }
  if (!S_ISREG(status.st_mode)) return fail(ErrorKind::malformed, "is not a regular file");
  const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file || ::fstat(file.get(), &status) != 0) {
    return fail(ErrorKind::access_denied, "cannot be read: " + std::string(::strerror(errno)));
  }
  if (!S_ISREG(status.st_mode)) return fail(ErrorKind::malformed, "is not a regular file");

  FileContent content;
  content.distrust = distrust(status);
  if (content.distrust.empty()) {
    std::error_code error;
    const auto whole = std::filesystem::absolute(path, error).string();
    // Whoever may write a directory above it may put another file in its place.
    if (const auto trusted = check_trusted_file(whole); !trusted) {
      content.distrust = trusted.error().detail;
    }
  }
  std::vector<char> buffer(65'536);
  for (;;) {
    const ssize_t n = ::read(file.get(), buffer.data(), buffer.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      return fail(ErrorKind::access_denied, "cannot be read: " + std::string(::strerror(errno)));
    }
    if (n == 0) return content;
    content.text.append(buffer.data(), static_cast<std::size_t>(n));
    if (content.text.size() > most) {
      return fail(ErrorKind::too_large, "is larger than " + std::to_string(most) + " bytes");
    }
  }
}

Result<User> find_user(const std::string& name_or_number) {
  std::vector<char> buffer(16'384);
  passwd entry{};
  passwd* found = nullptr;
  User user;
  const char* const end = name_or_number.data() + name_or_number.size();
  const auto [rest, failed] = std::from_chars(name_or_number.data(), end, user.uid);
  if (failed == std::errc() && rest == end) {
    (void)::getpwuid_r(user.uid, &entry, buffer.data(), buffer.size(), &found);
    user.gid = user.uid;
  } else {
    (void)::getpwnam_r(name_or_number.c_str(), &entry, buffer.data(), buffer.size(), &found);
    if (found == nullptr) {
      return fail(ErrorKind::not_found, "there is no user '" + name_or_number +
                                            "' on this machine; make one with `useradd --system`");
    }
  }
  if (found != nullptr) {
    user = {.name = found->pw_name, .uid = found->pw_uid, .gid = found->pw_gid};
  }
  constexpr auto nobody_at_all = static_cast<std::uint32_t>(-1);
  if (user.uid == 0 || user.gid == 0 || user.uid == nobody_at_all) {
    return fail(ErrorKind::malformed, "'" + name_or_number +
                                          "' is root, or of root's group; name a user that has no "
                                          "rights, or leave 'user' out");
  }
  return user;
}

std::string why_not_user(const std::string& user) {
  std::vector<char> buffer(16'384);
  passwd entry{};
  passwd* found = nullptr;
  const int error = ::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found);
  if (error != 0 || found == nullptr) return "there is no user '" + user + "' on this machine";
  if (::geteuid() != 0 && found->pw_uid != ::geteuid()) {
    return "only root can run a service as '" + user + "', and this is " + user_name(::geteuid());
  }
  return {};
}

std::string why_not_program(const std::string& path, const std::string& user) {
  std::optional<std::uint32_t> also;
  if (!user.empty()) {
    std::vector<char> buffer(16'384);
    passwd entry{};
    passwd* found = nullptr;
    if (::getpwnam_r(user.c_str(), &entry, buffer.data(), buffer.size(), &found) == 0 &&
        found != nullptr) {
      also = found->pw_uid;
    }
  }
  const auto trusted = check_service_program(path, also);
  if (trusted || trusted.error().native_code == ENOENT) return {};
  return trusted.error().detail;
}

}  // namespace noforce::config
