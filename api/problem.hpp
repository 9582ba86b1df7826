// RFC 9457 problem documents, and the one table that gives each ErrorKind its HTTP status.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/server/message.hpp"
#include "core/error.hpp"

namespace noforce::api {

struct Problem {
  int status = 500;
  std::string code;  // an ErrorKind's name, or one of the face's own (see problem.cpp)
  std::string title;
  std::string detail;
  std::string service;
  std::optional<std::int64_t> native_code;
  std::string native_name;
  std::vector<std::string> dependents;
  std::optional<int> retry_after_s;
};

[[nodiscard]] int status_of(ErrorKind kind);
[[nodiscard]] std::string_view title_of(ErrorKind kind);
[[nodiscard]] Problem to_problem(const Error& error);

// What only the face can find wrong with a request: "bad_request" (400), "uri_too_long" (414),
// "expectation_failed" (417), "misdirected" (421), "header_too_large" (431),
// "not_implemented" (501), "overloaded" (503), "http_version" (505).
[[nodiscard]] Problem face_problem(int status, std::string detail);

[[nodiscard]] Response to_response(const Problem& problem);

}  // namespace noforce::api
