#include "tests/simulation/mutant.hpp"

#include <string>

namespace noforce::simulation {

namespace {
std::string chosen;
}  // namespace

bool choose_mutant(std::string_view name) {
  for (const std::string_view known : mutant_names()) {
    if (known != name) continue;
    chosen = name;
    return true;
  }
  return false;
}

bool mutated(std::string_view name) {
  return chosen == name;
}

}  // namespace noforce::simulation
