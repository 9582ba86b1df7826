#include "tests/services/common/arguments.hpp"

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>

namespace services {

namespace {

constexpr int usage_error = 2;

}  // namespace

Arguments::Arguments(int argc, char** argv, std::initializer_list<std::string_view> known) {
  for (int i = 1; i < argc; i += 2) {
    const std::string_view key = argv[i];
    if (std::find(known.begin(), known.end(), key) == known.end() || i + 1 == argc) {
      std::fprintf(stderr, "%s: '%s' is not known or lacks its value; known are:", argv[0],
                   argv[i]);
      for (const std::string_view each : known)
        std::fprintf(stderr, " %.*s", static_cast<int>(each.size()), each.data());
      std::fputc('\n', stderr);
      std::exit(usage_error);
    }
    values_.emplace(key, argv[i + 1]);
  }
}

std::string Arguments::text(std::string_view key, std::string_view otherwise) const {
  const auto found = values_.find(key);
  return found == values_.end() ? std::string(otherwise) : found->second;
}

long Arguments::number(std::string_view key, long otherwise) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return otherwise;
  const long value = to_number(found->second);
  if (value < 0) {
    std::fprintf(stderr, "%s: '%s' is not a whole number\n", found->first.c_str(),
                 found->second.c_str());
    std::exit(usage_error);
  }
  return value;
}

long to_number(std::string_view text) {
  long value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc{} && end == text.data() + text.size() ? value : -1;
}

}  // namespace services
