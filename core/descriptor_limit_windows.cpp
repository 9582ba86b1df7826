#include <cstdint>

#include "core/descriptor_limit.hpp"

namespace noforce {

// Windows gives a process millions of handles; nothing is raised, and so nothing given back.
void raise_descriptor_limit() {}

std::size_t descriptor_limit() {
  return SIZE_MAX;
}

void give_first_descriptor_limit_to(pid_t) {}

}  // namespace noforce
