#include "core/scm/supervisor/inventory.hpp"

#include <utility>

#include "core/graph.hpp"

namespace noforce::supervisor {
namespace {

void describe(Service& service, const ServiceSpec& spec) {
  service.name = spec.name;
  service.display_name = spec.display_name.empty() ? spec.name : spec.display_name;
  service.start_type = spec.start;
  service.depends_on = spec.depends_on;
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

const ServiceSpec* Inventory::spec(const std::string& name) const {
  const auto found = specs_.find(name);
  return found == specs_.end() ? nullptr : &found->second;
}

bool Inventory::take(const Status& status) {
  const auto known = services_.find(status.name);
  const ServiceSpec* settings = spec(status.name);
  if (settings == nullptr && status.state == ServiceState::stopped) {
    if (known == services_.end()) return false;
    services_.erase(known);
    shape_changed_ = shape_told_ = true;
    return true;
  }
  heard_[status.name] = true;
  Service service;
  if (known != services_.end()) {
    service.depends_on = known->second->depends_on;
    service.start_type = known->second->start_type;
  }
  service.name = status.name;
  service.display_name = status.display_name;
  if (settings != nullptr) {
    describe(service, *settings);
  } else {
    service.start_type = StartType::disabled;  // taken out: once stopped it cannot be started again
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
