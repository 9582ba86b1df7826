#include "core/events.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace noforce {

EventFeed::EventFeed(std::string epoch, std::size_t capacity)
    : epoch_(std::move(epoch)), capacity_(std::max<std::size_t>(capacity, 1)) {}

void EventFeed::append(JobPtr job) {
  push({.sequence = 0, .job = std::move(job), .service = {}});
}

void EventFeed::append(std::shared_ptr<const Service> service) {
  push({.sequence = 0, .job = {}, .service = std::move(service)});
}

void EventFeed::push(Event event) {
  Event dropped;  // ends after the lock: the last reference to a job may hang on it
  {
    const MutexLock lock(mutex_);
    if (closed_) return;
    event.sequence = ++last_;
    ring_.push_back(std::move(event));
    if (ring_.size() > capacity_) {
      dropped = std::move(ring_.front());
      ring_.pop_front();
    }
    changed_.notify_all();
  }
  tell();
}

void EventFeed::tell() const {
  const MutexLock lock(listener_mutex_);
  if (listener_) listener_();
}

void EventFeed::set_listener(std::function<void()> listener) {
  const MutexLock lock(listener_mutex_);
  listener_ = std::move(listener);
}

EventFeed::Batch EventFeed::next(std::uint64_t after, Milliseconds patience) {
  const MonoTime until = std::chrono::steady_clock::now() + patience;
  MutexLock lock(mutex_);
  while (!closed_ && after == last_) {
    if (!changed_.wait_until(lock, until)) break;
  }
  Batch batch;
  batch.closed = closed_;
  batch.last = last_;
  // An id from the future is none of ours: nothing is known about what the caller has seen.
  if (after > last_) {
    batch.gap = true;
    return batch;
  }
  const std::uint64_t before_ring = last_ - ring_.size();
  batch.gap = after < before_ring;
  const auto seen = static_cast<std::ptrdiff_t>(std::max(after, before_ring) - before_ring);
  batch.events.assign(ring_.begin() + seen, ring_.end());
  return batch;
}

std::uint64_t EventFeed::last() const {
  const MutexLock lock(mutex_);
  return last_;
}

void EventFeed::close() {
  {
    const MutexLock lock(mutex_);
    closed_ = true;
    changed_.notify_all();
  }
  tell();
}

std::string EventFeed::id(std::uint64_t sequence) const {
  return epoch_ + "-" + std::to_string(sequence);
}

std::optional<std::uint64_t> EventFeed::sequence(std::string_view id) const {
  if (!id.starts_with(epoch_)) return std::nullopt;
  id.remove_prefix(epoch_.size());
  if (id.size() < 2 || id.front() != '-') return std::nullopt;
  id.remove_prefix(1);
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(id.data(), id.data() + id.size(), number);
  if (problem != std::errc{} || end != id.data() + id.size()) return std::nullopt;
  return number > last() ? std::nullopt : std::optional(number);
}

}  // namespace noforce
