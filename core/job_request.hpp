// Who asks, and what is wanted done.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/job.hpp"
#include "core/principal.hpp"

namespace noforce {

struct Caller {
  Principal principal;
  std::string address;
};

struct JobRequest {
  Action action = Action::restart;
  std::vector<std::string> services;  // as the caller spells them; or
  std::optional<std::string> group;   // exactly one of the two
  JobOptions options;                 // start from Jobs::defaults()
};

}  // namespace noforce
