#include "api/server/parking.hpp"

#include <algorithm>
#include <chrono>
#include <utility>

namespace noforce::api {
namespace {

constexpr std::uint64_t kListener = Poller::kWoken - 1;
// Those whose time ends close together are looked at together.
constexpr Milliseconds kBetweenAlarms{10};
constexpr unsigned kSocketBits = 32;

MonoTime now() {
  return std::chrono::steady_clock::now();
}

}  // namespace

std::uint64_t Parking::token_of(std::size_t socket, const Slot& slot) {
  return (std::uint64_t{slot.parkings} << kSocketBits) | socket;
}

bool Parking::park(std::unique_ptr<Conversation>&& conversation) {
  const Conversation::Wait wait = conversation->waits();
  const auto socket = static_cast<std::size_t>(conversation->connection().socket());
  const MutexLock lock(mutex_);
  if (slots_.size() <= socket) slots_.resize(socket + 1);
  Slot& slot = slots_[socket];
  // Never all bits: those are the poller's own.
  slot.parkings = (slot.parkings + 1) & 0x7fffffffU;
  const bool looks_on = conversation->looks_on();
  const std::uint64_t token = token_of(socket, slot);
  // What happened while it was not here is looked at now.
  const bool has_turn = slot.round < (looks_on ? round_ : disturbed_);
  if (has_turn) {
    turns_.push_back(token);
  } else if (!poller_.arm(static_cast<int>(socket), token, wait.what)) {
    return false;
  }
  // Still under the lock: whoever is told already waits for it.
  slot.conversation = std::move(conversation);
  if (looks_on) ++lookers_;
  if (!has_turn && wait.until < alarm_) {
    alarm_ = wait.until;
    poller_.set_alarm(alarm_);
  }
  return true;
}

Parking::Taken Parking::take(std::optional<Milliseconds> patience) {
  MutexLock lock(mutex_);
  for (;;) {
    if (closed_) {
      poller_.wake();  // the next one
      return {.conversation = nullptr, .is_closed = true};
    }
    while (!turns_.empty()) {
      const std::uint64_t token = turns_.front();
      turns_.pop_front();
      auto conversation = claim(token);
      if (!conversation) continue;
      // The others do not hang on how long this one takes.
      if (!turns_.empty() && waiting_ > 0) poller_.wake();
      return {.conversation = std::move(conversation)};
    }
    ++waiting_;
    lock.unlock();
    const auto token = poller_.wait(patience);
    lock.lock();
    --waiting_;
    if (!token) return {};
    if (*token == kListener) return {.conversation = nullptr, .is_listener = true};
    if (*token == Poller::kAlarm) {
      collect_late();
    } else if (*token == Poller::kWoken) {
      if (std::exchange(woken_, false)) collect_lookers();  // else there are turns to take
    } else if (auto conversation = claim(*token)) {
      return {.conversation = std::move(conversation)};
    }
  }
}

std::size_t Parking::waiting() const {
  const MutexLock lock(mutex_);
  return waiting_;
}

bool Parking::watch_listener(int socket) {
  return poller_.arm(socket, kListener, Poller::For::read);
}

std::unique_ptr<Conversation> Parking::claim(std::uint64_t token) {
  const auto socket = static_cast<std::size_t>(token & 0xffffffffU);
  if (socket >= slots_.size() || token_of(socket, slots_[socket]) != token) return nullptr;
  return claim(slots_[socket]);
}

std::unique_ptr<Conversation> Parking::claim(Slot& slot) {
  if (!slot.conversation) return nullptr;  // in hand: its round is not ours to change
  if (slot.conversation->looks_on()) --lookers_;
  slot.round = round_;
  return std::move(slot.conversation);
}

void Parking::collect_late() {
  const MonoTime time = now();
  alarm_ = MonoTime::max();
  for (std::size_t socket = 0; socket < slots_.size(); ++socket) {
    const Slot& slot = slots_[socket];
    if (!slot.conversation) continue;
    const MonoTime until = slot.conversation->waits().until;
    if (until <= time) {
      turns_.push_back(token_of(socket, slot));
    } else {
      alarm_ = std::min(alarm_, until);
    }
  }
  if (alarm_ == MonoTime::max()) return;
  alarm_ = std::max(alarm_, time + kBetweenAlarms);
  poller_.set_alarm(alarm_);
}

void Parking::collect_lookers() {
  for (std::size_t socket = 0; socket < slots_.size(); ++socket) {
    const Slot& slot = slots_[socket];
    if (!slot.conversation) continue;
    if (slot.round < (slot.conversation->looks_on() ? round_ : disturbed_))
      turns_.push_back(token_of(socket, slot));
  }
}

void Parking::look_again() {
  const MutexLock lock(mutex_);
  ++round_;
  if (lookers_ == 0 || woken_) return;
  woken_ = true;
  poller_.wake();
}

void Parking::disturb_all() {
  const MutexLock lock(mutex_);
  disturbed_ = ++round_;
  woken_ = true;
  poller_.wake();
}

void Parking::close() {
  const MutexLock lock(mutex_);
  closed_ = true;
  poller_.wake();
}

std::unique_ptr<Conversation> Parking::give_way(const std::string& group) {
  const MonoTime time = now();
  const MutexLock lock(mutex_);
  Slot* chosen = nullptr;
  for (Slot& slot : slots_) {
    const Conversation* candidate = slot.conversation.get();
    if (candidate == nullptr || candidate->rank(time) == Conversation::Rank::busy) continue;
    if (!group.empty() && candidate->place().group() != group) continue;
    const auto order = [time](const Conversation& c) { return std::pair(c.rank(time), c.since()); };
    if (chosen == nullptr || order(*candidate) < order(*chosen->conversation)) chosen = &slot;
  }
  return chosen == nullptr ? nullptr : claim(*chosen);
}

}  // namespace noforce::api
