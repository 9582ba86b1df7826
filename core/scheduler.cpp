#include "core/scheduler.hpp"

#include <algorithm>
#include <iterator>

namespace noforce {

void Scheduler::add(const std::string& job, const std::vector<std::string>& touches) {
  const auto [at, is_new] = jobs_.try_emplace(job);
  if (is_new) at->second.number = next_number_++;
  extend(job, touches);
}

void Scheduler::extend(const std::string& job, const std::vector<std::string>& touches) {
  const auto at = jobs_.find(job);
  if (at == jobs_.end()) return;
  for (const auto& service : touches) {
    if (!at->second.services.insert(service).second) continue;
    // Before those that were added later and have not begun: the order is the same in every queue,
    // or two jobs could wait for each other.
    auto& queue = queues_[service];
    // From the back, where a new job belongs: a long queue costs nothing.
    auto place = queue.end();
    while (place != queue.begin()) {
      const Entry& before = jobs_.find(*std::prev(place))->second;
      if (before.number < at->second.number || before.begun) break;
      --place;
    }
    queue.insert(place, job);
  }
}

void Scheduler::begin(const std::string& job) {
  const auto at = jobs_.find(job);
  if (at != jobs_.end()) at->second.begun = true;
}

std::vector<std::string> Scheduler::remove(const std::string& job) {
  const auto at = jobs_.find(job);
  if (at == jobs_.end()) return {};
  std::set<std::string> heads;
  for (const auto& service : at->second.services) {
    const auto queue = queues_.find(service);
    auto& waiting = queue->second;
    const bool was_head = waiting.front() == job;
    waiting.erase(std::find(waiting.begin(), waiting.end(), job));
    if (waiting.empty()) {
      queues_.erase(queue);
    } else if (was_head) {
      heads.insert(waiting.front());
    }
  }
  jobs_.erase(at);
  std::vector<std::string> next;
  std::copy_if(heads.begin(), heads.end(), std::back_inserter(next),
               [this](const std::string& head) { return is_next(head); });
  std::sort(next.begin(), next.end(), [this](const auto& a, const auto& b) {
    return jobs_.find(a)->second.number < jobs_.find(b)->second.number;
  });
  return next;
}

bool Scheduler::is_next(const std::string& job) const {
  const auto at = jobs_.find(job);
  if (at == jobs_.end()) return false;
  return std::all_of(at->second.services.begin(), at->second.services.end(),
                     [this, &job](const std::string& service) {
                       return queues_.find(service)->second.front() == job;
                     });
}

std::string Scheduler::head_of(std::string_view service) const {
  const auto queue = queues_.find(service);
  return queue == queues_.end() ? std::string() : queue->second.front();
}

}  // namespace noforce
