// The services as the backend's thread knows them, and the pictures it makes of them. One thread.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/scm/supervisor/protocol.hpp"
#include "core/scm/supervisor/spec.hpp"
#include "core/service.hpp"

namespace noforce::supervisor {

class Inventory {
 public:
  explicit Inventory(std::vector<ServiceSpec> specs, std::set<std::string> kept = {})
      : kept_(std::move(kept)) {
    define(std::move(specs));
  }

  // New settings. What is no longer among them stays until the keeper says that it is stopped, and
  // for as long as it is kept.
  void define(std::vector<ServiceSpec> specs);
  // What jobs that have begun may have to start again. The names of the services that look different
  // now, or are gone.
  std::vector<std::string> keep(std::set<std::string> kept);
  [[nodiscard]] const std::set<std::string>& kept() const { return kept_; }
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
  // Of one that is no longer among the settings.
  void describe_taken_out(Service& service) const;

  std::map<std::string, ServiceSpec> specs_;
  std::set<std::string> kept_;
  std::map<std::string, std::shared_ptr<const Service>> services_;
  std::map<std::string, bool> heard_;  // since begin_hearing_all()
  std::shared_ptr<const Graph> graph_;
  std::uint64_t revision_ = 0;
  bool shape_changed_ = true;  // since the graph was made
  bool shape_told_ = false;
};

}  // namespace noforce::supervisor
