#include "tests/fuzz/support/fuzz.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/text.hpp"

namespace noforce::fuzz {
namespace {

std::vector<Target>& known() {
  static std::vector<Target> targets;
  return targets;
}

}  // namespace

Registration::Registration(std::string_view name, void (*run)(std::string_view input)) {
  known().push_back({name, run});
}

const std::vector<Target>& targets() {
  return known();
}

void expect(bool holds, std::string_view sentence, std::string_view about) {
  if (holds) return;
  std::fprintf(stderr, "fuzz: this does not hold: %.*s\n%s\n", static_cast<int>(sentence.size()),
               sentence.data(), clean_text(about, 2000).c_str());
  std::abort();
}

std::string_view Input::take(std::size_t count) {
  const std::string_view piece = rest_.substr(0, count);
  rest_.remove_prefix(piece.size());
  return piece;
}

std::uint8_t Input::byte() {
  const std::string_view piece = take(1);
  return piece.empty() ? std::uint8_t{0} : static_cast<std::uint8_t>(piece.front());
}

std::uint64_t Input::number() {
  std::uint64_t value = 0;
  for (const char c : take(8))
    value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

std::string_view Input::text() {
  return take(byte());
}

std::string_view Input::line() {
  const std::string_view piece = take(std::min(rest_.find('\n'), rest_.size()));
  (void)take(1);
  return piece;
}

}  // namespace noforce::fuzz
