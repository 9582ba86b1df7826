// The service control manager that the settings name. The one place that knows all backends.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/opener.hpp"
#include "config/settings.hpp"
#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/scm/port.hpp"

namespace noforce::agent {

struct ScmParts {
  const config::Settings& settings;
  std::string state_dir;
  // By job that had begun: what it stops, and may have to start again.
  std::map<std::string, std::vector<std::string>> begun;
  // Who looks after the keeper, where that is not this process; null: it is. Outlives the backend.
  OpenerLine* opener = nullptr;
};

// The backend, and what the supervisor alone can do; with another one that does nothing.
class ChosenScm {
 public:
  virtual ~ChosenScm() = default;
  [[nodiscard]] virtual Scm& scm() = 0;
  [[nodiscard]] virtual std::string_view name() const = 0;  // as the settings spell it
  // Whether services live by this agent: it starts them (`start = "auto"`) and may stop them when it
  // ends. Those of an SCM with a life of its own are touched by jobs only.
  [[nodiscard]] virtual bool owns_services() const = 0;
  // The services of changed settings. Any thread.
  virtual void reconfigure(const std::vector<supervisor::ServiceSpec>& services) = 0;
  // Once no service is up: nothing is left for the keeper to keep.
  [[nodiscard]] virtual Result<void> end_keeper(Milliseconds patience) = 0;
};

// scm_unavailable: this build has no such backend.
[[nodiscard]] Result<std::unique_ptr<ChosenScm>> choose_scm(ScmParts parts);

}  // namespace noforce::agent
