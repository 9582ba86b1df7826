#include "core/scm/windows/attention.hpp"

#include <algorithm>

namespace noforce::windows {

void Attention::watch(const std::vector<std::string>& services) {
  watched_ = {services.begin(), services.end()};
}

void Attention::prepare(const std::string& job, const std::vector<std::string>& services) {
  auto& all = prepared_[job];
  all.insert(all.end(), services.begin(), services.end());
}

bool Attention::is_on(const std::string& service) const {
  if (watched_.contains(service)) return true;
  return std::any_of(prepared_.begin(), prepared_.end(), [&](const auto& job) {
    return std::find(job.second.begin(), job.second.end(), service) != job.second.end();
  });
}

}  // namespace noforce::windows
