// The head of a request, looked at as bytes before any library sees it. What could be read in two
// ways (smuggling), or needs a decoder that nobody here needs, is refused at this place, before
// its body is read.
#pragma once

#include <cstddef>
#include <expected>
#include <string_view>
#include <utility>
#include <vector>

#include "api/problem.hpp"
#include "api/server/server.hpp"

namespace noforce::api {

// Views into the block it was read from.
struct Head {
  std::string_view method;
  std::string_view target;
  std::vector<std::pair<std::string_view, std::string_view>> fields;
  std::size_t content_length = 0;
  bool keep_alive = true;
  bool is_http11 = true;  // knows chunks
};

// `block` ends with the empty line. The problem says what to answer; the connection is closed
// after it, because nobody knows where the next request would begin.
[[nodiscard]] std::expected<Head, Problem> parse_head(std::string_view block,
                                                      const ServerLimits& limits);

}  // namespace noforce::api
