#include <sys/resource.h>

#include <algorithm>
#include <cstdint>

#include "core/descriptor_limit.hpp"

namespace noforce {
namespace {

constexpr rlim_t kMost = 65'536;

rlimit first{};
bool raised = false;

}  // namespace

void raise_descriptor_limit() {
  rlimit now{};
  if (::getrlimit(RLIMIT_NOFILE, &now) != 0) return;
  const rlim_t wanted = std::min(now.rlim_max, kMost);
  if (now.rlim_cur >= wanted) return;
  first = now;
  now.rlim_cur = wanted;
  raised = ::setrlimit(RLIMIT_NOFILE, &now) == 0;
}

std::size_t descriptor_limit() {
  rlimit now{};
  if (::getrlimit(RLIMIT_NOFILE, &now) != 0 || now.rlim_cur == RLIM_INFINITY) return SIZE_MAX;
  return static_cast<std::size_t>(now.rlim_cur);
}

void give_first_descriptor_limit_to(pid_t process) {
  if (raised) (void)::prlimit(process, RLIMIT_NOFILE, &first, nullptr);
}

}  // namespace noforce
