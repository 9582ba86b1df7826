// Where the agent is killed: before or after any effect on the world outside of it.
#pragma once

#include <cstdint>

#include "tests/simulation/chance.hpp"

namespace noforce::simulation {

// kill -9: goes through everything, because it is no std::exception, and leaves nothing behind.
struct Killed {};

class Fuse {
 public:
  // The agent dies at the n-th effect from now (1: the next).
  void set(std::uint64_t effects) { left_ = effects; }
  void put_out() { left_ = 0; }
  // Called before and after each effect.
  void burn() {
    if (left_ == 0) return;
    --left_;
    if (left_ == 0) throw Killed{};
  }

 private:
  std::uint64_t left_ = 0;
};

}  // namespace noforce::simulation
