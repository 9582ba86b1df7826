// The services as the backend's thread knows them, what depends on what, and the pictures of these.
// Pure: what the service manager says comes in as values. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "core/graph.hpp"
#include "core/scm/windows/configuration.hpp"
#include "core/scm/windows/followed.hpp"
#include "core/scm/windows/records.hpp"
#include "core/service.hpp"

namespace noforce::windows {

// A service's warnings for plans that do not change with its state.
using ServiceFacts = std::map<std::string, std::vector<std::string>, std::less<>>;

class Inventory {
 public:
  struct Entry {
    explicit Entry(const std::string& name) : followed(name) {}
    Followed followed;
    KnownConfiguration configuration;
    // How it is looked at; the looker's.
    bool armed = false;       // a notification is to come
    bool unnotified = false;  // none can be had
    MonoTime due{MonoTime::max()};
  };
  using Entries = std::map<std::string, Entry>;  // by canonical name

  Inventory();

  // Null when it is not listed.
  [[nodiscard]] Entry* find(const std::string& name);
  [[nodiscard]] const Entry* find(const std::string& name) const;
  [[nodiscard]] const Service* service(const std::string& name) const;
  [[nodiscard]] Entries& entries() { return entries_; }
  [[nodiscard]] const Entries& entries() const { return entries_; }

  Entry& add(const ListedService& listed);
  // The others are gone. True when there were any.
  bool keep_only(const std::set<std::string>& names);
  // The service looks different, or is new.
  void touch(const std::string& name) { changed_.insert(name); }
  // Takes over what was read. True when it differs, and the graph has to be drawn anew.
  bool take(Entry& entry, KnownConfiguration read);

  void set_drivers(const std::vector<std::string>& drivers);
  void set_group_order(std::vector<std::string> groups) { group_order_ = std::move(groups); }
  // What depends on what by all that was read.
  [[nodiscard]] std::vector<Graph::Node> nodes() const;
  // Whether one of them depends on what is no service and no driver.
  [[nodiscard]] bool has_unknown(const std::vector<Graph::Node>& nodes) const;
  // Makes graph, facts and services' descriptions of what was read and of nodes().
  void draw(std::vector<Graph::Node> nodes);

  // Those that hang on it, directly or not, and are up, in the order in which to stop them.
  [[nodiscard]] std::vector<std::string> dependents_up(const std::string& name) const;
  // Whether another service is up in that process.
  [[nodiscard]] bool others_run_in(std::uint32_t pid, const Entry& entry) const;
  // Of the statuses and of the instances.
  [[nodiscard]] std::set<std::uint32_t> pids() const;

  [[nodiscard]] bool looks_different() const { return inventory_changed_ || !changed_.empty(); }
  // The next picture; the graph is shared with the last one unless a name or an edge changed.
  [[nodiscard]] PicturePtr picture(bool complete);
  [[nodiscard]] const std::shared_ptr<const ServiceFacts>& facts() const { return facts_; }
  // Whether names or edges changed since the last call.
  [[nodiscard]] bool take_inventory_changed() { return std::exchange(inventory_changed_, false); }
  // The services that changed since the last call.
  [[nodiscard]] std::set<std::string> take_changed() { return std::exchange(changed_, {}); }

 private:
  Entries entries_;
  std::set<std::string> drivers_;  // folded
  std::vector<std::string> group_order_;
  std::shared_ptr<const Graph> graph_;
  std::shared_ptr<const ServiceFacts> facts_;
  std::uint64_t revision_ = 0;
  std::set<std::string> changed_;
  bool inventory_changed_ = false;
};

}  // namespace noforce::windows
