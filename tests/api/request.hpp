// Requests as tests write them.
#pragma once

#include <string>
#include <utility>

#include "api/server/message.hpp"

namespace noforce::test {

// "GET", "/v1/services?limit=2"; comes from 192.0.2.1 to agent.example.
inline api::Request make_request(std::string method, const std::string& target,
                                 api::Fields headers = {}, std::string body = {}) {
  api::Request request;
  request.method = std::move(method);
  request.peer = "192.0.2.1";
  request.local_address = "192.0.2.2";
  request.headers = std::move(headers);
  if (request.headers.find("Host") == nullptr) request.headers.add("Host", "agent.example:8443");
  request.body = std::move(body);
  if (const auto taken = api::set_target(request, target); !taken)
    request.path = "broken: " + taken.error().detail;
  return request;
}

}  // namespace noforce::test
