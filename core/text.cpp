#include "core/text.hpp"

#include <cstdint>
#include <cstdio>
#include <optional>

namespace noforce {
namespace {

constexpr std::string_view replacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr std::string_view cut_mark = "...";

struct Decoded {
  std::optional<char32_t> code_point;  // nullopt: these bytes are no UTF-8
  std::size_t length = 0;
};

std::uint8_t byte_at(std::string_view text, std::size_t at) {
  return static_cast<std::uint8_t>(text[at]);
}

// The code point at the front of `text` (not empty), or the longest run of bytes that begins like
// one and is none (what Unicode replaces by a single U+FFFD). Table 3-7 of the Unicode standard:
// no overlong forms, no surrogates, nothing beyond U+10FFFF.
Decoded decode_first(std::string_view text) {
  const std::uint8_t lead = byte_at(text, 0);
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xC2 || lead > 0xF4) return {std::nullopt, 1};
  const std::size_t length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  std::uint8_t low = 0x80;
  std::uint8_t high = 0xBF;
  if (lead == 0xE0) low = 0xA0;
  if (lead == 0xED) high = 0x9F;
  if (lead == 0xF0) low = 0x90;
  if (lead == 0xF4) high = 0x8F;
  char32_t value = lead & (0xFFU >> (length + 1));
  for (std::size_t n = 1; n < length; ++n) {
    if (n == text.size()) return {std::nullopt, n};
    const std::uint8_t next = byte_at(text, n);
    if (next < low || next > high) return {std::nullopt, n};
    low = 0x80;
    high = 0xBF;
    value = (value << 6) | (next & 0x3FU);
  }
  return {value, length};
}

// Controls, what breaks lines, and what changes the direction of the text around it: all that can
// make a log line or a terminal show something else than was written.
bool is_harmful(char32_t c) {
  return c < 0x20 || (c >= 0x7F && c <= 0x9F) || c == 0x061C || c == 0x200E || c == 0x200F ||
         (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

std::size_t length_of_first(std::string_view text) {
  return decode_first(text).length;
}

char fold(char c, bool fold_case) {
  return fold_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

std::string clean_text(std::string_view text, std::size_t max_code_points) {
  std::string out;
  std::size_t count = 0;  // code points in `out`
  // Where `out` has to be cut to make room for the mark, should the text turn out too long.
  const std::size_t room =
      max_code_points > cut_mark.size() ? max_code_points - cut_mark.size() : 0;
  std::size_t cut = 0;
  while (!text.empty()) {
    const Decoded first = decode_first(text);
    std::string piece;
    std::size_t piece_count = 1;
    if (!first.code_point) {
      piece = replacement;
    } else if (is_harmful(*first.code_point)) {
      char escaped[8];
      std::snprintf(escaped, sizeof escaped, "\\u%04x", static_cast<unsigned>(*first.code_point));
      piece = escaped;
      piece_count = piece.size();
    } else {
      piece = text.substr(0, first.length);
    }
    if (count + piece_count > max_code_points) {
      out.resize(cut);
      out += cut_mark.substr(0, max_code_points);
      return out;
    }
    out += piece;
    count += piece_count;
    if (count <= room) cut = out.size();
    text.remove_prefix(first.length);
  }
  return out;
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const Decoded first = decode_first(text);
    if (!first.code_point) return false;
    text.remove_prefix(first.length);
  }
  return true;
}

bool glob_match(std::string_view pattern, std::string_view text, bool fold_case) {
  // After a `*` that matched as little as possible so far: what to try next with it longer.
  std::optional<std::string_view> pattern_after_star;
  std::string_view text_after_star;
  while (!text.empty() || !pattern.empty()) {
    if (!pattern.empty() && pattern.front() == '*') {
      pattern.remove_prefix(1);
      pattern_after_star = pattern;
      text_after_star = text;
      continue;
    }
    if (!pattern.empty() && !text.empty()) {
      if (pattern.front() == '?') {
        pattern.remove_prefix(1);
        text.remove_prefix(length_of_first(text));
        continue;
      }
      if (fold(pattern.front(), fold_case) == fold(text.front(), fold_case)) {
        pattern.remove_prefix(1);
        text.remove_prefix(1);
        continue;
      }
    }
    if (!pattern_after_star || text_after_star.empty()) return false;
    text_after_star.remove_prefix(length_of_first(text_after_star));
    pattern = *pattern_after_star;
    text = text_after_star;
  }
  return true;
}

std::string lower_ascii(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    c = fold(c, true);
  return out;
}

}  // namespace noforce
