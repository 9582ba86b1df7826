#include "config/signals.hpp"

namespace noforce::config {

// Windows' services are asked through their service control manager; there are no signals.
std::optional<int> signal_number(std::string_view) {
  return std::nullopt;
}

const std::vector<std::string>& signal_names() {
  static const std::vector<std::string> none;
  return none;
}

}  // namespace noforce::config
