// Mutants: deliberate faults in a copy of core's sources, made by mutants.py, to show that the
// simulation notices. Nothing of this is in the program.
#pragma once

#include <string_view>
#include <vector>

namespace noforce::simulation {

[[nodiscard]] std::vector<std::string_view> mutant_names();
// False: there is none of that name in this build.
[[nodiscard]] bool choose_mutant(std::string_view name);
[[nodiscard]] bool mutated(std::string_view name);

}  // namespace noforce::simulation
