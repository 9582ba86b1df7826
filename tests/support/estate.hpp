// Builds pictures of services for tests of what decides on them.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "core/graph.hpp"
#include "core/service.hpp"

namespace noforce::test {

// A service that runs with a pid and an instance of its own, or is stopped.
inline Service make_service(const std::string& name, std::vector<std::string> depends_on = {},
                            ServiceState state = ServiceState::running) {
  static std::int64_t next_pid = 1000;
  Service service;
  service.name = name;
  service.display_name = name;
  service.depends_on = std::move(depends_on);
  service.state = state;
  if (is_up(state)) {
    const std::int64_t pid = next_pid++;
    service.instance = Instance{pid, name + "#" + std::to_string(pid)};
    service.accepts = {.stop = true, .pause_continue = true, .reload = false};
  }
  return service;
}

inline Picture make_picture(const std::vector<Service>& services, std::uint64_t revision = 1) {
  Picture picture;
  picture.revision = revision;
  picture.complete = true;
  std::vector<Graph::Node> nodes;
  for (const auto& service : services) {
    picture.services.push_back(std::make_shared<const Service>(service));
    nodes.push_back({service.name, service.depends_on});
  }
  std::sort(picture.services.begin(), picture.services.end(),
            [](const auto& a, const auto& b) { return a->name < b->name; });
  picture.graph = std::make_shared<const Graph>(std::move(nodes));
  return picture;
}

// The demo's estate: iisadmin with w3svc, smtpsvc, pop3svc on it and antispam on smtpsvc.
inline std::vector<Service> exchange_estate() {
  return {make_service("iisadmin"), make_service("w3svc", {"iisadmin"}),
          make_service("smtpsvc", {"iisadmin"}), make_service("pop3svc", {"iisadmin"}),
          make_service("antispam", {"smtpsvc"})};
}

// The one of this name, to change it before make_picture().
inline Service& in(std::vector<Service>& services, const std::string& name) {
  for (auto& service : services) {
    if (service.name == name) return service;
  }
  std::abort();
}

inline void set_state(std::vector<Service>& services, const std::string& name, ServiceState state) {
  Service& service = in(services, name);
  service.state = state;
  if (!is_up(state)) {
    service.instance.reset();
    service.accepts = {};
  }
}

}  // namespace noforce::test
