#include "core/scm/supervisor/inherited.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <memory>
#include <vector>

#include "core/scm/supervisor/number.hpp"

namespace noforce::supervisor {
namespace {

// Those that were left open over an exec; what this program opened itself closes with the next.
std::vector<int> left_open() {
  std::vector<int> found;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc/self/fd"), ::closedir);
  if (!folder) return found;
  while (const dirent* entry = ::readdir(folder.get())) {
    const auto fd = to_number<int>(entry->d_name);
    if (!fd || *fd <= STDERR_FILENO) continue;
    const int flags = ::fcntl(*fd, F_GETFD);
    if (flags >= 0 && (flags & FD_CLOEXEC) == 0) found.push_back(*fd);
  }
  return found;
}

Fd adopt(int fd) {
  set_inheritable(fd, false);
  return Fd(fd);
}

}  // namespace

std::string abstract_name(int fd) {
  int type = 0;
  socklen_t type_size = sizeof type;
  sockaddr_un name{};
  socklen_t size = sizeof name;
  constexpr socklen_t kBeforeText = offsetof(sockaddr_un, sun_path) + 1;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &type_size) != 0 || type != SOCK_DGRAM ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0 ||
      name.sun_family != AF_UNIX || size <= kBeforeText || name.sun_path[0] != '\0') {
    return {};
  }
  return std::string(name.sun_path + 1, size - kBeforeText);
}

void set_inheritable(int fd, bool inheritable) {
  if (fd >= 0) (void)::fcntl(fd, F_SETFD, inheritable ? 0 : FD_CLOEXEC);
}

Fd inherited_file(int folder, const char* name) {
  struct stat wanted{};
  if (::fstatat(folder, name, &wanted, AT_SYMLINK_NOFOLLOW) != 0) return {};
  for (const int fd : left_open()) {
    struct stat found{};
    if (::fstat(fd, &found) == 0 && found.st_dev == wanted.st_dev &&
        found.st_ino == wanted.st_ino) {
      return adopt(fd);
    }
  }
  return {};
}

std::map<std::string, Fd> inherited_sockets() {
  std::map<std::string, Fd> sockets;
  for (const int fd : left_open()) {
    std::string name = abstract_name(fd);
    if (!name.empty()) sockets.insert_or_assign(std::move(name), adopt(fd));
  }
  return sockets;
}

}  // namespace noforce::supervisor
