#include "core/board.hpp"

#include <algorithm>
#include <utility>

namespace noforce {

namespace {

using Index = std::map<std::string, std::map<std::string, JobPtr>, std::less<>>;

void take_off(Index& index, const Job& job) {
  for (const auto& service : job.touches) {
    const auto at = index.find(service);
    if (at == index.end()) continue;
    at->second.erase(job.id);
    if (at->second.empty()) index.erase(at);
  }
}

}  // namespace

void Board::put(const JobPtr& job) {
  const MutexLock lock(mutex_);
  Entry& entry = jobs_[job->id];
  const bool was_done = entry.job && entry.job->state == JobState::done;
  if (entry.job && !was_done) {
    --counts_[entry.job->state];
    take_off(by_service_, *entry.job);
  }
  entry.job = job;
  if (job->state == JobState::running || job->state == JobState::cancelling) {
    begun_[job->id] = job;
  } else {
    begun_.erase(job->id);
  }
  if (job->state == JobState::done) {
    if (!was_done) ended_.push_back(job->id);
  } else {
    ++counts_[job->state];
    for (const auto& service : job->touches)
      by_service_[service][job->id] = job;
  }
  if (entry.waiting) entry.waiting->notify_all();
  while (ended_.size() > kKeptEnded) {
    const auto oldest = jobs_.find(ended_.front());
    if (oldest != jobs_.end()) {
      // Somebody still waits on it: he holds what he needs and sees that it is done.
      if (oldest->second.waiting) oldest->second.waiting->notify_all();
      jobs_.erase(oldest);
    }
    ended_.pop_front();
  }
}

JobPtr Board::find(std::string_view id) const {
  const MutexLock lock(mutex_);
  const auto at = jobs_.find(id);
  return at == jobs_.end() ? nullptr : at->second.job;
}

JobPtr Board::wait_done(std::string_view id, MonoTime until) const {
  return wait(id, until, 0, true);
}

JobPtr Board::wait_beyond(std::string_view id, std::uint64_t revision, MonoTime until) const {
  return wait(id, until, revision, false);
}

JobPtr Board::wait(std::string_view id, MonoTime until, std::uint64_t revision,
                   bool until_done) const {
  MutexLock lock(mutex_);
  JobPtr last;
  for (;;) {
    const auto at = jobs_.find(id);
    if (at == jobs_.end()) return last;  // it ended and was taken off the board
    last = at->second.job;
    const bool is_done = last->state == JobState::done;
    if (is_done || closed_ || (!until_done && last->revision > revision)) return last;
    if (!at->second.waiting) at->second.waiting = std::make_shared<Condition>();
    const std::shared_ptr<Condition> changed = at->second.waiting;  // outlives the entry
    if (!changed->wait_until(lock, until)) {
      const auto again = jobs_.find(id);
      return again == jobs_.end() ? last : again->second.job;
    }
  }
}

std::vector<JobPtr> Board::begun() const {
  const MutexLock lock(mutex_);
  std::vector<JobPtr> all;
  all.reserve(begun_.size());
  for (const auto& [id, job] : begun_)
    all.push_back(job);
  return all;
}

std::vector<JobPtr> Board::unfinished() const {
  const MutexLock lock(mutex_);
  std::vector<JobPtr> all;
  for (const auto& [id, entry] : jobs_) {
    if (entry.job->state != JobState::done) all.push_back(entry.job);
  }
  return all;
}

std::size_t Board::count(JobState state) const {
  const MutexLock lock(mutex_);
  const auto at = counts_.find(state);
  return at == counts_.end() ? 0 : at->second;
}

std::string Board::job_on(std::string_view service) const {
  const MutexLock lock(mutex_);
  const auto at = by_service_.find(service);
  if (at == by_service_.end()) return {};
  const auto runs = std::find_if(at->second.begin(), at->second.end(), [](const auto& one) {
    return one.second->state != JobState::queued;
  });
  return runs == at->second.end() ? at->second.begin()->first : runs->first;
}

void Board::close() {
  const MutexLock lock(mutex_);
  closed_ = true;
  for (const auto& [id, entry] : jobs_) {
    if (entry.waiting) entry.waiting->notify_all();
  }
}

}  // namespace noforce
