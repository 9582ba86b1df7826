#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "agent/files.hpp"
#include "agent/lock.hpp"
#include "core/fd.hpp"

namespace noforce::agent {

Result<Lock> Lock::take(const std::string& path) {
  Fd file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return system_error("cannot open " + path, errno);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return system_error("cannot lock " + path, errno);
    // The holder wrote its pid; a very young one may not have done so yet.
    const std::string holder = read_small_file(path, 64).value_or("");
    const std::string pid = holder.substr(0, holder.find('\n'));
    return fail(ErrorKind::busy, "another noforce" + (pid.empty() ? "" : " (pid " + pid + ")") +
                                     " holds " + path +
                                     "; there is one agent to a state directory");
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  if (::ftruncate(file.get(), 0) != 0 ||
      ::pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return system_error("cannot write " + path, errno);
  }
  return Lock(std::move(file));
}

}  // namespace noforce::agent
