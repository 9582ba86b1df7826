// Where the keeper listens, and whom it lets in: `keeper.sock`. The kernel says who connects.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "core/fd.hpp"
#include "core/scm/supervisor/event_loop.hpp"

namespace noforce::supervisor {

class KeeperDoor {
 public:
  // Called with each connection of the keeper's own user, of root, or of the face.
  using Welcome = std::function<void(Fd peer, std::uint32_t user)>;

  // `face`: one more user who may connect.
  KeeperDoor(EventLoop& loop, std::optional<std::uint32_t> face, Welcome welcome);

  // Listens on `keeper.sock` in this folder, replacing what an earlier keeper left there; the
  // caller holds the lock. The socket is the face's own, else the keeper's, and nobody else's mode
  // lets them connect. 0 or errno.
  [[nodiscard]] int listen(int folder);
  // Removes the socket again.
  void close(int folder);

 private:
  void accept_one();

  EventLoop& loop_;
  const std::optional<std::uint32_t> face_;
  const Welcome welcome_;
  Fd listener_;
  EventLoop::Id watch_ = 0;
};

// The address of `keeper.sock` in an open folder; short however long the folder's path is.
[[nodiscard]] std::string socket_path(int folder);
// The user at the other end of a connected socket, as of the moment in which it connected.
[[nodiscard]] std::optional<std::uint32_t> user_of_peer(int socket);

}  // namespace noforce::supervisor
