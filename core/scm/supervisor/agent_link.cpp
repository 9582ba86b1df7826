#include "core/scm/supervisor/agent_link.hpp"

#include <cerrno>

namespace noforce::supervisor {
namespace {

constexpr std::size_t kMostQueued = 100'000;
constexpr int kMessagesPerTurn = 64;

}  // namespace

void AgentLink::meet(Fd peer, const Hello& hello) {
  if (peer_) refuse("another agent has connected to this keeper");
  peer_ = std::move(peer);
  peer_watch_ = loop_.watch(peer_.get(), EPOLLIN, [this](std::uint32_t events) { ready(events); });
  if (peer_watch_ == 0) return disconnect();
  say(hello);
}

void AgentLink::refuse(const std::string& why) {
  say(Refused{.why = why});
  flush();
  disconnect();
}

void AgentLink::ready(std::uint32_t events) {
  if ((events & EPOLLOUT) != 0) flush();
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive_some();
}

void AgentLink::receive_some() {
  for (int i = 0; i < kMessagesPerTurn && peer_; ++i) {
    auto packet = receive_packet(peer_.get());
    if (!packet && packet.error() == EAGAIN) return;
    if (!packet) return disconnect();
    const auto message = decode(packet->bytes);
    if (message) {
      take(*message, std::move(packet->descriptor));
    } else {
      handler_.malformed(message.error());
    }
  }
}

void AgentLink::take(const Message& message, Fd descriptor) {
  if (greeted_ || std::holds_alternative<Replace>(message)) {
    return handler_.received(*this, message, std::move(descriptor));
  }
  const auto* hello = std::get_if<Hello>(&message);
  if (hello == nullptr) return;  // nothing else counts before hello
  if (const auto why = incompatible(*hello)) {
    // Not the end: it may ask for the keeper to be replaced.
    say(Refused{.why = *why + ": take an agent of another release, the services run on"});
    return flush();
  }
  greeted_ = true;
  handler_.connected(*this, true);
}

void AgentLink::disconnect() {
  const bool was_greeted = std::exchange(greeted_, false);
  loop_.forget(peer_watch_);
  peer_.reset();
  queue_.clear();
  queued_.clear();
  wants_room_ = false;
  if (was_greeted) handler_.connected(*this, false);
}

void AgentLink::tell(const std::string& service) {
  if (!greeted_ || queue_.size() >= kMostQueued) return;
  if (queued_.insert(service).second) queue_.push_back({.packet = {}, .service = service});
}

void AgentLink::say(const Message& message, Fd descriptor) {
  // An agent that takes nothing for so long asks again when it is back.
  if (!peer_ || queue_.size() >= kMostQueued) return;
  queue_.push_back(
      {.packet = {.bytes = encode(message), .descriptor = std::move(descriptor)}, .service = {}});
}

bool AgentLink::send_now(const Packet& packet) {
  const int failed = send_packet(peer_.get(), packet);
  return failed == 0 || failed == EMSGSIZE;  // what can never be sent must not hold up the rest
}

void AgentLink::flush() {
  while (peer_ && !queue_.empty()) {
    Item& item = queue_.front();
    if (!item.service.empty()) {
      const auto status = handler_.status_of(item.service);
      if (status && !send_now({.bytes = encode(*status), .descriptor = {}})) break;
      queued_.erase(item.service);
    } else if (!send_now(item.packet)) {
      break;
    }
    queue_.pop_front();
  }
  // A peer that is gone is noticed when it is read.
  const bool wants_room = peer_ && !queue_.empty();
  if (wants_room != wants_room_) {
    wants_room_ = wants_room;
    loop_.rewatch(peer_watch_, wants_room ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
}

}  // namespace noforce::supervisor
