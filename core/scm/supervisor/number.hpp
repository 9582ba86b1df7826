// A number written out, and nothing else besides.
#pragma once

#include <charconv>
#include <memory>
#include <optional>
#include <string_view>

namespace noforce::supervisor {

template <typename Number>
[[nodiscard]] std::optional<Number> to_number(std::string_view text, int base = 10) {
  Number value{};
  const char* const end = std::to_address(text.end());
  const auto [at, failed] = std::from_chars(std::to_address(text.begin()), end, value, base);
  if (failed != std::errc() || at != end) return std::nullopt;
  return value;
}

}  // namespace noforce::supervisor
