// Where conversations are while they wait: for bytes, for room to write, for an event or for their
// time to be over. One that waits costs a socket and no thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/server/conversation.hpp"
#include "api/server/poller.hpp"
#include "core/clock.hpp"
#include "core/thread_safety.hpp"

namespace noforce::api {

// Any thread.
class Parking {
 public:
  // Whether the system gives what is needed.
  [[nodiscard]] Result<void> is_usable() const { return poller_.is_usable(); }

  // Until what it waits for has come; it may be taken by another thread before this returns. False:
  // the system cannot watch its socket. Left with the caller then, and where this throws.
  [[nodiscard]] bool park(std::unique_ptr<Conversation>&& conversation);

  struct Taken {
    std::unique_ptr<Conversation> conversation;  // whose turn it is
    bool is_listener = false;                    // or: somebody wants to connect
    bool is_closed = false;                      // or: nobody will come any more
  };
  // Waits for whoever is next, up to `patience` (none: for as long as it takes); none of these:
  // nobody came.
  [[nodiscard]] Taken take(std::optional<Milliseconds> patience);
  // How many threads are in take() and wait.
  [[nodiscard]] std::size_t waiting() const;

  // Tells once that somebody wants to connect. False: it cannot be watched.
  [[nodiscard]] bool watch_listener(int socket);

  // Whoever looks on gets a turn; also one that is not parked at this moment, as soon as it is.
  void look_again();
  // Everybody gets a turn, once; also those that are not parked at this moment.
  void disturb_all();
  // Sends all who wait in take() away, for good.
  void close();

  // Takes out the one that has to give way: of this group (empty: of all), by its rank, and the
  // oldest of those. Null: all are busy.
  [[nodiscard]] std::unique_ptr<Conversation> give_way(const std::string& group);

 private:
  struct Slot {
    std::unique_ptr<Conversation> conversation;
    std::uint32_t parkings = 0;  // tells what was armed for an earlier one
    std::uint64_t round = 0;     // the round of looking in which it was taken last
  };

  [[nodiscard]] static std::uint64_t token_of(std::size_t socket, const Slot& slot);
  [[nodiscard]] std::unique_ptr<Conversation> claim(std::uint64_t token) NOFORCE_REQUIRES(mutex_);
  [[nodiscard]] std::unique_ptr<Conversation> claim(Slot& slot) NOFORCE_REQUIRES(mutex_);
  void collect_late() NOFORCE_REQUIRES(mutex_);
  void collect_lookers() NOFORCE_REQUIRES(mutex_);

  Poller poller_;
  mutable Mutex mutex_;
  std::vector<Slot> slots_ NOFORCE_GUARDED_BY(mutex_);  // by socket
  // Whose turn it is besides those that the poller tells.
  std::deque<std::uint64_t> turns_ NOFORCE_GUARDED_BY(mutex_);
  std::size_t lookers_ NOFORCE_GUARDED_BY(mutex_) = 0;  // that are parked
  std::uint64_t round_ NOFORCE_GUARDED_BY(mutex_) = 0;
  bool woken_ NOFORCE_GUARDED_BY(mutex_) = false;           // and not yet heard
  std::uint64_t disturbed_ NOFORCE_GUARDED_BY(mutex_) = 0;  // the round in which all were last
  bool closed_ NOFORCE_GUARDED_BY(mutex_) = false;
  std::size_t waiting_ NOFORCE_GUARDED_BY(mutex_) = 0;
  MonoTime alarm_ NOFORCE_GUARDED_BY(mutex_) = MonoTime::max();
};

}  // namespace noforce::api
