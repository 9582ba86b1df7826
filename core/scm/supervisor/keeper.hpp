// The keeper: the small process that owns the services' processes. It has no network, no TLS, no
// JSON and no journal; it speaks with its agent over `keeper.sock` (protocol.hpp) and goes on
// without one. It never dies by its own doing: what cannot be read is ignored, what cannot be
// allocated costs one event. Killed, its services run on, and the next keeper takes them up
// (record.hpp, supervised.hpp). Asked by an agent of another release, it executes that agent's
// program in its own process: its services stay its children.
//
// One thread, one epoll. Files, all below the state directory: `keeper.lock` (one keeper),
// `keeper.sock`, `keeper/NAME.spec` (the definition), `keeper/NAME.run` (the record),
// `logs/NAME.log` (the service's output), `logs/keeper.log`.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace noforce::supervisor {

struct KeeperOptions {
  std::string state_dir;
  // The user as whom the agent runs, when that is not the keeper's own: from it the keeper takes
  // controls and nothing that says what is run, which only root may say. The state directory must
  // then be one that only root can write.
  std::optional<std::uint32_t> face;
};

// Runs until the agent asks it to end, or SIGTERM comes, and no service is up: 0. Once it listens
// it writes "ready" and a newline to standard output and closes it; a sentence that says why not,
// and 1, when it cannot run (another keeper holds the lock). Takes over the calling process: its
// signals, its subreaper flag, its standard output.
int run_keeper(const KeeperOptions& options);

}  // namespace noforce::supervisor
