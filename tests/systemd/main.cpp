// The tests' program is also the systemd that they start (`--manager FOLDER CGROUP`) and the service
// that it runs (`--puppet FIFO`).
#include <string_view>

#include <gtest/gtest.h>

#include "tests/support/puppet.hpp"
#include "tests/systemd/own_manager.hpp"

int main(int argc, char** argv) {
  if (argc == 4 && std::string_view(argv[1]) == "--manager") {
    return noforce::systemd::testing::become_manager(argv[2], argv[3]);
  }
  if (argc == 3 && std::string_view(argv[1]) == "--puppet") {
    return noforce::test::run_puppet(argv[2]);
  }
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
