// The board: every unfinished job as it is now, and the last few that ended, for whoever looks or
// waits. The executor puts jobs up; all others only read. Any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"
#include "core/job.hpp"
#include "core/thread_safety.hpp"

namespace noforce {

class Board {
 public:
  // How many ended jobs stay on the board (the journal has all).
  static constexpr std::size_t kKeptEnded = 256;

  void put(const JobPtr& job);
  // Null when it is not on the board: look in the journal.
  [[nodiscard]] JobPtr find(std::string_view id) const;
  // Waits until the job is done, `until` has come, or the board is closed; the job as it is then;
  // null when it is not on the board.
  [[nodiscard]] JobPtr wait_done(std::string_view id, MonoTime until) const;
  // The same, but it is enough that the job has changed since this revision.
  [[nodiscard]] JobPtr wait_beyond(std::string_view id, std::uint64_t revision,
                                   MonoTime until) const;
  // Those that have begun and are not done, oldest first.
  [[nodiscard]] std::vector<JobPtr> begun() const;
  // All that are not done, oldest first.
  [[nodiscard]] std::vector<JobPtr> unfinished() const;
  [[nodiscard]] std::size_t count(JobState state) const;
  // The job that runs on this service, or else the oldest one that waits for it; empty: none.
  [[nodiscard]] std::string job_on(std::string_view service) const;
  // Wakes everybody who waits, for good.
  void close();

 private:
  struct Entry {
    JobPtr job;
    std::shared_ptr<Condition> waiting;  // null: nobody has waited yet
  };

  [[nodiscard]] JobPtr wait(std::string_view id, MonoTime until, std::uint64_t revision,
                            bool until_done) const;

  mutable Mutex mutex_;
  mutable std::map<std::string, Entry, std::less<>> jobs_ NOFORCE_GUARDED_BY(mutex_);
  std::map<std::string, JobPtr, std::less<>> begun_ NOFORCE_GUARDED_BY(mutex_);
  std::deque<std::string> ended_ NOFORCE_GUARDED_BY(mutex_);
  // By service: the unfinished jobs that touch it, oldest first.
  std::map<std::string, std::map<std::string, JobPtr>, std::less<>> by_service_
      NOFORCE_GUARDED_BY(mutex_);
  std::map<JobState, std::size_t> counts_ NOFORCE_GUARDED_BY(mutex_);
  bool closed_ NOFORCE_GUARDED_BY(mutex_) = false;
};

}  // namespace noforce
