#include "core/scm/windows/inventory.hpp"

#include <algorithm>
#include <iterator>

#include "core/scm/windows/dependencies.hpp"

namespace noforce::windows {

Inventory::Inventory()
    : graph_(std::make_shared<const Graph>()), facts_(std::make_shared<const ServiceFacts>()) {}

Inventory::Entry* Inventory::find(const std::string& name) {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

const Inventory::Entry* Inventory::find(const std::string& name) const {
  const auto found = entries_.find(name);
  return found == entries_.end() ? nullptr : &found->second;
}

const Service* Inventory::service(const std::string& name) const {
  const Entry* entry = find(name);
  return entry == nullptr ? nullptr : &entry->followed.service();
}

Inventory::Entry& Inventory::add(const ListedService& listed) {
  Entry& entry = entries_.emplace(listed.name, Entry(listed.name)).first->second;
  entry.configuration.configured.config.display_name = listed.display_name;
  return entry;
}

bool Inventory::keep_only(const std::set<std::string>& names) {
  bool any = false;
  for (auto it = entries_.begin(); it != entries_.end();) {
    const bool gone = !names.contains(it->first);
    if (gone) touch(it->first);
    any = any || gone;
    it = gone ? entries_.erase(it) : std::next(it);
  }
  return any;
}

bool Inventory::take(Entry& entry, KnownConfiguration read) {
  KnownConfiguration& known = entry.configuration;
  const bool other_facts = read.facts != known.facts;
  if (other_facts) touch(entry.followed.service().name);  // its plans read differently
  const bool other =
      read.configured != known.configured || other_facts || read.unread != known.unread;
  known = std::move(read);
  return other;
}

void Inventory::set_drivers(const std::vector<std::string>& drivers) {
  drivers_.clear();
  for (const auto& name : drivers)
    drivers_.insert(folded(name));
}

std::vector<Graph::Node> Inventory::nodes() const {
  Configuration configuration;
  for (const auto& [name, entry] : entries_)
    configuration.emplace(name, entry.configuration.configured);
  return nodes_of(configuration, drivers_, group_order_);
}

bool Inventory::has_unknown(const std::vector<Graph::Node>& nodes) const {
  return std::any_of(nodes.begin(), nodes.end(), [this](const auto& node) {
    return std::any_of(node.depends_on.begin(), node.depends_on.end(),
                       [this](const auto& name) { return !entries_.contains(name); });
  });
}

void Inventory::draw(std::vector<Graph::Node> nodes) {
  auto facts = std::make_shared<ServiceFacts>();
  for (const auto& [name, entry] : entries_) {
    if (!entry.configuration.facts.empty()) facts->emplace(name, entry.configuration.facts);
  }
  facts_ = std::move(facts);
  for (const auto& node : nodes) {
    Entry& entry = entries_.at(node.name);
    const Service before = entry.followed.service();
    const KnownConfiguration& known = entry.configuration;
    entry.followed.describe(known.configured.config, node.depends_on, known.unread);
    if (!(before == entry.followed.service())) touch(node.name);
  }
  auto graph = std::make_shared<const Graph>(std::move(nodes));
  if (*graph == *graph_) return;
  graph_ = std::move(graph);
  inventory_changed_ = true;
}

std::vector<std::string> Inventory::dependents_up(const std::string& name) const {
  auto hanging = graph_->all_dependents({name});
  std::erase_if(hanging, [this](const std::string& it) {
    const Service* known = service(it);
    return known == nullptr || !is_up(known->state);
  });
  if (auto order = graph_->start_order(hanging)) hanging.assign(order->rbegin(), order->rend());
  return hanging;
}

bool Inventory::others_run_in(std::uint32_t pid, const Entry& entry) const {
  return std::any_of(entries_.begin(), entries_.end(), [&](const auto& other) {
    const StatusRecord& its = other.second.followed.status();
    return &other.second != &entry && its.pid == pid && its.state != state::stopped;
  });
}

std::set<std::uint32_t> Inventory::pids() const {
  std::set<std::uint32_t> all;
  for (const auto& [name, entry] : entries_) {
    all.insert(entry.followed.process());
    all.insert(entry.followed.status().pid);
  }
  return all;
}

PicturePtr Inventory::picture(bool complete) {
  auto picture = std::make_shared<Picture>();
  picture->revision = ++revision_;
  picture->complete = complete;
  picture->services.reserve(entries_.size());
  for (const auto& [name, entry] : entries_)
    picture->services.push_back(std::make_shared<const Service>(entry.followed.service()));
  picture->graph = graph_;
  return picture;
}

}  // namespace noforce::windows
