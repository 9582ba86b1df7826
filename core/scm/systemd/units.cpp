#include "core/scm/systemd/units.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/graph.hpp"
#include "core/scm/systemd/names.hpp"

namespace noforce::systemd {
namespace {

// What dependencies between services lead through, and what starts services.
constexpr std::array<std::string_view, 5> kAlsoOfInterest{"service", "socket", "target", "timer",
                                                          "path"};

}  // namespace

bool Units::is_of_interest(std::string_view name) const {
  if (!is_unit_name(name) || is_template(name)) return false;
  const std::string_view type = type_of(name);
  return types_.contains(type) || std::ranges::find(kAlsoOfInterest, type) != kAlsoOfInterest.end();
}

const Unit* Units::find(std::string_view name) const {
  auto found = units_.find(name);
  if (found == units_.end()) {
    const auto alias = aliases_.find(name);
    if (alias != aliases_.end()) found = units_.find(alias->second);
  }
  return found == units_.end() ? nullptr : &found->second.unit;
}

Unit* Units::edit(std::string_view name) {
  const Unit* unit = find(name);
  if (unit == nullptr) return nullptr;
  Known& known = units_.at(unit->is().id);
  known.changed = true;
  return &known.unit;
}

std::vector<std::string> Units::ids() const {
  std::vector<std::string> out;
  out.reserve(units_.size());
  for (const auto& [id, known] : units_)
    out.push_back(id);
  return out;
}

std::optional<std::string> Units::resolve(std::string_view spelling) const {
  if (spelling.empty()) return std::nullopt;
  const Unit* unit = find(with_type(spelling));
  if (unit == nullptr) return std::nullopt;
  const auto known = units_.find(unit->is().id);
  if (known == units_.end() || !is_listed(known->second)) return std::nullopt;
  return known->first;
}

bool Units::is_listed(const Known& known) const {
  return types_.contains(type_of(known.unit.is().id)) && known.unit.exists();
}

std::optional<std::string> Units::take(const std::string& name,
                                       const std::vector<Value>& dictionaries, MonoTime now) {
  // Its id may be another one: `name` is then an alias.
  Properties told;
  for (const auto& entries : dictionaries)
    take_properties(told, entries);
  std::string id = told.id;
  if (id.empty()) {
    const Unit* known = find(name);
    if (known == nullptr) return std::nullopt;  // a change of what was never looked at
    id = known->is().id;
  }
  if (!is_unit_name(id)) return std::nullopt;
  Known& known = units_[id];
  const bool was_listed = is_listed(known);
  const auto needs = known.unit.is().needs;
  const auto names = known.unit.is().names;
  if (!known.unit.take(dictionaries, now)) return std::nullopt;
  known.changed = true;
  if (known.unit.is().names != names) {
    for (const auto& alias : names)
      aliases_.erase(alias);
    for (const auto& alias : known.unit.is().names) {
      if (alias != id) aliases_.insert_or_assign(alias, id);
    }
  }
  if (name != id && is_unit_name(name)) aliases_.insert_or_assign(name, id);
  if (was_listed != is_listed(known) || needs != known.unit.is().needs) {
    shape_changed_ = shape_told_ = true;
  }
  return id;
}

bool Units::forget(const std::string& name) {
  const auto found = units_.find(name);
  if (found == units_.end()) return aliases_.erase(name) > 0;
  if (is_listed(found->second)) shape_changed_ = shape_told_ = true;
  units_.erase(found);
  std::erase_if(aliases_, [&](const auto& alias) { return alias.second == name; });
  return true;
}

// Listed units that this one needs, over units that are not listed: web.service needs app.target,
// which needs db.service.
std::vector<std::string> Units::listed_needs(const Known& known) const {
  std::vector<std::string> out;
  std::set<std::string, std::less<>> seen{known.unit.is().id};
  std::vector<std::string> todo = known.unit.is().needs;
  while (!todo.empty()) {
    const std::string name = std::move(todo.back());
    todo.pop_back();
    const Unit* unit = find(name);
    if (unit == nullptr || !seen.insert(unit->is().id).second) continue;
    const auto& next = units_.find(unit->is().id)->second;
    if (is_listed(next)) {
      out.push_back(unit->is().id);
    } else {
      todo.insert(todo.end(), unit->is().needs.begin(), unit->is().needs.end());
    }
  }
  std::ranges::sort(out);
  return out;
}

void Units::find_edges() {
  std::vector<Graph::Node> nodes;
  for (auto& [id, known] : units_) {
    if (!is_listed(known)) continue;
    auto needs = listed_needs(known);
    if (needs != known.depends_on) {
      known.depends_on = std::move(needs);
      known.changed = true;
    }
    nodes.push_back({.name = id, .depends_on = known.depends_on});
  }
  Graph graph(std::move(nodes));
  if (graph_ == nullptr || !(graph == *graph_))
    graph_ = std::make_shared<const Graph>(std::move(graph));
  shape_changed_ = false;
}

PicturePtr Units::picture(bool complete) {
  if (shape_changed_ || graph_ == nullptr) find_edges();
  auto picture = std::make_shared<Picture>();
  picture->revision = ++revision_;
  picture->complete = complete;
  for (auto& [id, known] : units_) {
    if (!is_listed(known)) continue;
    if (known.changed || known.shown == nullptr) {
      Service service = known.unit.service();
      service.depends_on = known.depends_on;
      known.shown = std::make_shared<const Service>(std::move(service));
      known.changed = false;
    }
    picture->services.push_back(known.shown);
  }
  picture->graph = graph_;
  return picture;
}

std::vector<std::string> Units::goes_down_unlisted(std::string_view id) const {
  std::vector<std::string> out;
  for (const auto& [other, known] : units_) {
    if (is_listed(known) || !is_up(known.unit.state())) continue;
    const auto& needs = known.unit.is().needs;
    if (std::ranges::find(needs, id) != needs.end()) out.push_back(other);
  }
  return out;
}

std::vector<std::string> Units::active_triggers(std::string_view id) const {
  std::vector<std::string> out;
  const Unit* unit = find(id);
  if (unit == nullptr) return out;
  for (const auto& trigger : unit->is().triggered_by) {
    const Unit* other = find(trigger);
    if (other != nullptr && is_up(other->state())) out.push_back(trigger);
  }
  return out;
}

std::vector<std::string> Units::edited() const {
  std::vector<std::string> out;
  for (const auto& [id, known] : units_) {
    if (known.unit.is().need_daemon_reload) out.push_back(id);
  }
  return out;
}

std::vector<std::string> Units::dependents_up(std::string_view id) const {
  std::vector<std::string> out;
  for (const auto& [other, known] : units_) {
    if (!is_listed(known) || std::ranges::find(known.depends_on, id) == known.depends_on.end()) {
      continue;
    }
    const ServiceState state = known.unit.state();
    if (is_up(state) && state != ServiceState::stop_pending) out.push_back(other);
  }
  return out;
}

}  // namespace noforce::systemd
