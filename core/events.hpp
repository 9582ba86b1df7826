// The event feed: what changed, in order, for the event streams. A bounded ring in memory; who
// falls behind, or asks for what is no longer there, is told so (`gap`) instead of being fed a
// history with holes.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/job.hpp"
#include "core/service.hpp"
#include "core/thread_safety.hpp"

namespace noforce {

struct Event {
  std::uint64_t sequence = 0;  // 1, 2, 3 ... within one run of the agent
  JobPtr job;                  // exactly one of the two is set
  std::shared_ptr<const Service> service;
};

// Any thread.
class EventFeed {
 public:
  // `epoch` tells the runs of the agent apart (a ULID).
  explicit EventFeed(std::string epoch, std::size_t capacity = 2048);

  void append(JobPtr job);
  void append(std::shared_ptr<const Service> service);

  struct Batch {
    std::vector<Event> events;
    bool gap = false;        // events between `after` and the first one here are lost
    std::uint64_t last = 0;  // ask for what comes after this next
    bool closed = false;
  };
  // What came after `after`; waits up to `patience` for something to come.
  [[nodiscard]] Batch next(std::uint64_t after, Milliseconds patience);
  [[nodiscard]] std::uint64_t last() const;
  // Wakes all waiters for good (the agent ends).
  void close();
  // Is called after each event and at the end, by whoever brings it; must not call back. Empty:
  // nobody any more; no call is under way when this returns.
  void set_listener(std::function<void()> listener);

  // The text of an id on the wire, "<epoch>-<sequence>", and back; nullopt for one of another run
  // or one that is none: the caller starts with a gap.
  [[nodiscard]] std::string id(std::uint64_t sequence) const;
  [[nodiscard]] std::optional<std::uint64_t> sequence(std::string_view id) const;

 private:
  void push(Event event);
  void tell() const;

  const std::string epoch_;
  const std::size_t capacity_;
  mutable Mutex mutex_;
  Condition changed_;
  std::deque<Event> ring_ NOFORCE_GUARDED_BY(mutex_);
  std::uint64_t last_ NOFORCE_GUARDED_BY(mutex_) = 0;
  bool closed_ NOFORCE_GUARDED_BY(mutex_) = false;
  mutable Mutex listener_mutex_;
  std::function<void()> listener_ NOFORCE_GUARDED_BY(listener_mutex_);
};

}  // namespace noforce
