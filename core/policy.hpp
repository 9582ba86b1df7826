// What jobs must respect about a service, on any backend: the settings' [policy."NAME"], the
// groups, and the defaults of a job.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/clock.hpp"

namespace noforce {

// A program that runs around a stop or start: argv with an absolute path, never a shell.
using HookCommand = std::vector<std::string>;

// How a started service is asked whether it works. Exactly one of http and tcp is set.
struct Verify {
  std::string http;    // http:// URL; 2xx within `within` counts. No redirects, no proxy
  std::string tcp;     // "host:port"; a connection counts
  Seconds within{30};  // from "running" to the first good answer
  Seconds hold{0};     // then the same instance has to stay up for this long

  bool operator==(const Verify&) const = default;
};

struct Policy {
  bool is_protected = false;  // a job that takes it down needs a reason
  std::vector<HookCommand> before_stop;
  std::vector<HookCommand> after_start;
  Seconds hook_timeout{60};  // then the hook gets SIGTERM and the job fails; never more
  std::optional<Verify> verify;
  Seconds cooldown{0};  // from the end of one job on it to the acceptance of the next

  bool operator==(const Policy&) const = default;
};

struct Group {
  std::string name;
  std::vector<std::string> services;  // as the settings spell them

  bool operator==(const Group&) const = default;
};

struct JobDefaults {
  Seconds deadline{600};
  Seconds no_progress{120};
  Seconds queue{3600};
  Seconds max_wait{300};
  int history_days = 90;
  std::size_t max_queued = 10'000;

  bool operator==(const JobDefaults&) const = default;
};

// All of the settings that decide about jobs; replaced as a whole on reload.
struct Policies {
  std::map<std::string, Policy, std::less<>> services;  // by canonical name
  std::vector<Group> groups;                            // sorted by name
  JobDefaults jobs;

  [[nodiscard]] const Policy& of(std::string_view service) const;  // the default where none is set
  [[nodiscard]] const Group* group(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> groups_of(std::string_view service) const;

  bool operator==(const Policies&) const = default;
};

}  // namespace noforce
