#include "core/scm/supervisor/keeper_door.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace noforce::supervisor {
namespace {

constexpr const char* kSocket = "keeper.sock";

}  // namespace

std::string socket_path(int folder) {
  return "/proc/self/fd/" + std::to_string(folder) + "/" + kSocket;
}

std::optional<std::uint32_t> user_of_peer(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return std::nullopt;
  return peer.uid;
}

KeeperDoor::KeeperDoor(EventLoop& loop, std::optional<std::uint32_t> face, Welcome welcome)
    : loop_(loop), face_(face), welcome_(std::move(welcome)) {}

int KeeperDoor::listen(int folder) {
  Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return errno;
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  const std::string path = socket_path(folder);
  std::memcpy(name.sun_path, path.data(), path.size());
  (void)::unlinkat(folder, kSocket, 0);
  const mode_t before = ::umask(0177);
  const bool bound = ::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) == 0;
  const int failed = errno;
  ::umask(before);
  if (!bound) return failed;
  // It can open the socket to others so, and they are turned away all the same; it cannot replace it.
  constexpr auto kAsItIs = static_cast<gid_t>(-1);
  if (face_ && ::fchownat(folder, kSocket, *face_, kAsItIs, AT_SYMLINK_NOFOLLOW) != 0) return errno;
  constexpr int kBacklog = 16;
  if (::listen(fd.get(), kBacklog) != 0) return errno;
  listener_ = std::move(fd);
  watch_ = loop_.watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_one(); });
  return watch_ == 0 ? errno : 0;
}

void KeeperDoor::close(int folder) {
  loop_.forget(watch_);
  listener_.reset();
  (void)::unlinkat(folder, kSocket, 0);
}

void KeeperDoor::accept_one() {
  Fd peer(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!peer) return;
  const auto user = user_of_peer(peer.get());
  if (!user || (*user != 0 && *user != ::geteuid() && user != face_)) return;
  welcome_(std::move(peer), *user);
}

}  // namespace noforce::supervisor
