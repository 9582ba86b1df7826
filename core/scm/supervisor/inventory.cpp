#include "core/scm/supervisor/inventory.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "core/graph.hpp"

namespace noforce::supervisor {
namespace {

void describe(Service& service, const ServiceSpec& spec) {
  service.name = spec.name;
  service.display_name = spec.display_name.empty() ? spec.name : spec.display_name;
  service.start_type = spec.start;
  service.depends_on = spec.depends_on;
  service.taken_out = false;
}

// What the keeper could not be told; it would be cut off.
std::vector<std::string> too_large(const ServiceSpec& spec) {
  if (encode_spec(spec).size() < kMaxMessage) return {};
  return {"its settings are larger than 64 KiB, so it cannot be started"};
}

}  // namespace

void Inventory::define(std::vector<ServiceSpec> specs) {
  specs_.clear();
  for (auto& spec : specs) {
    std::string name = spec.name;
    specs_.insert_or_assign(std::move(name), std::move(spec));
  }
  for (const auto& [name, spec] : specs_) {
    const auto known = services_.find(name);
    Service service = known == services_.end() ? Service{} : *known->second;
    describe(service, spec);
    if (known == services_.end()) service.warnings = too_large(spec);
    put(std::make_shared<const Service>(std::move(service)));
  }
}

std::vector<std::string> Inventory::keep(std::set<std::string> kept) {
  std::vector<std::string> changed;
  std::set_symmetric_difference(kept_.begin(), kept_.end(), kept.begin(), kept.end(),
                                std::back_inserter(changed));
  kept_ = std::move(kept);
  std::erase_if(changed, [this](const auto& name) {
    return specs_.contains(name) || !services_.contains(name);
  });
  for (const auto& name : changed) {
    const auto known = services_.find(name);
    if (known->second->state == ServiceState::stopped && !kept_.contains(name)) {
      services_.erase(known);
      shape_changed_ = shape_told_ = true;
      continue;
    }
    Service service = *known->second;
    describe_taken_out(service);
    put(std::make_shared<const Service>(std::move(service)));
  }
  return changed;
}

void Inventory::describe_taken_out(Service& service) const {
  service.taken_out = true;
  // Once it is stopped nothing starts it again, but the job that had begun with it.
  service.start_type = kept_.contains(service.name) ? StartType::manual : StartType::disabled;
}

const ServiceSpec* Inventory::spec(const std::string& name) const {
  const auto found = specs_.find(name);
  return found == specs_.end() ? nullptr : &found->second;
}

bool Inventory::take(const Status& status) {
  const auto known = services_.find(status.name);
  const ServiceSpec* settings = spec(status.name);
  if (settings == nullptr && status.state == ServiceState::stopped &&
      !kept_.contains(status.name)) {
    if (known == services_.end()) return false;
    services_.erase(known);
    shape_changed_ = shape_told_ = true;
    return true;
  }
  heard_[status.name] = true;
  Service service;
  if (known != services_.end()) service.depends_on = known->second->depends_on;
  service.name = status.name;
  service.display_name = status.display_name;
  if (settings != nullptr) {
    describe(service, *settings);
  } else {
    describe_taken_out(service);
  }
  service.state = status.state;
  service.instance = status.instance;
  service.accepts = status.accepts;
  service.checkpoint = status.checkpoint;
  service.wait_hint = Milliseconds(status.wait_hint_ms);
  service.last_progress = MonoTime(std::chrono::nanoseconds(status.last_progress_ns));
  service.status_text = status.status_text;
  service.exit = status.exit;
  service.since = WallTime(Milliseconds(status.since_ms));
  service.warnings = status.warnings;
  if (known != services_.end() && *known->second == service &&
      // Instances compare by their key; the pid may have moved (MAINPID).
      (!service.instance || service.instance->pid == known->second->instance->pid)) {
    return false;
  }
  put(std::make_shared<const Service>(std::move(service)));
  return true;
}

void Inventory::put(std::shared_ptr<const Service> service) {
  auto& place = services_[service->name];
  if (place == nullptr || place->depends_on != service->depends_on) {
    shape_changed_ = shape_told_ = true;
  }
  place = std::move(service);
}

void Inventory::heard_all() {
  for (auto at = services_.begin(); at != services_.end();) {
    if (heard_.contains(at->first) || specs_.contains(at->first)) {
      ++at;
      continue;
    }
    at = services_.erase(at);
    shape_changed_ = shape_told_ = true;
  }
}

PicturePtr Inventory::picture(bool complete) {
  auto picture = std::make_shared<Picture>();
  picture->revision = ++revision_;
  picture->complete = complete;
  picture->services.reserve(services_.size());
  for (const auto& [name, service] : services_)
    picture->services.push_back(service);
  if (shape_changed_ || graph_ == nullptr) {
    std::vector<Graph::Node> nodes;
    nodes.reserve(services_.size());
    for (const auto& [name, service] : services_) {
      nodes.push_back({.name = name, .depends_on = service->depends_on});
    }
    graph_ = std::make_shared<const Graph>(std::move(nodes));
    shape_changed_ = false;
  }
  picture->graph = graph_;
  return picture;
}

}  // namespace noforce::supervisor
