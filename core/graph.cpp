#include "core/graph.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace noforce {

namespace {

const std::vector<std::string> kNone;

enum class Mark : std::uint8_t { fresh, open, done };

using Marks = std::map<std::string, Mark, std::less<>>;
using EdgeMap = std::map<std::string, std::vector<std::string>, std::less<>>;

const std::vector<std::string>& edges_of(const EdgeMap& edges, std::string_view name) {
  const auto found = edges.find(name);
  return found == edges.end() ? kNone : found->second;
}

// Names the cycle that closes at `again`, which lies on the path.
Error cycle_error(const std::vector<std::string>& path, const std::string& again) {
  std::string sentence = "The dependencies form a cycle: ";
  const auto start = std::find(path.begin(), path.end(), again);
  for (auto it = start; it != path.end(); ++it)
    sentence += *it + " -> ";
  sentence += again + ". Take one of these dependencies out.";
  return Error{
      .kind = ErrorKind::dependency_cycle, .detail = std::move(sentence), .service = again};
}

// A depth-first walk with its own stack: a long chain of dependencies costs memory, not the
// thread's stack.
struct Frame {
  std::string name;
  std::size_t next = 0;
};

// Appends everything reachable from `root` after what it depends on.
Result<void> visit(const EdgeMap& edges, const std::string& root, Marks& marks,
                   std::vector<std::string>& order) {
  if (marks[root] == Mark::done) return {};
  std::vector<Frame> stack{{root}};
  std::vector<std::string> path{root};
  marks[root] = Mark::open;
  while (!stack.empty()) {
    const auto& next = edges_of(edges, stack.back().name);
    if (stack.back().next == next.size()) {
      marks[stack.back().name] = Mark::done;
      order.push_back(stack.back().name);
      stack.pop_back();
      path.pop_back();
      continue;
    }
    const std::string& to = next[stack.back().next++];
    Mark& mark = marks[to];
    if (mark == Mark::open) return std::unexpected(cycle_error(path, to));
    if (mark == Mark::done) continue;
    mark = Mark::open;
    path.push_back(to);
    stack.push_back({to});
  }
  return {};
}

}  // namespace

Graph::Graph(std::vector<Node> nodes) {
  for (auto& node : nodes) {
    auto& to = edges_[node.name];
    to = std::move(node.depends_on);
    std::sort(to.begin(), to.end());
    to.erase(std::unique(to.begin(), to.end()), to.end());
    if (node.rank != 0) ranks_[node.name] = node.rank;
  }
  if (!ranks_.empty()) {
    walk_ = edges_;
    for (auto& [name, to] : walk_)
      sort_by_rank(to);
  }
  for (const auto& [name, to] : edges_) {
    for (const auto& dependency : to) {
      if (edges_.contains(dependency)) reverse_[dependency].push_back(name);
    }
  }
}

void Graph::sort_by_rank(std::vector<std::string>& names) const {
  const auto rank = [this](const std::string& name) {
    const auto found = ranks_.find(name);
    return found == ranks_.end() ? 0U : found->second;
  };
  std::stable_sort(names.begin(), names.end(),
                   [&rank](const auto& a, const auto& b) { return rank(a) < rank(b); });
}

bool Graph::has(std::string_view name) const {
  return edges_.find(name) != edges_.end();
}

std::vector<std::string> Graph::dependencies(std::string_view name) const {
  return edges_of(edges_, name);
}

std::vector<std::string> Graph::dependents(std::string_view name) const {
  return edges_of(reverse_, name);
}

std::vector<std::string> Graph::closure(const Edges& edges,
                                        const std::vector<std::string>& from) const {
  std::set<std::string> seen;
  std::vector<std::string> open = from;
  while (!open.empty()) {
    const std::string name = std::move(open.back());
    open.pop_back();
    for (const auto& next : edges_of(edges, name)) {
      if (has(next) && seen.insert(next).second) open.push_back(next);
    }
  }
  return {seen.begin(), seen.end()};
}

std::vector<std::string> Graph::all_dependents(const std::vector<std::string>& of) const {
  return closure(reverse_, of);
}

std::vector<std::string> Graph::all_dependencies(const std::vector<std::string>& of) const {
  return closure(edges_, of);
}

Result<std::vector<std::string>> Graph::start_order(
    const std::vector<std::string>& services) const {
  std::vector<std::string> sorted = services;
  std::sort(sorted.begin(), sorted.end());
  Marks marks;
  std::vector<std::string> order;
  std::vector<std::string> roots = sorted;
  if (!ranks_.empty()) sort_by_rank(roots);
  for (const auto& name : roots) {
    if (auto visited = visit(ranks_.empty() ? edges_ : walk_, name, marks, order); !visited) {
      return std::unexpected(visited.error());
    }
  }
  std::erase_if(order, [&sorted](const std::string& name) {
    return !std::binary_search(sorted.begin(), sorted.end(), name);
  });
  return order;
}

Result<void> Graph::check_dependencies(const std::vector<std::string>& services) const {
  std::vector<std::string> all = all_dependencies(services);
  all.insert(all.end(), services.begin(), services.end());
  for (const auto& name : all) {
    for (const auto& dependency : edges_of(edges_, name)) {
      if (has(dependency)) continue;
      return fail(ErrorKind::dependency_missing,
                  name + " depends on " + dependency +
                      ", which does not exist here. Add that service, or take the dependency out.",
                  name);
    }
  }
  return {};
}

std::vector<Error> Graph::problems() const {
  std::vector<Error> found;
  Marks marks;
  for (const auto& [name, to] : edges_) {
    for (const auto& dependency : to) {
      if (has(dependency)) continue;
      found.push_back(Error{.kind = ErrorKind::dependency_missing,
                            .detail = name + " depends on " + dependency +
                                      ", which does not exist here. Add "
                                      "that service, or take the dependency out.",
                            .service = name});
    }
    std::vector<std::string> order;
    if (auto visited = visit(edges_, name, marks, order); !visited) {
      found.push_back(visited.error());
      for (auto& [marked, mark] : marks) {
        if (mark == Mark::open) mark = Mark::done;  // this cycle is told; go on behind it
      }
    }
  }
  return found;
}

}  // namespace noforce
