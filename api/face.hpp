// The face: what answers a request. It owns the table of operations; everything else belongs to
// whoever made it.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "api/clients.hpp"
#include "api/router.hpp"
#include "api/server/message.hpp"
#include "core/clock.hpp"
#include "core/credentials.hpp"
#include "core/events.hpp"
#include "core/jobs.hpp"
#include "core/journal.hpp"

namespace noforce::api {

// What the agent says of itself; does not change while it runs.
struct AgentInfo {
  std::string version;
  std::string backend;  // "supervisor", "systemd", "windows"
  std::string hostname;
  WallTime started_at{};
  MonoTime started{};
};

struct FaceParts {
  Jobs& jobs;
  Credentials& credentials;
  Journal& journal;
  EventFeed& events;
  AgentInfo agent;
  std::vector<std::string> hosts;  // the names by which the agent may be called
  // What a person should know of the agent itself, in sentences, as far as this caller may see it.
  // Any thread; empty: nothing.
  std::function<std::vector<std::string>(const Principal&)> warnings = {};
  const Clock& clock = system_clock();
  const Clients* clients = nullptr;  // known by a certificate; null: nobody is
};

// Any thread.
class Face {
 public:
  explicit Face(FaceParts parts);
  ~Face();
  Face(const Face&) = delete;
  Face& operator=(const Face&) = delete;

  // Never throws; an internal error is a 500 that gives nothing away. Does not wait for jobs: a
  // request that wants to gets a Response::later.
  [[nodiscard]] Response handle(const Request& request);
  // On reload: the names that count from now on.
  void set_hosts(std::vector<std::string> hosts);

  [[nodiscard]] static std::span<const Route> routes();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace noforce::api
