// Text from outside made harmless, and globs: the first byte is the length that text is cut to, the
// first line a pattern, the rest a text.
#include "core/text.hpp"

#include <string>
#include <vector>

#include "config/names.hpp"
#include "core/scm/supervisor/protocol.hpp"
#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {
namespace {

// The characters of what is UTF-8, each as its own bytes.
std::vector<std::string_view> characters(std::string_view text) {
  std::vector<std::string_view> all;
  while (!text.empty()) {
    std::size_t length = 1;
    while (length < text.size() && (static_cast<unsigned char>(text[length]) & 0xC0) == 0x80)
      ++length;
    all.push_back(text.substr(0, length));
    text.remove_prefix(length);
  }
  return all;
}

void check_clean(std::string_view text, std::size_t most) {
  const std::string clean = clean_text(text, most);
  expect(is_valid_utf8(clean), "clean text is UTF-8", clean);
  expect(characters(clean).size() <= most, "clean text is bounded", clean);
  for (const char c : clean)
    expect(static_cast<unsigned char>(c) >= 0x20 && c != 0x7f, "clean text has no controls", clean);
  for (const std::string_view c : characters(clean))
    expect(c < "\xE2\x80\xA8" || c > "\xE2\x80\xAE", "clean text keeps its direction", clean);
  expect(clean_text(clean, most) == clean, "clean text stays as it is", clean);
}

// What a glob means, by all that it might: row by row, which beginnings of the text it matches.
bool reference_match(const std::vector<std::string_view>& pattern,
                     const std::vector<std::string_view>& text) {
  std::vector<bool> reached(text.size() + 1, false);
  reached[0] = true;
  for (const std::string_view p : pattern) {
    std::vector<bool> next(text.size() + 1, false);
    for (std::size_t i = 0; i <= text.size(); ++i) {
      if (p == "*") next[i] = reached[i] || (i > 0 && next[i - 1]);
      if (p != "*" && i > 0) next[i] = reached[i - 1] && (p == "?" || p == text[i - 1]);
    }
    reached = std::move(next);
  }
  return reached[text.size()];
}

void check_glob(std::string_view pattern, std::string_view text) {
  const bool folded = glob_match(pattern, text, true);
  const bool exact = glob_match(pattern, text, false);
  expect(folded || !exact, "what matches as it is spelled matches without case", pattern);
  expect(glob_match("*", text, false) && (glob_match(text, text, false)),
         "* matches everything, and a text itself", text);
  expect(folded == glob_match(lower_ascii(pattern), lower_ascii(text), false),
         "without case is as in small letters", pattern);
  if (pattern.size() > 64 || text.size() > 64 || !is_valid_utf8(pattern) || !is_valid_utf8(text))
    return;
  expect(exact == reference_match(characters(pattern), characters(text)),
         "a glob matches what it says", pattern);
}

void check_names(std::string_view text) {
  expect(supervisor::valid_name(text) == config::is_name(text),
         "the settings and the keeper agree on what a name is", text);
  if (supervisor::valid_name(text))
    expect(clean_text(text, 80) == text, "a name is clean text", text);
}

void fuzz_text(std::string_view input) {
  Input in(input);
  const std::size_t most = in.byte();
  const std::string_view pattern = in.line();
  const std::string_view text = in.rest();
  check_clean(pattern, most);
  check_clean(text, most);
  check_glob(pattern, text);
  check_names(pattern);
}

const Registration registered("text", fuzz_text);

}  // namespace
}  // namespace noforce::fuzz
