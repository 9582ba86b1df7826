#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>
#include <utility>

#include "core/trusted_program.hpp"

namespace noforce {
namespace {

constexpr int most_links = 40;

void push_components(std::deque<std::string>& components, const std::string& path) {
  std::deque<std::string> found;
  for (std::size_t at = 0; at < path.size();) {
    const std::size_t end = std::min(path.find('/', at), path.size());
    if (end > at) found.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  components.insert(components.begin(), found.begin(), found.end());
}

enum class Target : std::uint8_t { program, file, directory, anything };
enum class Groups : std::uint8_t { nobody, own, any };  // whose group may write

struct Wanted {
  Target target = Target::program;
  Groups groups = Groups::nobody;
  std::optional<uid_t> also;
  uid_t user = ::geteuid();  // whose word counts besides root's
  std::string whose = "the agent's user";
};

class Walk {
 public:
  Walk(const std::string& path, Wanted wanted) : path_(path), wanted_(std::move(wanted)) {}

  Result<void> run() {
    if (path_.empty() || path_.front() != '/') return refuse("is no absolute path");
    push_components(rest_, path_);
    if (auto root = look_at("/"); !root) return root;
    while (!rest_.empty()) {
      const std::string name = rest_.front();
      rest_.pop_front();
      if (name == ".") continue;
      if (name == "..") {
        // Everything above was looked at on the way down.
        here_.resize(std::max<std::size_t>(here_.rfind('/'), 1));
        continue;
      }
      if (auto step = enter(here_ == "/" ? "/" + name : here_ + "/" + name); !step) return step;
    }
    if (wanted_.target == Target::anything) return {};
    if (wanted_.target == Target::directory) {
      if (!S_ISDIR(status_.st_mode)) return refuse(here_ + " is no directory");
      return {};
    }
    if (!S_ISREG(status_.st_mode)) return refuse(here_ + " is no regular file");
    if (wanted_.target == Target::file) return {};
    if (::access(here_.c_str(), X_OK) != 0) return refuse(here_ + " cannot be executed", errno);
    return {};
  }

 private:
  Result<void> enter(const std::string& path) {
    if (auto good = look_at(path); !good) return good;
    if (!S_ISLNK(status_.st_mode)) {
      here_ = path;
      return {};
    }
    if (++links_ > most_links) return refuse(path + " leads through too many symbolic links");
    char target[PATH_MAX];
    const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    if (length < 0) return refuse(path + " cannot be read", errno);
    const std::string leads_to(target, static_cast<std::size_t>(length));
    if (leads_to.starts_with('/')) here_ = "/";
    push_components(rest_, leads_to);
    return {};
  }

  Result<void> look_at(const std::string& path) {
    if (::lstat(path.c_str(), &status_) != 0) return refuse(path + " cannot be found", errno);
    const bool own = status_.st_uid == 0 || status_.st_uid == wanted_.user;
    if (!own && status_.st_uid != wanted_.also) {
      const std::string whom =
          wanted_.user == 0 ? "somebody other than root" : "neither root nor " + wanted_.whose;
      return refuse(path + " belongs to " + whom +
                    (!wanted_.also       ? ""
                     : wanted_.user == 0 ? " and the user that it is run as"
                                         : " nor the user that it is run as"));
    }
    // A link has no mode of its own; who may replace it is said by its directory.
    if (S_ISLNK(status_.st_mode)) return {};
    if ((status_.st_mode & S_IWOTH) == 0 && group_may_write()) return {};
    if (S_ISDIR(status_.st_mode) && (status_.st_mode & S_ISVTX) != 0) return {};
    return refuse(path + " can be written by group or others; chmod go-w it");
  }

  [[nodiscard]] bool group_may_write() const {
    if ((status_.st_mode & S_IWGRP) == 0 || wanted_.groups == Groups::any) return true;
    const bool own = status_.st_gid == 0 || status_.st_gid == ::getegid();
    return wanted_.groups == Groups::own && own;
  }

  [[nodiscard]] std::unexpected<Error> refuse(const std::string& why, int problem = 0) const {
    const bool program = wanted_.target == Target::program;
    Error error;
    error.kind = program ? ErrorKind::hook_failed : ErrorKind::access_denied;
    error.detail = "'" + path_ + (program ? "' is not run: " : "' is not used: ") + why;
    if (problem != 0) {
      error.detail += std::string(": ") + std::strerror(problem);
      error.native_code = problem;
      if (const char* const name = ::strerrorname_np(problem)) error.native_name = name;
    }
    return std::unexpected(std::move(error));
  }

  const std::string& path_;
  const Wanted wanted_;
  std::deque<std::string> rest_;
  std::string here_ = "/";
  struct stat status_{};
  int links_ = 0;
};

}  // namespace

Result<void> check_trusted_program(const std::string& path) {
  return Walk(path, {.target = Target::program, .groups = Groups::nobody, .also = {}}).run();
}

Result<void> check_service_program(const std::string& path, std::optional<std::uint32_t> as) {
  return Walk(path, {.target = Target::program, .groups = Groups::own, .also = as}).run();
}

Result<void> check_trusted_file(const std::string& path) {
  return Walk(path, {.target = Target::file, .groups = Groups::own, .also = {}}).run();
}

Result<void> check_trusted_path(const std::string& path, std::uint32_t user) {
  auto trusted = Walk(path, {.target = Target::anything,
                             .groups = Groups::nobody,
                             .also = {},
                             .user = user,
                             .whose = "user " + std::to_string(user)})
                     .run();
  // What was passed on the way was looked at: nobody else can put something there.
  if (trusted || trusted.error().native_code == ENOENT) return {};
  const std::string& detail = trusted.error().detail;
  return fail(ErrorKind::access_denied,
              "'" + path + "' could be changed by others: " + detail.substr(detail.find(": ") + 2));
}

Result<void> check_trusted_directory(const std::string& path, bool groups_may_write) {
  const Groups groups = groups_may_write ? Groups::any : Groups::own;
  return Walk(path, {.target = Target::directory, .groups = groups, .also = {}}).run();
}

}  // namespace noforce
