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

class Walk {
 public:
  Walk(const std::string& program, uid_t user, std::string whose)
      : program_(program), user_(user), whose_(std::move(whose)) {}

  // Where it can be executed, too.
  Result<void> to_program() {
    if (auto trusted = to_the_end(); !trusted) return trusted;
    if (!S_ISREG(status_.st_mode)) return refuse(here_ + " is no regular file");
    if (::access(here_.c_str(), X_OK) != 0) return refuse(here_ + " cannot be executed", errno);
    return {};
  }

  Result<void> to_the_end() {
    if (program_.empty() || program_.front() != '/') return refuse("is no absolute path");
    push_components(rest_, program_);
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
    if (status_.st_uid != 0 && status_.st_uid != user_) {
      return refuse(path + " belongs to neither root nor " + whose_);
    }
    // A link has no mode of its own; who may replace it is said by its directory.
    if (S_ISLNK(status_.st_mode) || (status_.st_mode & 0022) == 0) return {};
    if (S_ISDIR(status_.st_mode) && (status_.st_mode & S_ISVTX) != 0) return {};
    return refuse(path + " can be written by group or others; chmod go-w it");
  }

  [[nodiscard]] std::unexpected<Error> refuse(const std::string& why, int problem = 0) const {
    Error error;
    error.kind = ErrorKind::hook_failed;
    error.detail = "'" + program_ + "' is not run: " + why;
    if (problem != 0) {
      error.detail += std::string(": ") + std::strerror(problem);
      error.native_code = problem;
      if (const char* const name = ::strerrorname_np(problem)) error.native_name = name;
    }
    return std::unexpected(std::move(error));
  }

  const std::string& program_;
  const uid_t user_;
  const std::string whose_;
  std::deque<std::string> rest_;
  std::string here_ = "/";
  struct stat status_{};
  int links_ = 0;
};

}  // namespace

Result<void> check_trusted_program(const std::string& path) {
  return Walk(path, ::geteuid(), "the agent's user").to_program();
}

Result<void> check_trusted_path(const std::string& path, std::uint32_t user) {
  auto trusted = Walk(path, user, "user " + std::to_string(user)).to_the_end();
  // What was passed on the way was looked at: nobody else can put something there.
  if (trusted || trusted.error().native_code == ENOENT) return {};
  const std::string& detail = trusted.error().detail;
  return fail(ErrorKind::access_denied,
              "'" + path + "' could be changed by others: " + detail.substr(detail.find(": ") + 2));
}

}  // namespace noforce
