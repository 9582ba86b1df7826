// Runs kept inputs without a fuzzer: fuzz_replay TARGET FILE|DIRECTORY...
//
// Each file as it is, and cut short at up to 64 places. A failure ends the process; the last line of
// the output names the input.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/fuzz/support/fuzz.hpp"

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_below(const fs::path& path) {
  if (fs::is_regular_file(path)) return {path};
  std::vector<fs::path> files;
  if (!fs::is_directory(path)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

void replay(const noforce::fuzz::Target& target, const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string input(std::istreambuf_iterator<char>(in), {});
  constexpr std::size_t most_cuts = 64;
  const std::size_t step = std::max<std::size_t>(input.size() / most_cuts, 1);
  for (std::size_t length = 0; length < input.size(); length += step) {
    std::printf("%s, the first %zu bytes\n", file.c_str(), length);
    // A copy of exactly this size, so that a sanitizer sees what reads beyond it.
    const std::vector<char> cut(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(length));
    target.run({cut.data(), cut.size()});
  }
  std::printf("%s\n", file.c_str());
  target.run(input);
}

}  // namespace

int main(int argc, char** argv) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  const auto& targets = noforce::fuzz::targets();
  const auto target = std::find_if(targets.begin(), targets.end(), [&](const auto& one) {
    return !arguments.empty() && one.name == arguments.front();
  });
  if (target == targets.end() || arguments.size() < 2) {
    std::fputs("usage: fuzz_replay TARGET FILE|DIRECTORY...; targets are:", stderr);
    for (const auto& one : targets)
      std::fprintf(stderr, " %s", std::string(one.name).c_str());
    std::fputs("\n", stderr);
    return 2;
  }
  std::size_t replayed = 0;
  for (std::size_t n = 1; n < arguments.size(); ++n) {
    for (const fs::path& file : files_below(arguments[n])) {
      replay(*target, file);
      ++replayed;
    }
  }
  std::printf("%zu inputs\n", replayed);
  return replayed == 0 ? 1 : 0;
}
