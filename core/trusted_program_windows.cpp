#include <windows.h>

#include <algorithm>
#include <cctype>
#include <vector>

#include "core/trusted_program.hpp"
#include "core/windows_error.hpp"
#include "core/windows_security.hpp"

// Each directory on the way, and what is at its end, belongs to SYSTEM, the administrators, Windows'
// installer or the agent's user, and nobody else may write to it, delete it or rename it. Others may
// make new things in the directories above, as Windows lets them in C:\ and in ProgramData: they do
// not replace ours. Not so in the directory of a program, where Windows would look for its libraries.

namespace noforce {
namespace {

enum class Target : std::uint8_t { program, file, directory };

bool is_separator(char c) {
  return c == '\\' || c == '/';
}

// "C:\", "C:\a", "C:\a\b"; empty for what is no absolute path of a drive.
std::vector<std::string> places_on(const std::string& path) {
  const bool absolute = path.size() >= 3 &&
                        std::isalpha(static_cast<unsigned char>(path[0])) != 0 && path[1] == ':' &&
                        is_separator(path[2]);
  if (!absolute) return {};
  std::vector<std::string> places{path.substr(0, 2) + "\\"};
  for (std::size_t at = 3; at < path.size();) {
    const std::size_t end = std::min(path.find_first_of("\\/", at), path.size());
    const std::string name = path.substr(at, end - at);
    at = end + 1;
    if (name.empty() || name == ".") continue;
    if (name == "..") return {};  // Windows takes it out before it looks for links
    const std::string& above = places.back();
    places.push_back(above + (above.ends_with('\\') ? "" : "\\") + name);
  }
  return places;
}

class Look {
 public:
  Look(const std::string& path, Target target) : path_(path), target_(target) {}

  Result<void> run() {
    const std::vector<std::string> places = places_on(path_);
    if (places.empty()) {
      return refuse(R"(is no absolute path on a drive of this machine, as C:\noforce\save.exe)");
    }
    // Its server says who may do what there, and it is there for who mapped it only.
    if (::GetDriveTypeW(to_wide(places.front()).c_str()) == DRIVE_REMOTE) {
      return refuse("is on another machine (" + places.front() + " is a network drive)");
    }
    for (std::size_t i = 0; i < places.size(); ++i) {
      const std::size_t left = places.size() - 1 - i;
      if (auto good = look_at(places[i], left); !good) return good;
    }
    if (target_ == Target::directory) return {};
    std::string lower = places.back();
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return std::tolower(c); });
    if (target_ == Target::program && !lower.ends_with(".exe") && !lower.ends_with(".com")) {
      return refuse(
          "is no .exe; a script needs its interpreter before it (cmd.exe reads the arguments of a "
          ".bat by rules that nobody can quote for)");
    }
    return {};
  }

 private:
  Result<void> look_at(const std::string& place, std::size_t left) {
    const auto rights = rights_of_others(place);
    if (!rights) {
      Error error = rights.error();
      error.kind = kind();
      error.detail = "'" + path_ + said() + error.detail;
      return std::unexpected(std::move(error));
    }
    if (rights->is_link) return refuse(place + " is a link; name the place that it leads to");
    const bool last = left == 0;
    if (rights->is_directory != (!last || target_ == Target::directory)) {
      return refuse(place + (rights->is_directory ? " is a directory" : " is no directory"));
    }
    if (!is_trusted_sid(rights->owner)) {
      return refuse(place + " belongs to " + account_name(rights->owner) +
                    "; give it to the administrators or to the agent's user");
    }
    const bool beside_program = target_ == Target::program && left == 1;
    if (rights->may_change || (rights->may_add && beside_program)) {
      return refuse(place + " can be written by " + rights->who +
                    "; let only SYSTEM, the administrators and the agent's user do that");
    }
    return {};
  }

  [[nodiscard]] ErrorKind kind() const {
    return target_ == Target::program ? ErrorKind::hook_failed : ErrorKind::access_denied;
  }
  [[nodiscard]] const char* said() const {
    return target_ == Target::program ? "' is not run: " : "' is not used: ";
  }
  [[nodiscard]] std::unexpected<Error> refuse(const std::string& why) const {
    return fail(kind(), "'" + path_ + said() + why);
  }

  const std::string& path_;
  const Target target_;
};

}  // namespace

Result<void> check_trusted_program(const std::string& path) {
  return Look(path, Target::program).run();
}

Result<void> check_service_program(const std::string& path, std::optional<std::uint32_t>) {
  return Look(path, Target::program).run();
}

Result<void> check_trusted_file(const std::string& path) {
  return Look(path, Target::file).run();
}

Result<void> check_trusted_directory(const std::string& path, bool) {
  return Look(path, Target::directory).run();
}

Result<void> check_trusted_path(const std::string& path, std::uint32_t) {
  return fail(ErrorKind::access_denied, "'" + path +
                                            "' is not used: users have no numbers on Windows, so "
                                            "nobody can be named by one");
}

}  // namespace noforce
