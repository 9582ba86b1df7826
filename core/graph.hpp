// The dependency graph of the services of one picture. Pure; immutable after construction.
//
// An edge goes from a service to what it depends on. What names a service that does not exist, or
// stands on a cycle, is kept and reported: a broken corner of the estate must not take the rest
// down with it; only plans that touch it are refused.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/service.hpp"

namespace noforce {

class Graph {
 public:
  struct Node {
    std::string name;
    std::vector<std::string> depends_on;  // direct, as the SCM gives them
    std::uint32_t rank = 0;  // load order of its group: the lower starts first where edges allow it
  };

  Graph() = default;
  explicit Graph(std::vector<Node> nodes);

  [[nodiscard]] bool has(std::string_view name) const;
  // Direct ones, sorted by name.
  [[nodiscard]] std::vector<std::string> dependencies(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> dependents(std::string_view name) const;

  // Everything that hangs on these, without the named ones themselves unless they hang on one
  // another; sorted by name.
  [[nodiscard]] std::vector<std::string> all_dependents(const std::vector<std::string>& of) const;
  // Everything that these need, directly or not; sorted by name.
  [[nodiscard]] std::vector<std::string> all_dependencies(const std::vector<std::string>& of) const;

  // The given services in an order in which each comes after what it depends on; always the same
  // one (a walk in order of ranks and names). The reverse is the order in which to stop them. Fails with dependency_cycle (the cycle
  // is named: "a -> b -> a") when a cycle lies among them or among what leads from one to another.
  [[nodiscard]] Result<std::vector<std::string>> start_order(
      const std::vector<std::string>& services) const;

  // dependency_missing when a service that one of these needs is not known.
  [[nodiscard]] Result<void> check_dependencies(const std::vector<std::string>& services) const;
  // Every cycle's sentence and every missing name's, for check-config and the warnings.
  [[nodiscard]] std::vector<Error> problems() const;

  bool operator==(const Graph& other) const {
    return edges_ == other.edges_ && ranks_ == other.ranks_;
  }

 private:
  using Edges = std::map<std::string, std::vector<std::string>, std::less<>>;

  [[nodiscard]] std::vector<std::string> closure(const Edges& edges,
                                                 const std::vector<std::string>& from) const;
  void sort_by_rank(std::vector<std::string>& names) const;

  Edges edges_;    // service -> what it depends on, sorted
  Edges walk_;     // the same in order of ranks; empty where all have the same rank
  Edges reverse_;  // service -> what depends on it, sorted; known services only
  std::map<std::string, std::uint32_t, std::less<>> ranks_;  // where they are not all 0
};

}  // namespace noforce
