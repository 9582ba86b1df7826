// Giving up root's rights, for good.
#pragma once

#include "config/machine.hpp"
#include "core/error.hpp"

namespace noforce::agent {

// Called by root, before there is a second thread. Afterwards this process is that user, with the
// user's groups, without any capability (but to listen on a port below 1024, where `low_port`) and
// without a way back: no program that it executes gains one either. It leaves no core dump. Looked
// at again afterwards; on an error the process must end.
[[nodiscard]] Result<void> drop_privileges(const config::User& user, bool low_port);

// Refuses this process and its children, with EPERM, the system calls that ordinary programs do not
// need: into other processes, mounts, namespaces, kernel modules, keys and the machine itself. The
// error says why the kernel does not do that.
[[nodiscard]] Result<void> refuse_dangerous_calls();

}  // namespace noforce::agent
