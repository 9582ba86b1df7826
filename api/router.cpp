#include "api/router.hpp"

namespace noforce::api {
namespace {

std::vector<std::string_view> split_pattern(std::string_view pattern) {
  std::vector<std::string_view> parts;
  while (pattern.size() > 1) {
    pattern.remove_prefix(1);
    const std::string_view part = pattern.substr(0, pattern.find('/'));
    parts.push_back(part.starts_with('{') ? std::string_view() : part);
    pattern.remove_prefix(part.size());
  }
  return parts;
}

bool fits(const std::vector<std::string_view>& parts, const std::vector<std::string>& segments) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].empty() ? segments[i].empty() : parts[i] != segments[i]) return false;
  }
  return true;
}

}  // namespace

std::string_view to_string(Access access) {
  switch (access) {
    case Access::none:
      return "none";
    case Access::viewer:
      return "viewer";
    case Access::operator_:
      return "operator";
    case Access::admin:
      return "admin";
  }
  return "admin";
}

std::optional<Role> role_of(Access access) {
  switch (access) {
    case Access::none:
      return std::nullopt;
    case Access::viewer:
      return Role::viewer;
    case Access::operator_:
      return Role::operator_;
    case Access::admin:
      return Role::admin;
  }
  return Role::admin;
}

Router::Router(std::span<const Route> routes) : routes_(routes) {
  for (const Route& route : routes) {
    auto parts = split_pattern(route.pattern);
    if (by_length_.size() <= parts.size()) by_length_.resize(parts.size() + 1);
    by_length_[parts.size()].push_back({&route, std::move(parts)});
  }
}

Router::Match Router::find(std::string_view method,
                           const std::vector<std::string>& segments) const {
  Match match;
  if (segments.size() >= by_length_.size()) return match;
  const std::string_view wanted = method == "HEAD" ? "GET" : method;
  const Compiled* found = nullptr;
  // A path that is written out goes before one with a parameter: it stands first in the table.
  for (const Compiled& row : by_length_[segments.size()]) {
    if (!fits(row.parts, segments)) continue;
    match.path_known = true;
    if (row.route->method == wanted) {
      found = &row;
      break;
    }
  }
  if (found != nullptr) {
    match.route = found->route;
    for (std::size_t i = 0; i < found->parts.size(); ++i) {
      if (found->parts[i].empty()) match.parameters.emplace_back(segments[i]);
    }
    return match;
  }
  if (match.path_known) {
    for (const Compiled& row : by_length_[segments.size()]) {
      if (!fits(row.parts, segments)) continue;
      if (!match.allow.empty()) match.allow += ", ";
      match.allow += row.route->method;
      if (row.route->method == "GET") match.allow += ", HEAD";
    }
    match.allow += ", OPTIONS";
  }
  return match;
}

}  // namespace noforce::api
