// A new directory with a name of its own, for this user alone.
#pragma once

#include <filesystem>
#include <random>
#include <string>

namespace noforce::test {

inline std::filesystem::path make_temporary_directory(
    const std::string& prefix = "noforce-",
    const std::filesystem::path& parent = std::filesystem::temp_directory_path()) {
  std::random_device random;
  for (;;) {
    std::filesystem::path path = parent / (prefix + std::to_string(random()));
    // Throws where it cannot be made; false where somebody else was faster.
    if (!std::filesystem::create_directory(path)) continue;
    std::filesystem::permissions(path, std::filesystem::perms::owner_all);
    return path;
  }
}

}  // namespace noforce::test
