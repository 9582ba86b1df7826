// All units that are known, the services among them, and the pictures of these. Not synchronized.
//
// Listed as a service is each unit of the wanted types that exists: loaded, or a unit file. The
// others are known as well, because what depends on what may lead through them (a target, a socket).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/scm/systemd/unit.hpp"
#include "core/service.hpp"

namespace noforce::systemd {

class Units {
 public:
  explicit Units(std::set<std::string, std::less<>> types) : types_(std::move(types)) {}

  // Whether a unit of this name is worth looking at: by its type, and no template.
  [[nodiscard]] bool is_of_interest(std::string_view name) const;
  // By id or alias; null when it is not known.
  [[nodiscard]] const Unit* find(std::string_view name) const;
  // The same, to be changed; what is shown of it is made anew.
  [[nodiscard]] Unit* edit(std::string_view name);
  [[nodiscard]] std::vector<std::string> ids() const;
  // The id of a service that is listed, by what systemctl would understand.
  [[nodiscard]] std::optional<std::string> resolve(std::string_view spelling) const;

  // What systemd says of the unit that was asked for as `name`. Its id when anything that is shown
  // changed.
  std::optional<std::string> take(const std::string& name, const std::vector<Value>& dictionaries,
                                  MonoTime now);
  // It is gone, or never was.
  bool forget(const std::string& name);

  // The next picture; the graph is shared with the last one unless a name or an edge changed.
  [[nodiscard]] PicturePtr picture(bool complete);
  // Whether names or edges changed since the last call; after picture().
  [[nodiscard]] bool take_inventory_changed() { return std::exchange(shape_told_, false); }

  // What else systemd takes down with it and no plan can name: units that are up and not listed.
  [[nodiscard]] std::vector<std::string> goes_down_unlisted(std::string_view id) const;
  // Sockets, paths and timers that are up and would start it again.
  [[nodiscard]] std::vector<std::string> active_triggers(std::string_view id) const;
  // Files of these were edited and a daemon-reload would apply that.
  [[nodiscard]] std::vector<std::string> edited() const;
  // Listed ones that hang on it directly and are up.
  [[nodiscard]] std::vector<std::string> dependents_up(std::string_view id) const;

 private:
  struct Known {
    Unit unit;
    std::vector<std::string> depends_on;  // listed ones, over those that are not
    std::shared_ptr<const Service> shown;
    bool changed = true;
  };

  [[nodiscard]] bool is_listed(const Known& known) const;
  void find_edges();
  [[nodiscard]] std::vector<std::string> listed_needs(const Known& known) const;

  std::set<std::string, std::less<>> types_;
  std::map<std::string, Known, std::less<>> units_;          // by id
  std::map<std::string, std::string, std::less<>> aliases_;  // to ids
  std::shared_ptr<const Graph> graph_;
  std::uint64_t revision_ = 0;
  bool shape_changed_ = true;
  bool shape_told_ = false;
};

}  // namespace noforce::systemd
