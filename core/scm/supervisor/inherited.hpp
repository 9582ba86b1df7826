// What a keeper finds in the process that it took over (Replace): the lock and the notify sockets
// that its predecessor kept open for it. Found by what they are, so nothing has to be handed on
// beside them; a keeper that was started as any other program finds nothing.
#pragma once

#include <map>
#include <string>

#include "core/fd.hpp"

namespace noforce::supervisor {

// Keeps a descriptor open over the next exec, or no longer.
void set_inheritable(int fd, bool inheritable);

// The abstract name of a datagram socket; empty for any other descriptor.
[[nodiscard]] std::string abstract_name(int fd);
// The predecessor's descriptor of this file, which holds its lock; empty when there is none.
[[nodiscard]] Fd inherited_file(int folder, const char* name);
// Sockets bound to abstract names, by name.
[[nodiscard]] std::map<std::string, Fd> inherited_sockets();

}  // namespace noforce::supervisor
