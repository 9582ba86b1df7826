// How a hosted service behaves: `key = value` lines of its control file, read at each event, so that
// a test can change its mind while it runs. Times are milliseconds.
//
//   start   now | after N | progress N M | hang | crash C | fail C (1066 with a code of its own)
//   stop    now | after N | progress N M | freeze N M | hang | crash C
//   run     ok | crash N C
//   accept  any of: stop pause; `nothing` refuses every control (1052)
//   deaf    N          the handler itself takes that long (1053 from the service manager)
//   tick    N          one more sign of progress of what hangs, each time that N changes
//   once    yes        a crash takes the file away, so that it is the only one
//   exit    C          stops with 1066 and this code of its own
//   hint    N          the wait hint of each pending report (default: twice the step)
//   save    FILE       written on a clean stop only: what it was told with SET
//   port    N          a mail spool on 127.0.0.1: MSG ID -> OK ID, SET TEXT -> OK, COUNT -> COUNT N
//   flush   N          how long writing the mail takes at the stop, in steps that show progress
//
// `progress N M` takes N and reports each M; `freeze N M` does that and then hangs. What hangs goes on
// once the file says otherwise.
#pragma once

#include <array>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

namespace services::windows {

struct Behaviour {
  std::string kind;
  std::array<unsigned long, 2> numbers{0, 0};

  bool operator==(const Behaviour&) const = default;
};

class ControlFile {
 public:
  explicit ControlFile(std::filesystem::path file) : file_(std::move(file)) {}

  [[nodiscard]] std::string text(const std::string& key, const std::string& otherwise) const {
    std::ifstream in(file_);
    for (std::string line; std::getline(in, line);) {
      const std::size_t equals = line.find('=');
      if (equals == std::string::npos || trimmed(line.substr(0, equals)) != key) continue;
      return trimmed(line.substr(equals + 1));
    }
    return otherwise;
  }
  [[nodiscard]] unsigned long number(const std::string& key, unsigned long otherwise) const {
    const std::string value = text(key, "");
    return value.empty() ? otherwise : std::stoul(value);
  }
  [[nodiscard]] Behaviour behaviour(const std::string& key, const std::string& otherwise) const {
    std::istringstream words(text(key, otherwise));
    Behaviour it;
    words >> it.kind >> it.numbers[0] >> it.numbers[1];
    return it;
  }

 private:
  static std::string trimmed(const std::string& text) {
    const std::size_t begin = text.find_first_not_of(" \t\r");
    if (begin == std::string::npos) return {};
    return text.substr(begin, text.find_last_not_of(" \t\r") + 1 - begin);
  }

  std::filesystem::path file_;
};

}  // namespace services::windows
