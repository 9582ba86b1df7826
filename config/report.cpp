#include "config/report.hpp"

#include <algorithm>
#include <utility>

#include "config/schema.hpp"
#include "core/text.hpp"

namespace noforce::config {

void Report::at(const toml::source_region& place, std::string sentence) {
  mistakes_.push_back({.file = file_,
                       .line = place.begin.line,
                       .column = place.begin.column,
                       .sentence = std::move(sentence)});
}

Mistakes Report::take() {
  std::ranges::stable_sort(mistakes_, [](const Mistake& a, const Mistake& b) {
    return std::pair(a.line, a.column) < std::pair(b.line, b.column);
  });
  return std::move(mistakes_);
}

std::string shown(std::string_view text) {
  constexpr std::size_t longest = 80;
  return "'" + clean_text(text, longest) + "'";
}

std::string hint(std::string_view typed, const std::vector<std::string>& candidates) {
  const std::string near = nearest(typed, candidates);
  return near.empty() ? std::string() : "; did you mean '" + near + "'?";
}

std::string joined(const std::vector<std::string>& names, std::string_view last) {
  std::string out;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (i > 0) out += i + 1 == names.size() ? last : ", ";
    out += names[i];
  }
  return out;
}

}  // namespace noforce::config
