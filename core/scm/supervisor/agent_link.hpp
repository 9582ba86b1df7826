// The keeper's end of the connection to its agent. There is one at a time; a newer one replaces it,
// since an agent that is there is worth more than one that may have gone without a word.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <unordered_set>

#include "core/fd.hpp"
#include "core/scm/supervisor/event_loop.hpp"
#include "core/scm/supervisor/packet.hpp"
#include "core/scm/supervisor/protocol.hpp"

namespace noforce::supervisor {

class AgentLink {
 public:
  class Handler {
   public:
    virtual ~Handler() = default;
    // A well-formed message of a peer with which hello was exchanged; Replace of any peer.
    virtual void received(const Message& message, Fd descriptor) = 0;
    virtual void malformed(const std::string& why) = 0;
    virtual void connected(bool now) = 0;
    // The service's status at this moment; nothing when it is no more.
    [[nodiscard]] virtual std::optional<Status> status_of(const std::string& service) = 0;
  };

  AgentLink(EventLoop& loop, Handler& handler) : loop_(loop), handler_(handler) {}

  // Listens on `keeper.sock` in this folder, replacing what an earlier keeper left there; the
  // caller holds the lock. 0 or errno.
  [[nodiscard]] int listen(int folder);
  // Removes the socket again.
  void close(int folder);

  // Queues the service's status; it is taken when it is sent, so that many changes become one.
  void tell(const std::string& service);
  void say(const Message& message, Fd descriptor = {});
  // Sends what the socket takes; the rest follows when it takes more.
  void flush();
  [[nodiscard]] bool greeted() const { return greeted_; }
  [[nodiscard]] bool idle() const { return queue_.empty(); }

 private:
  struct Item {
    Packet packet;
    std::string service;  // not empty: its status, whatever it is by then
  };

  void accept_one();
  void ready(std::uint32_t events);
  void receive_some();
  void take(const Message& message, Fd descriptor);
  void disconnect();
  [[nodiscard]] bool send_now(const Packet& packet);  // false: the socket is full or gone

  EventLoop& loop_;
  Handler& handler_;
  Fd listener_;
  EventLoop::Id listener_watch_ = 0;
  Fd peer_;
  EventLoop::Id peer_watch_ = 0;
  bool greeted_ = false;
  bool wants_room_ = false;
  std::deque<Item> queue_;
  std::unordered_set<std::string> queued_;  // services whose status is in the queue
};

// The address of `keeper.sock` in an open folder; short however long the folder's path is.
[[nodiscard]] std::string socket_path(int folder);

}  // namespace noforce::supervisor
