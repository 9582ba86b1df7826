// The keeper's end of a connection to its agent, or to the opener. There is one of each at a time; a
// newer one replaces it, since a peer that is there is worth more than one that may have gone without
// a word.
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
    virtual void received(AgentLink& from, const Message& message, Fd descriptor) = 0;
    virtual void malformed(const std::string& why) = 0;
    virtual void connected(AgentLink& link, bool now) = 0;
    // The service's status at this moment; nothing when it is no more.
    [[nodiscard]] virtual std::optional<Status> status_of(const std::string& service) = 0;
  };

  AgentLink(EventLoop& loop, Handler& handler) : loop_(loop), handler_(handler) {}

  // Says hello to a new peer, and goodbye to the one before it.
  void meet(Fd peer, const Hello& hello);
  // Says why this peer is not listened to any longer, and ends the connection.
  void refuse(const std::string& why);
  void disconnect();

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

  void ready(std::uint32_t events);
  void receive_some();
  void take(const Message& message, Fd descriptor);
  [[nodiscard]] bool send_now(const Packet& packet);  // false: the socket is full or gone

  EventLoop& loop_;
  Handler& handler_;
  Fd peer_;
  EventLoop::Id peer_watch_ = 0;
  bool greeted_ = false;
  bool wants_room_ = false;
  std::deque<Item> queue_;
  std::unordered_set<std::string> queued_;  // services whose status is in the queue
};

}  // namespace noforce::supervisor
