#include "core/scm/windows/dependencies.hpp"

#include <algorithm>

#include "core/text.hpp"

namespace noforce::windows {
namespace {

constexpr char kGroupSign = '+';  // SC_GROUP_IDENTIFIER

using Canonical = std::map<std::string, std::string>;             // folded -> canonical
using Members = std::map<std::string, std::vector<std::string>>;  // folded group -> canonical
using Edges = std::map<std::string, std::vector<std::string>>;

void add(std::vector<std::string>& to, const std::string& name) {
  if (std::find(to.begin(), to.end(), name) == to.end()) to.push_back(name);
}

std::uint32_t rank_of(const std::string& group, const std::vector<std::string>& group_order) {
  const auto count = static_cast<std::uint32_t>(group_order.size());
  if (group.empty()) return count + 1;
  const std::string wanted = folded(group);
  const auto found = std::find_if(group_order.begin(), group_order.end(),
                                  [&](const auto& it) { return folded(it) == wanted; });
  return static_cast<std::uint32_t>(found - group_order.begin());
}

// Everything that `from` needs, directly or not.
std::set<std::string> needs(const Edges& edges, const std::string& from) {
  std::set<std::string> seen;
  std::vector<std::string> open{from};
  while (!open.empty()) {
    const auto found = edges.find(open.back());
    open.pop_back();
    if (found == edges.end()) continue;
    for (const auto& next : found->second) {
      if (seen.insert(next).second) open.push_back(next);
    }
  }
  return seen;
}

Edges configured_edges(const Configuration& configuration, const Canonical& canonical,
                       const std::set<std::string>& drivers) {
  Members members;
  for (const auto& [name, service] : configuration) {
    const bool can_start = service.config.start != start::disabled;
    if (!service.config.load_group.empty() && can_start) {
      members[folded(service.config.load_group)].push_back(name);
    }
  }
  Edges edges;
  for (const auto& [name, service] : configuration) {
    auto& to = edges[name];
    for (const auto& dependency : service.config.dependencies) {
      if (dependency.starts_with(kGroupSign)) {
        for (const auto& member : members[folded(dependency.substr(1))]) {
          if (member != name) add(to, member);
        }
        continue;
      }
      const std::string key = folded(dependency);
      const auto known = canonical.find(key);
      if (known != canonical.end()) {
        add(to, known->second);
      } else if (!drivers.contains(key)) {
        add(to, dependency);
      }
    }
  }
  return edges;
}

}  // namespace

std::string folded(std::string_view name) {
  return lower_ascii(name);
}

std::vector<std::string> strings_of(std::string_view zero_ended) {
  std::vector<std::string> strings;
  while (!zero_ended.empty()) {
    const std::size_t end = std::min(zero_ended.find('\0'), zero_ended.size());
    if (end == 0) break;
    strings.emplace_back(zero_ended.substr(0, end));
    zero_ended.remove_prefix(std::min(end + 1, zero_ended.size()));
  }
  return strings;
}

std::vector<Graph::Node> nodes_of(const Configuration& configuration,
                                  const std::set<std::string>& folded_drivers,
                                  const std::vector<std::string>& group_order) {
  Canonical canonical;
  for (const auto& [name, service] : configuration)
    canonical.emplace(folded(name), name);
  Edges edges = configured_edges(configuration, canonical, folded_drivers);
  for (const auto& [name, service] : configuration) {
    for (const auto& spelling : service.dependents) {
      const auto known = canonical.find(folded(spelling));
      if (known == canonical.end() || known->second == name) continue;
      // It names indirect ones as well; those need no edge of their own.
      if (!needs(edges, known->second).contains(name)) add(edges[known->second], name);
    }
  }
  std::vector<Graph::Node> nodes;
  nodes.reserve(configuration.size());
  for (const auto& [name, service] : configuration) {
    nodes.push_back({.name = name,
                     .depends_on = std::move(edges[name]),
                     .rank = rank_of(service.config.load_group, group_order)});
  }
  return nodes;
}

}  // namespace noforce::windows
