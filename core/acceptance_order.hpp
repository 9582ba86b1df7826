// The order of acceptance: jobs come to the executor in the order of their ids, whichever commit
// happens to be done first; so that what runs now, and what an agent takes up from the journal after
// this one, run in the same order. Commits are made side by side; only the last step waits.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "core/clock.hpp"
#include "core/thread_safety.hpp"
#include "core/ulid.hpp"

namespace noforce {

// Any thread.
class AcceptanceOrder {
 public:
  explicit AcceptanceOrder(const Clock& clock) : ulids_(clock) {}
  // Every id from now on is greater than this one.
  void start_after(std::string_view ulid) { ulids_.start_after(ulid); }

  // A place in the order; given back when it is destroyed.
  class Place {
   public:
    Place(AcceptanceOrder& order, std::string id) : order_(order), id_(std::move(id)) {}
    ~Place() { order_.leave(id_); }
    Place(const Place&) = delete;
    Place& operator=(const Place&) = delete;

    [[nodiscard]] const std::string& id() const { return id_; }  // a new ULID
    // Until all that have an older id have given their place back: as long as their commits take.
    void wait_for_those_before() { order_.wait_for_those_before(id_); }

   private:
    AcceptanceOrder& order_;
    const std::string id_;
  };
  [[nodiscard]] Place enter();

 private:
  void leave(const std::string& id);
  void wait_for_those_before(const std::string& id);

  UlidSource ulids_;
  Mutex mutex_;
  Condition left_;
  std::set<std::string> places_ NOFORCE_GUARDED_BY(mutex_);
};

}  // namespace noforce
