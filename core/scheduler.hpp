// The scheduler: which jobs may begin. Jobs whose sets of services overlap run in the order in
// which they were added; others run side by side. A pure structure, without a clock or a thread;
// the executor's thread owns it.
#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace noforce {

class Scheduler {
 public:
  // Puts a job behind all that touch one of these services. Jobs are added in order of acceptance.
  void add(const std::string& job, const std::vector<std::string>& touches);
  // The plan grew: the job waits for these services as well, in its own place: behind what was
  // added before it and what has begun.
  void extend(const std::string& job, const std::vector<std::string>& touches);
  // It is next and has begun: nobody is put before it any more.
  void begin(const std::string& job);
  // The job has ended; returns those that are next now and were not before, in order of adding.
  [[nodiscard]] std::vector<std::string> remove(const std::string& job);

  // Nothing that was added earlier overlaps with it.
  [[nodiscard]] bool is_next(const std::string& job) const;
  // At the head of this service's queue; empty: nobody.
  [[nodiscard]] std::string head_of(std::string_view service) const;
  [[nodiscard]] bool has(const std::string& job) const { return jobs_.contains(job); }
  [[nodiscard]] std::size_t size() const { return jobs_.size(); }

 private:
  struct Entry {
    std::size_t number = 0;  // order of adding
    bool begun = false;
    std::set<std::string> services;
  };

  std::size_t next_number_ = 0;
  std::map<std::string, Entry, std::less<>> jobs_;
  std::map<std::string, std::deque<std::string>, std::less<>> queues_;  // by service
};

}  // namespace noforce
