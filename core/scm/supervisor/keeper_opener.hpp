// The keeper's life where its agent's face runs as another user: whoever is root starts it, makes it
// this program, and is the only one who tells it what to run.
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "core/scm/supervisor/spec.hpp"

namespace noforce::supervisor {

struct KeeperForFace {
  std::string folder;                       // the keeper's state directory; root's
  std::string executable;                   // of the keeper: an absolute path
  std::uint32_t face = 0;                   // the user from whom it takes controls
  std::vector<std::string> args{"keeper"};  // before --state-dir and --face
};

// Sees to it that a keeper runs on that folder, as this program and for this face, and that these
// are all its definitions. Why not, as a sentence, after `patience` at the latest. Services that run
// are not touched.
[[nodiscard]] std::expected<void, std::string> provide_keeper(const KeeperForFace& wanted,
                                                              const std::vector<ServiceSpec>& specs,
                                                              Milliseconds patience);

}  // namespace noforce::supervisor
