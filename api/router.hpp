// The table of operations: one row each, with the role that it needs beside it. openapi.yaml says
// the same; a test holds the two together.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/server/message.hpp"
#include "core/error.hpp"
#include "core/principal.hpp"

namespace noforce::api {

struct Context;

// Parses, calls core, renders; an Error becomes a problem document.
using Operation = Result<Response> (*)(Context&);

// What a caller must have: `none` answers anybody.
enum class Access : std::uint8_t { none, viewer, operator_, admin };
// "none", "viewer", "operator", "admin": the contract's x-role.
[[nodiscard]] std::string_view to_string(Access access);
// The role behind it; nullopt for none.
[[nodiscard]] std::optional<Role> role_of(Access access);

enum class Body : std::uint8_t { none, optional_json, json };

struct Route {
  std::string_view method;   // GET routes answer HEAD too
  std::string_view pattern;  // "/v1/jobs/{id}"
  std::string_view id;       // the contract's operationId
  Access access = Access::admin;
  Body body = Body::none;
  std::string_view query;  // the names of all query parameters, one space between each
  Operation operation = nullptr;
};

class Router {
 public:
  // The rows have to outlive the router.
  explicit Router(std::span<const Route> routes);

  struct Match {
    const Route* route = nullptr;              // null: no such path, or not with this method
    std::vector<std::string_view> parameters;  // what stands for each {..}; views into segments
    bool path_known = false;
    std::string allow;  // for 405 and OPTIONS
  };
  [[nodiscard]] Match find(std::string_view method, const std::vector<std::string>& segments) const;
  [[nodiscard]] std::span<const Route> routes() const { return routes_; }

 private:
  struct Compiled {
    const Route* route;
    std::vector<std::string_view> parts;  // empty: a parameter
  };

  std::span<const Route> routes_;
  std::vector<std::vector<Compiled>> by_length_;  // number of segments -> rows
};

}  // namespace noforce::api
