// The services as the backend's thread knows them, and the pictures it makes of them. One thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/scm/supervisor/protocol.hpp"
#include "core/scm/supervisor/spec.hpp"
#include "core/service.hpp"

namespace noforce::supervisor {

class Inventory {
 public:
  explicit Inventory(std::vector<ServiceSpec> specs) { define(std::move(specs)); }

  // New settings. What is no longer among them stays until the keeper says that it is stopped.
  void define(std::vector<ServiceSpec> specs);
  [[nodiscard]] const ServiceSpec* spec(const std::string& name) const;
  [[nodiscard]] const std::map<std::string, ServiceSpec>& specs() const { return specs_; }

  // Takes over what the keeper says. False when nothing changed.
  bool take(const Status& status);
  // All that the keeper knows was heard: what it does not speak of has no process.
  void begin_hearing_all() { heard_.clear(); }
  void heard_all();

  // The next picture; the graph is shared with the last one unless a name or an edge changed.
  [[nodiscard]] PicturePtr picture(bool complete);
  // Whether names or edges changed since the last call.
  [[nodiscard]] bool take_inventory_changed() { return std::exchange(shape_told_, false); }

 private:
  void put(std::shared_ptr<const Service> service);

  std::map<std::string, ServiceSpec> specs_;
  std::map<std::string, std::shared_ptr<const Service>> services_;
  std::map<std::string, bool> heard_;  // since begin_hearing_all()
  std::shared_ptr<const Graph> graph_;
  std::uint64_t revision_ = 0;
  bool shape_changed_ = true;  // since the graph was made
  bool shape_told_ = false;
};

}  // namespace noforce::supervisor
