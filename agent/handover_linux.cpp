#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/files.hpp"
#include "agent/handover.hpp"
#include "core/fd.hpp"
#include "core/trusted_program.hpp"

namespace noforce::agent {
namespace {

constexpr std::uint32_t root = 0;
constexpr mode_t may_be_passed = 0711;
constexpr mode_t own = 0700;

// What noforce makes in its state directory, for the face and for the keeper.
constexpr auto of_the_face =
    std::to_array<std::string_view>({"noforce.db", "agent.", "admin.", "client", "tls"});
constexpr auto folders_of_the_keeper = std::to_array<const char*>({"keeper", "logs"});
constexpr auto files_of_the_keeper = std::to_array<const char*>({"keeper.lock", "keeper.sock"});

Fd open_folder(int parent, const std::string& name) {
  return Fd(::openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
}

// Opened, and made where it is missing.
Result<Fd> make_folder(const std::string& path, mode_t mode) {
  std::error_code error;
  const auto parent = std::filesystem::path(path).parent_path();
  if (!std::filesystem::exists(parent, error)) {
    const mode_t before = ::umask(022);  // the directories above are as anybody else's
    std::filesystem::create_directories(parent, error);
    ::umask(before);
    if (error) return system_error("cannot make " + parent.string(), error.value());
  }
  const bool made = ::mkdir(path.c_str(), own) == 0;
  if (!made && errno != EEXIST) return system_error("cannot make " + path, errno);
  Fd folder = open_folder(AT_FDCWD, path);
  if (!folder) return system_error("cannot open the directory " + path, errno);
  if (made && ::fchmod(folder.get(), mode) != 0) {
    return system_error("cannot make " + path, errno);
  }
  return folder;
}

// As above, where root alone decides what lies at this path.
Result<Fd> make_roots_folder(const std::string& path, mode_t mode) {
  if (auto trusted = check_trusted_path(path, root); !trusted) {
    return std::unexpected(trusted.error());
  }
  auto folder = make_folder(path, mode);
  if (!folder) return folder;
  // Whatever was there: it may have been put there before the path was looked at.
  if (auto trusted = check_trusted_path(path, root); !trusted) {
    return std::unexpected(trusted.error());
  }
  return folder;
}

Result<Fd> prepare_keeper_dir(const std::string& path) {
  auto folder = make_roots_folder(path, may_be_passed);
  if (folder && ::fchmod(folder->get(), may_be_passed) != 0) {
    return system_error("cannot set the mode of " + path, errno);
  }
  return folder;
}

bool belongs_to(int folder, const config::User& user) {
  struct stat status{};
  return ::fstat(folder, &status) == 0 && status.st_uid == user.uid;
}

std::vector<std::string> names_in(int folder) {
  std::vector<std::string> names;
  const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(copy < 0 ? nullptr : ::fdopendir(copy),
                                                    ::closedir);
  if (!entries) return names;
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  return names;
}

bool is_among(const auto& list, std::string_view name) {
  return std::ranges::any_of(list, [&](std::string_view one) { return one == name; });
}

bool is_of_the_face(std::string_view name) {
  return std::ranges::any_of(of_the_face,
                             [&](std::string_view begin) { return name.starts_with(begin); });
}

Result<void> check_what_is_there(int state, const std::string& path) {
  for (const std::string& name : names_in(state)) {
    if (is_of_the_face(name) || is_among(folders_of_the_keeper, name) ||
        is_among(files_of_the_keeper, name)) {
      continue;
    }
    return fail(ErrorKind::access_denied,
                path + "/" + name +
                    " is nothing that noforce made; move it away before the "
                    "directory becomes the agent's user's, or name another 'state_dir'");
  }
  const Fd lock(::openat(state, "keeper.lock", O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (lock && ::flock(lock.get(), LOCK_SH | LOCK_NB) != 0) {
    const std::string pid = read_small_file(path + "/keeper.lock", 64).value_or("");
    return fail(ErrorKind::busy,
                "a keeper without 'user' still runs on " + path + " (process " +
                    pid.substr(0, pid.find('\n')) +
                    "). Take 'user' out of the settings once more, stop the services, and end it "
                    "with SIGTERM; then set 'user'");
  }
  return {};
}

// Records and logs go with the keeper: a service that still runs must be known to the next one.
Result<void> move_keepers_part(int state, int keeper, const std::string& to) {
  for (const char* name : files_of_the_keeper)
    (void)::unlinkat(state, name, 0);
  for (const char* name : folders_of_the_keeper) {
    if (::faccessat(state, name, F_OK, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (::renameat2(state, name, keeper, name, RENAME_NOREPLACE) == 0) continue;
    return system_error("cannot move the directory '" + std::string(name) + "' to " + to +
                            "; move it there by hand",
                        errno);
  }
  return {};
}

bool hand_over_all_in(int folder, const config::User& user) {
  for (const std::string& name : names_in(folder)) {
    struct stat status{};
    if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return false;
    if (S_ISDIR(status.st_mode)) {
      const Fd inner = open_folder(folder, name);
      if (!inner || !hand_over_all_in(inner.get(), user)) return false;
    }
    if (::fchownat(folder, name.c_str(), user.uid, user.gid, AT_SYMLINK_NOFOLLOW) != 0) {
      return false;
    }
  }
  return true;
}

}  // namespace

Result<void> prepare_for_face(const std::string& state_dir, const std::string& keeper_dir,
                              const config::User& user) {
  const auto keeper = prepare_keeper_dir(keeper_dir);
  if (!keeper) return std::unexpected(keeper.error());
  if (const Fd there = open_folder(AT_FDCWD, state_dir); there && belongs_to(there.get(), user)) {
    return {};  // nothing in it is root's business any more
  }
  const auto state = make_roots_folder(state_dir, own);
  if (!state) return std::unexpected(state.error());
  struct stat status{};
  if (::fstat(state->get(), &status) != 0) return system_error("cannot see " + state_dir, errno);
  // While it is root's, nobody else can have put anything into it.
  if (status.st_uid != root || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
    return fail(ErrorKind::access_denied,
                state_dir + " has to belong to user " + std::to_string(user.uid) +
                    ", or to root with mode 0700, to be handed over; name another 'state_dir'");
  }
  if (auto good = check_what_is_there(state->get(), state_dir); !good) return good;
  if (auto moved = move_keepers_part(state->get(), keeper->get(), keeper_dir); !moved) return moved;
  // The directory last: until then an interrupted handing over begins anew.
  if (!hand_over_all_in(state->get(), user) || ::fchown(state->get(), user.uid, user.gid) != 0) {
    return system_error("cannot hand " + state_dir + " over to user " + std::to_string(user.uid),
                        errno);
  }
  return {};
}

}  // namespace noforce::agent
