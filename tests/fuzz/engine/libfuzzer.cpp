// The one target that is linked here, run by libFuzzer.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "tests/fuzz/support/fuzz.hpp"

// libFuzzer calls it by this name.
// NOLINTNEXTLINE(readability-identifier-naming)
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): bytes are bytes
  noforce::fuzz::targets().front().run({reinterpret_cast<const char*>(data), size});
  return 0;
}
