// Dependencies and load order from the configuration of all services. Pure.
//
// Names are compared as the service manager compares them: without regard to case. A dependency on
// a group holds when one member of it runs "after an attempt to start all members of the group"
// (QUERY_SERVICE_CONFIG.lpDependencies), so it counts as one on each member that can be started.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/graph.hpp"
#include "core/scm/windows/records.hpp"

namespace noforce::windows {

// The name by which two spellings are the same service: the ASCII letters in lower case.
[[nodiscard]] std::string folded(std::string_view name);

// A REG_MULTI_SZ's or lpDependencies' strings, each ended by a zero, until an empty one.
[[nodiscard]] std::vector<std::string> strings_of(std::string_view zero_ended);

struct ConfiguredService {
  ConfigRecord config;
  // What EnumDependentServices says hangs on it; empty where that is all there is to know.
  std::vector<std::string> dependents;

  bool operator==(const ConfiguredService&) const = default;
};
using Configuration = std::map<std::string, ConfiguredService>;  // by canonical name

// The graph's nodes: canonical names, drivers left out (the service manager starts those by
// itself, and no job stops one), and what nobody knows kept, so that a plan can say so. What
// EnumDependentServices adds to the configuration is added. `rank` is the place of the service's
// group in `group_order`; groups that are not listed come after these, and no group last ("the
// groups are started in the order in which they are listed", ServiceGroupOrder).
[[nodiscard]] std::vector<Graph::Node> nodes_of(const Configuration& configuration,
                                                const std::set<std::string>& folded_drivers,
                                                const std::vector<std::string>& group_order);

}  // namespace noforce::windows
