#include "core/scm/supervisor/keeper_files.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <set>
#include <string_view>

#include "core/clock.hpp"
#include "core/scm/supervisor/inherited.hpp"
#include "core/scm/supervisor/keeper_start.hpp"
#include "core/scm/supervisor/process.hpp"
#include "core/scm/supervisor/protocol.hpp"

namespace noforce::supervisor {
namespace {

constexpr const char* kLock = "keeper.lock";
constexpr off_t kLargestLog = 1 << 20;

Fd make_folder(int parent, const char* name) {
  (void)::mkdirat(parent, name, 0700);
  return Fd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
}

std::optional<std::string> read_file(int folder, const std::string& name) {
  const Fd file(::openat(folder, name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat status{};
  if (!file || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size > static_cast<off_t>(kMaxMessage)) {
    return std::nullopt;
  }
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  const ssize_t got = ::read(file.get(), bytes.data(), bytes.size());
  if (got != static_cast<ssize_t>(bytes.size())) return std::nullopt;
  return bytes;
}

// The names NAME of the files NAME.`suffix` in a folder.
std::set<std::string> names_with(int folder, std::string_view suffix) {
  std::set<std::string> names;
  const int copy = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> entries(copy < 0 ? nullptr : ::fdopendir(copy),
                                                    ::closedir);
  if (!entries) return names;
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view file = entry->d_name;
    if (!file.ends_with(suffix)) continue;
    const auto name = file.substr(0, file.size() - suffix.size());
    if (valid_name(name)) names.emplace(name);
  }
  return names;
}

}  // namespace

std::string KeeperFiles::open(const std::string& state_dir) {
  (void)::mkdir(state_dir.c_str(), 0700);
  state_.reset(::open(state_dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!state_) return "cannot open " + state_dir + ": " + errno_sentence(errno);
  lock_ = inherited_file(state(), kLock);
  if (!lock_) {
    lock_.reset(::openat(state(), kLock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  }
  if (!lock_) return "cannot open keeper.lock: " + errno_sentence(errno);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    return std::string(kAnotherKeeper) + " on " + state_dir;
  }
  const std::string pid = std::to_string(::getpid()) + "\n";
  (void)!::ftruncate(lock_.get(), 0);
  (void)!::pwrite(lock_.get(), pid.data(), pid.size(), 0);
  records_ = make_folder(state(), "keeper");
  logs_ = make_folder(state(), "logs");
  null_.reset(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!records_ || !logs_ || !null_) {
    return "cannot open the folders in " + state_dir + ": " + errno_sentence(errno);
  }
  return {};
}

bool KeeperFiles::only_ours() const {
  struct stat status{};
  return ::fstat(state(), &status) == 0 && status.st_uid == ::geteuid() &&
         (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

void KeeperFiles::hand_on_lock(bool hand_on) {
  set_inheritable(lock_.get(), hand_on);
}

std::vector<ServiceSpec> KeeperFiles::load_specs() {
  std::vector<ServiceSpec> specs;
  std::set<std::string> names = names_with(records(), ".spec");
  names.merge(names_with(records(), ".run"));
  for (const auto& name : names) {
    const auto bytes = read_file(records(), name + ".spec");
    auto spec = bytes ? decode_spec(*bytes) : std::unexpected(std::string("it cannot be read"));
    if (spec && spec->name == name) {
      specs.push_back(std::move(*spec));
      continue;
    }
    log(name + ": its definition is lost" + (spec ? "" : ": " + spec.error()));
    ServiceSpec bare;
    bare.name = name;
    specs.push_back(std::move(bare));
  }
  return specs;
}

int KeeperFiles::store_spec(const ServiceSpec& spec) {
  const std::string bytes = encode_spec(spec);
  const std::string name = spec.name + ".spec";
  if (read_file(records(), name) == bytes) return 0;
  const std::string fresh = name + ".new";
  {
    const Fd file(::openat(records(), fresh.c_str(),
                           O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!file) return errno;
    const ssize_t wrote = ::write(file.get(), bytes.data(), bytes.size());
    if (wrote != static_cast<ssize_t>(bytes.size())) return wrote < 0 ? errno : ENOSPC;
  }
  return ::renameat(records(), fresh.c_str(), records(), name.c_str()) == 0 ? 0 : errno;
}

void KeeperFiles::remove(const std::string& name) {
  (void)::unlinkat(records(), (name + ".run").c_str(), 0);
  (void)::unlinkat(records(), (name + ".spec").c_str(), 0);
}

void KeeperFiles::log(const std::string& line) {
  if (!logs_) return;
  struct stat status{};
  if (log_ && (::fstat(log_.get(), &status) != 0 || status.st_size > kLargestLog)) {
    (void)::renameat(logs(), "keeper.log", logs(), "keeper.log.1");
    log_.reset();
  }
  if (!log_) {
    log_.reset(::openat(logs(), "keeper.log",
                        O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600));
  }
  if (!log_) return;
  const std::string text =
      to_rfc3339(std::chrono::floor<Milliseconds>(std::chrono::system_clock::now())) + " " + line +
      "\n";
  (void)!::write(log_.get(), text.data(), text.size());
}

}  // namespace noforce::supervisor
