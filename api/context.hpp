// What a handler works with.
#pragma once

#include <string_view>
#include <vector>

#include "api/face.hpp"
#include "api/router.hpp"
#include "api/server/message.hpp"
#include "core/jobs.hpp"

namespace noforce::api {

struct Context {
  const Request& request;
  const FaceParts& parts;
  const Route& route;
  Caller caller;                             // without a principal where the route needs none
  std::vector<std::string_view> parameters;  // what stands for the pattern's {..}
};

}  // namespace noforce::api
