#include "tests/simulation/mutant.hpp"

namespace noforce::simulation {

bool choose_mutant(std::string_view) {
  return false;
}
bool mutated(std::string_view) {
  return false;
}

}  // namespace noforce::simulation
