#include "agent/auto_start.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <string_view>

#include "core/graph.hpp"
#include "core/principal.hpp"

namespace noforce::agent {
namespace {

using WantedByService = std::map<std::string_view, const Wanted*>;

bool was_stopped_on_purpose(const WantedByService& wanted, std::string_view service) {
  const auto row = wanted.find(service);
  return row != wanted.end() && !row->second->up && row->second->by != kAgentPrincipal;
}

bool is_to_come_up(const WantedByService& wanted, std::string_view service,
                   const std::string& boot) {
  const auto row = wanted.find(service);
  if (row == wanted.end()) return true;
  return row->second->up ? row->second->boot != boot : row->second->by == kAgentPrincipal;
}

// Starting a service starts what it needs: that must not undo a deliberate stop either.
bool needs_what_was_stopped(const Picture& picture, const WantedByService& wanted,
                            const std::string& service) {
  return std::ranges::any_of(picture.graph->all_dependencies({service}),
                             [&](const std::string& dependency) {
                               const Service* needed = picture.find(dependency);
                               return needed != nullptr && !is_up(needed->state) &&
                                      was_stopped_on_purpose(wanted, dependency);
                             });
}

}  // namespace

std::vector<std::string> due_to_start(const Picture& picture, const std::vector<Wanted>& wanted,
                                      const std::vector<Job>& unfinished, const std::string& boot) {
  WantedByService by_service;
  for (const Wanted& row : wanted)
    by_service[row.service] = &row;
  std::set<std::string_view> held;
  for (const Job& job : unfinished)
    held.insert(job.touches.begin(), job.touches.end());

  std::vector<std::string> due;
  for (const auto& service : picture.services) {
    if (service->start_type != StartType::automatic || service->taken_out) continue;
    if (is_up(service->state)) continue;
    if (!is_to_come_up(by_service, service->name, boot)) continue;
    if (held.contains(service->name)) continue;
    if (needs_what_was_stopped(picture, by_service, service->name)) continue;
    due.push_back(service->name);
  }
  // On a cycle there is no order; each of its jobs is refused with a sentence of its own.
  if (auto ordered = picture.graph->start_order(due)) return std::move(*ordered);
  return due;
}

}  // namespace noforce::agent
