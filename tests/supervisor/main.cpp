// The tests' program is also the keeper that they start (`--keeper DIR`, or `--keeper --state-dir DIR
// --face USER`) and the service that it runs (`--puppet FIFO`): real processes, and no other
// executable needed.
#include <cstdint>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "core/scm/supervisor/keeper.hpp"
#include "tests/support/puppet.hpp"

int main(int argc, char** argv) {
  if (argc == 6 && std::string_view(argv[1]) == "--keeper") {
    return noforce::supervisor::run_keeper(
        {.state_dir = argv[3], .face = static_cast<std::uint32_t>(std::stoul(argv[5]))});
  }
  if (argc >= 3 && std::string_view(argv[1]) == "--keeper") {
    return noforce::supervisor::run_keeper({.state_dir = argv[2]});
  }
  if (argc >= 3 && std::string_view(argv[1]) == "--puppet") {
    return noforce::test::run_puppet(argv[2]);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
