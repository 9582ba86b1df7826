#include "core/scm/supervisor/agent_link.hpp"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace noforce::supervisor {
namespace {

constexpr const char* kSocket = "keeper.sock";
constexpr std::size_t kMostQueued = 100'000;
constexpr int kMessagesPerTurn = 64;

// Only the agent's own user and root may speak to the keeper; the file's mode says the same.
bool trusted(int fd) {
  ucred peer{};
  socklen_t size = sizeof peer;
  if (::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) return false;
  return peer.uid == ::geteuid() || peer.uid == 0;
}

}  // namespace

std::string socket_path(int folder) {
  return "/proc/self/fd/" + std::to_string(folder) + "/" + kSocket;
}

int AgentLink::listen(int folder) {
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
  constexpr int kBacklog = 16;
  if (::listen(fd.get(), kBacklog) != 0) return errno;
  listener_ = std::move(fd);
  listener_watch_ = loop_.watch(listener_.get(), EPOLLIN, [this](std::uint32_t) { accept_one(); });
  return listener_watch_ == 0 ? errno : 0;
}

void AgentLink::close(int folder) {
  disconnect();
  loop_.forget(listener_watch_);
  listener_.reset();
  (void)::unlinkat(folder, kSocket, 0);
}

void AgentLink::accept_one() {
  Fd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!fd || !trusted(fd.get())) return;
  if (peer_) {
    say(Refused{.why = "another agent has connected to this keeper"});
    flush();
    disconnect();
  }
  peer_ = std::move(fd);
  peer_watch_ = loop_.watch(peer_.get(), EPOLLIN, [this](std::uint32_t events) { ready(events); });
  if (peer_watch_ == 0) return disconnect();
  say(Hello{.pid = ::getpid(), .replaceable = true});
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
    return handler_.received(message, std::move(descriptor));
  }
  const auto* hello = std::get_if<Hello>(&message);
  if (hello == nullptr) return;  // nothing else counts before hello
  if (const auto why = incompatible(*hello)) {
    // Not the end: it may ask for the keeper to be replaced.
    say(Refused{.why = *why + ": take an agent of another release, the services run on"});
    return flush();
  }
  greeted_ = true;
  handler_.connected(true);
}

void AgentLink::disconnect() {
  const bool was_greeted = std::exchange(greeted_, false);
  loop_.forget(peer_watch_);
  peer_.reset();
  queue_.clear();
  queued_.clear();
  wants_room_ = false;
  if (was_greeted) handler_.connected(false);
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
