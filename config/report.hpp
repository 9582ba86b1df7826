// The mistakes that are found on the way through a file, and the words they are told in.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "config/load.hpp"
#include "config/toml.hpp"

namespace noforce::config {

class Report {
 public:
  explicit Report(std::string file) : file_(std::move(file)) {}

  void at(const toml::source_region& place, std::string sentence);
  void at(const toml::node& node, std::string sentence) { at(node.source(), std::move(sentence)); }

  [[nodiscard]] bool empty() const { return mistakes_.empty(); }
  // In the file's order.
  [[nodiscard]] Mistakes take();

 private:
  std::string file_;
  Mistakes mistakes_;
};

// A value of the file in quotes: cleaned and cut.
[[nodiscard]] std::string shown(std::string_view text);
// "; did you mean 'x'?" or nothing.
[[nodiscard]] std::string hint(std::string_view typed, const std::vector<std::string>& candidates);
// "a, b or c".
[[nodiscard]] std::string joined(const std::vector<std::string>& names,
                                 std::string_view last = " or ");

}  // namespace noforce::config
