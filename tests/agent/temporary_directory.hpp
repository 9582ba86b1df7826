// A directory of a test's own, removed at its end with all that is in it.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/support/temporary.hpp"

namespace noforce::agent::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory()
      : path_(noforce::test::make_temporary_directory("noforce-agent-").string()) {}
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  // A file that only its owner can write.
  std::string write(const std::string& name, const std::string& text) const {
    const std::string file = *this / name;
    std::ofstream(file) << text;
    std::filesystem::permissions(
        file, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return file;
  }

 private:
  std::string path_;
};

[[nodiscard]] inline std::string content_of(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace noforce::agent::test
