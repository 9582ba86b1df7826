// Text from outside: made harmless on entry, once, so that nobody downstream has to think of it.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace noforce {

// Valid UTF-8 of at most `max_code_points`: invalid bytes become U+FFFD; C0 and C1 controls, DEL,
// line and paragraph separators and direction characters are written as \uXXXX. What is cut off
// ends in "...".
[[nodiscard]] std::string clean_text(std::string_view text, std::size_t max_code_points);
[[nodiscard]] bool is_valid_utf8(std::string_view text);

// Shell-like pattern: `*` any run, `?` one character, everything else itself. ASCII letters
// compare without case when `fold_case`. Linear in practice; no recursion.
[[nodiscard]] bool glob_match(std::string_view pattern, std::string_view text, bool fold_case);

[[nodiscard]] std::string lower_ascii(std::string_view text);

// "antispam, pop3svc and 3 more": for sentences.
template <typename Names>
[[nodiscard]] std::string list_names(const Names& names, std::size_t most = 8) {
  std::string out;
  std::size_t n = 0;
  for (const auto& name : names) {
    if (n == most) {
      out += " and " + std::to_string(names.size() - most) + " more";
      break;
    }
    if (n++ > 0) out += ", ";
    out += name;
  }
  return out;
}

}  // namespace noforce
