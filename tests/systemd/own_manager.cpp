#include "tests/systemd/own_manager.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <utility>

#include <gtest/gtest.h>

extern char** environ;

namespace noforce::systemd::testing {
namespace {

namespace fs = std::filesystem;

constexpr std::chrono::seconds kBroken{30};  // only a broken machine waits for so long
constexpr const char* kSystemd = "/lib/systemd/systemd";

// Every hierarchy that is mounted: one (v2), or one a controller.
std::vector<std::string> hierarchies() {
  const fs::path root = "/sys/fs/cgroup";
  std::error_code bad;
  if (fs::exists(root / "cgroup.procs", bad)) return {root.string()};
  std::vector<std::string> out;
  for (const auto& each : fs::directory_iterator(root, bad)) {
    if (fs::exists(each.path() / "cgroup.procs", bad)) out.push_back(each.path().string());
  }
  return out;
}

// Into a control group of its own, so that a unit of this manager and one of the same name of
// another manager have nothing in common. Where that is not allowed the test goes on without.
void enter_cgroup(const std::string& name) {
  for (const auto& hierarchy : hierarchies()) {
    const std::string path = hierarchy + "/" + name;
    ::mkdir(path.c_str(), 0755);
    // cpuset wants to be told what it inherits.
    for (const char* file : {"cpuset.cpus", "cpuset.mems"}) {
      std::ifstream from(hierarchy + "/" + file);
      std::ofstream to(path + "/" + file);
      if (from && to) to << from.rdbuf();
    }
    std::ofstream procs(path + "/cgroup.procs");
    procs << ::getpid() << std::endl;
  }
}

[[noreturn]] void cannot(const char* what) {
  std::fprintf(stderr, "the test's systemd: %s: %s\n", what, std::strerror(errno));
  ::_exit(1);
}

pid_t spawn(const std::vector<std::string>& arguments, const std::vector<std::string>& environment,
            int output) {
  std::vector<char*> argv;
  for (const auto& each : arguments)
    argv.push_back(const_cast<char*>(each.c_str()));
  argv.push_back(nullptr);
  std::vector<char*> env;
  for (const auto& each : environment)
    env.push_back(const_cast<char*>(each.c_str()));
  env.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, output, 1);
  posix_spawn_file_actions_adddup2(&actions, output, 2);
  pid_t pid = -1;
  const int failed = ::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), env.data());
  posix_spawn_file_actions_destroy(&actions);
  return failed == 0 ? pid : -1;
}

std::vector<std::string> environment_of(const std::string& folder) {
  const std::string run = folder + "/run";
  const char* path = std::getenv("PATH");
  return {"PATH=" + std::string(path == nullptr ? "/usr/bin:/bin" : path),
          "HOME=" + folder,
          "XDG_RUNTIME_DIR=" + run,
          "XDG_CONFIG_HOME=" + folder + "/config",
          "XDG_DATA_HOME=" + folder + "/data",
          "DBUS_SESSION_BUS_ADDRESS=unix:path=" + run + "/systemd/private",
          "SYSTEMD_UNIT_PATH=" + folder + "/units:" + run + "/systemd/user:" + run +
              "/systemd/transient",
          "SYSTEMD_LOG_LEVEL=warning"};
}

bool eventually(const std::function<bool()>& true_now) {
  const auto until = std::chrono::steady_clock::now() + kBroken;
  while (!true_now()) {
    if (std::chrono::steady_clock::now() > until) return false;
    ::poll(nullptr, 0, 5);
  }
  return true;
}

}  // namespace

int become_manager(const std::string& folder, const std::string& cgroup) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  enter_cgroup(cgroup);
  if (::unshare(CLONE_NEWNS) != 0) cannot("unshare (the test needs root)");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
    cannot("mount --make-rprivate");
  ::mkdir("/run/systemd", 0755);
  if (::mount("tmpfs", "/run/systemd", "tmpfs", 0, "mode=755") != 0) cannot("mount tmpfs");
  if (::mkdir("/run/systemd/system", 0755) != 0) cannot("mkdir");
  ::umask(022);
  ::chdir(folder.c_str());
  ::execl(kSystemd, kSystemd, "--user", "--unit=basic.target", nullptr);
  cannot(kSystemd);
}

OwnManager::OwnManager() {
  static std::atomic<int> count{0};
  std::string pattern = (fs::temp_directory_path() / "noforce-systemd-XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
  cgroup_ = "noforce-test-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  for (const char* each : {"/run", "/units", "/config", "/state"})
    fs::create_directories(folder_ + each);
  fs::permissions(runtime_dir(), fs::perms::owner_all);
  write_unit("basic.target", "[Unit]\nDescription=Basic\n");
  start();
}

OwnManager::~OwnManager() {
  // Its processes first: they hang, as the tests told them to.
  kill();
  clear_cgroup();
  std::error_code ignored;
  fs::remove_all(folder_, ignored);
}

void OwnManager::start() {
  const int log =
      ::open((folder_ + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  pid_ = spawn({"/proc/self/exe", "--manager", folder_, cgroup_}, environment_of(folder_), log);
  ::close(log);
  if (!eventually([this] { return answers(); })) {
    std::ifstream in(folder_ + "/log");
    const std::string text((std::istreambuf_iterator<char>(in)), {});
    ADD_FAILURE() << "the test's systemd does not answer: " << text;
  }
}

bool OwnManager::answers() const {
  if (::access((runtime_dir() + "/systemd/private").c_str(), F_OK) != 0) return false;
  return systemctl({"is-active", "basic.target"}).text == "active\n";
}

void OwnManager::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
  ::unlink((runtime_dir() + "/systemd/private").c_str());
}

void OwnManager::clear_cgroup() const {
  for (const auto& hierarchy : hierarchies()) {
    const fs::path root = hierarchy + "/" + cgroup_;
    std::error_code bad;
    if (!fs::exists(root, bad)) continue;
    const auto groups = [&root] {
      std::error_code ignored;
      std::vector<fs::path> out{root};
      for (const auto& each : fs::recursive_directory_iterator(root, ignored)) {
        if (each.is_directory(ignored)) out.push_back(each.path());
      }
      return out;
    };
    const bool gone = eventually([&] {
      auto all = groups();
      for (const auto& group : all) {
        std::ifstream procs(group / "cgroup.procs");
        for (pid_t pid = 0; procs >> pid;)
          ::kill(pid, SIGKILL);
      }
      for (auto at = all.rbegin(); at != all.rend(); ++at)
        ::rmdir(at->c_str());
      return !fs::exists(root, bad);
    });
    if (!gone) ADD_FAILURE() << root << " cannot be cleared";
  }
}

void OwnManager::write_unit(const std::string& name, const std::string& text) const {
  std::ofstream(folder_ + "/units/" + name) << text;
}

void OwnManager::remove_unit(const std::string& name) const {
  fs::remove(folder_ + "/units/" + name);
}

OwnManager::Output OwnManager::systemctl(const std::vector<std::string>& arguments) const {
  std::array<int, 2> ends{-1, -1};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {};
  std::vector<std::string> all{"systemctl", "--user", "--no-pager", "--no-ask-password"};
  all.insert(all.end(), arguments.begin(), arguments.end());
  const pid_t pid = spawn(all, environment_of(folder_), ends[1]);
  ::close(ends[1]);
  Output out;
  std::array<char, 4096> buffer{};
  for (ssize_t got = 0; (got = ::read(ends[0], buffer.data(), buffer.size())) > 0;)
    out.text.append(buffer.data(), static_cast<std::size_t>(got));
  ::close(ends[0]);
  int status = 0;
  if (pid > 0 && ::waitpid(pid, &status, 0) == pid && WIFEXITED(status)) {
    out.status = WEXITSTATUS(status);
  }
  return out;
}

void OwnManager::daemon_reload() const {
  const Output out = systemctl({"daemon-reload"});
  EXPECT_EQ(out.status, 0) << out.text;
}

std::string OwnManager::show(const std::string& unit, const std::string& property) const {
  std::string text = systemctl({"show", "--value", "-p", property, unit}).text;
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text;
}

void OwnManager::reexecute() const {
  const Output out = systemctl({"daemon-reexec"});
  EXPECT_EQ(out.status, 0) << out.text;
}

std::vector<std::string> OwnManager::drop_ins() const {
  std::vector<std::string> out;
  std::error_code bad;
  for (const auto& each : fs::recursive_directory_iterator(unit_runtime_dir(), bad)) {
    if (each.is_regular_file(bad)) out.push_back(each.path().string());
  }
  return out;
}

}  // namespace noforce::systemd::testing
