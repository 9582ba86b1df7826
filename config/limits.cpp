#include "config/limits.hpp"

#include <algorithm>
#include <array>

namespace noforce::config {
namespace {

struct LimitName {
  std::string_view name;
  std::string_view resource;
};

constexpr auto usable_limits = std::to_array<LimitName>({
    {"core", "RLIMIT_CORE"},
    {"memlock", "RLIMIT_MEMLOCK"},
    {"msgqueue", "RLIMIT_MSGQUEUE"},
    {"nice", "RLIMIT_NICE"},
    {"nofile", "RLIMIT_NOFILE"},
    {"nproc", "RLIMIT_NPROC"},
    {"rtprio", "RLIMIT_RTPRIO"},
    {"sigpending", "RLIMIT_SIGPENDING"},
});

constexpr auto deadly_limits =
    std::to_array<std::string_view>({"cpu", "rttime", "fsize", "as", "data", "stack"});

}  // namespace

std::string_view limit_resource(std::string_view name) {
  const auto* found = std::ranges::find(usable_limits, name, &LimitName::name);
  return found == usable_limits.end() ? std::string_view() : found->resource;
}

std::vector<std::string> limit_names() {
  std::vector<std::string> names;
  names.reserve(usable_limits.size());
  for (const LimitName& limit : usable_limits)
    names.emplace_back(limit.name);
  return names;
}

bool is_deadly_limit(std::string_view name) {
  return std::ranges::find(deadly_limits, name) != deadly_limits.end();
}

}  // namespace noforce::config
