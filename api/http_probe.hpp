// The HTTP client for `verify = { http = ... }`: core asks for it, the face knows HTTP.
#pragma once

#include "core/attendant.hpp"

namespace noforce::api {

// GETs the URL once. No redirects, no proxy, no credentials; the body is thrown away. Any thread;
// blocks for at most about the timeout. https is not offered: verify asks the machine itself.
[[nodiscard]] HttpProbe http_probe();

}  // namespace noforce::api
