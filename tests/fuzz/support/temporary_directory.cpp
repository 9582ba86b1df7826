#include "tests/fuzz/support/temporary_directory.hpp"

#include <stdlib.h>

#include <filesystem>
#include <system_error>

#include "tests/fuzz/support/fuzz.hpp"

namespace noforce::fuzz {

TemporaryDirectory::TemporaryDirectory() {
  path_ = (std::filesystem::temp_directory_path() / "noforce-fuzz-XXXXXX").string();
  expect(::mkdtemp(path_.data()) != nullptr, "there is a temporary directory", path_);
}

TemporaryDirectory::~TemporaryDirectory() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace noforce::fuzz
