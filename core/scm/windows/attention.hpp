// The services that somebody waits for: told to be watched, or prepared by a job. Pure. One thread.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace noforce::windows {

class Attention {
 public:
  // These instead of those that were told before.
  void watch(const std::vector<std::string>& services);
  [[nodiscard]] const std::set<std::string>& watched() const { return watched_; }
  // These besides those that the job has prepared before.
  void prepare(const std::string& job, const std::vector<std::string>& services);
  // False: the job has prepared none.
  [[nodiscard]] bool release(const std::string& job) { return prepared_.erase(job) != 0; }

  [[nodiscard]] bool is_on(const std::string& service) const;

 private:
  std::set<std::string> watched_;
  std::map<std::string, std::vector<std::string>> prepared_;  // by job
};

}  // namespace noforce::windows
