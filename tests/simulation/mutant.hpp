// Mutants: deliberate faults in a copy of core's sources, made by mutants.py, to show that the
// simulation notices. Nothing of this is in the program.
#pragma once

#include <string_view>

namespace noforce::simulation {

// False: there is none of that name in this build.
[[nodiscard]] bool choose_mutant(std::string_view name);
[[nodiscard]] bool mutated(std::string_view name);

}  // namespace noforce::simulation
