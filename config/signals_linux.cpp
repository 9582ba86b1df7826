#include <signal.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "config/signals.hpp"

namespace noforce::config {
namespace {

struct NamedSignal {
  std::string_view name;
  int number;
};

constexpr auto listed = std::to_array<NamedSignal>({
    {"SIGTERM", SIGTERM},
    {"SIGINT", SIGINT},
    {"SIGQUIT", SIGQUIT},
    {"SIGHUP", SIGHUP},
    {"SIGUSR1", SIGUSR1},
    {"SIGUSR2", SIGUSR2},
    {"SIGWINCH", SIGWINCH},
    {"SIGPWR", SIGPWR},
    {"SIGCONT", SIGCONT},
});

}  // namespace

std::optional<int> signal_number(std::string_view name) {
  const auto* found = std::ranges::find(listed, name, &NamedSignal::name);
  if (found != listed.end()) return found->number;

  constexpr std::string_view real_time = "SIGRTMIN+";
  if (!name.starts_with(real_time)) return std::nullopt;
  name.remove_prefix(real_time.size());
  int offset = -1;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), offset);
  if (error != std::errc{} || end != name.data() + name.size()) return std::nullopt;
  if (offset < 0 || offset > SIGRTMAX - SIGRTMIN) return std::nullopt;
  return SIGRTMIN + offset;
}

const std::vector<std::string>& signal_names() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    all.reserve(listed.size());
    for (const NamedSignal& entry : listed)
      all.emplace_back(entry.name);
    return all;
  }();
  return names;
}

}  // namespace noforce::config
