// How many descriptors this process may have: many, since each connection is one; its children get
// the limit that it was started with, because programs exist that cannot cope with more.
#pragma once

#include <sys/types.h>

#include <cstddef>

namespace noforce {

// As far as the hard limit goes, but no further than sensible. Once, before there are threads.
void raise_descriptor_limit();
// How many there may be now; SIZE_MAX: as many as the system has room for.
[[nodiscard]] std::size_t descriptor_limit();
// The limit from before raise_descriptor_limit(), for a child or (0) this process; nothing where it
// was not raised. Also between fork and exec.
void give_first_descriptor_limit_to(pid_t process);

}  // namespace noforce
