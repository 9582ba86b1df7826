// The agent whose face runs as a user of its own: what it can do, what it cannot, and what becomes of
// it all when any of its processes is ended by force. Real processes; the tests that need root say so.

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/handover.hpp"
#include "agent/privileges.hpp"
#include "config/machine.hpp"
#include "core/fd.hpp"
#include "tests/agent/program.hpp"
#include "tests/agent/temporary_directory.hpp"

namespace noforce::agent {
namespace {

using test::content_of;
using test::eventually;
using test::Outcome;
using test::processes_with;
using test::run;
using test::ServedAgent;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr std::uint32_t kFace = 61'234;  // a number that no user of this machine has
constexpr mode_t kMayBePassed = 0711;
constexpr mode_t kReadable = 0644;

// "Uid" of /proc/PID/status, and its like.
std::string status_of(pid_t pid, const std::string& key) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/status");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key + ":\t")) continue;
    return line.substr(key.size() + 2);
  }
  return {};
}

std::string user_of(pid_t pid) {
  const std::string all = status_of(pid, "Uid");
  return all.substr(0, all.find('\t'));
}

// What a child of this process answers; it can do with its rights what it likes.
int in_a_child(const std::function<int()>& what) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(what());
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

class AnAgentWithAUser : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can give the agent a user of its own";
    ::chmod(dir.path().c_str(), kMayBePassed);
  }
  // A service that does nothing and ends on SIGTERM; its file tells it from everybody else's.
  [[nodiscard]] std::string sleeper(const std::string& name, const std::string& more = {}) const {
    std::ofstream(mark(name)).put('\n');
    ::chmod(mark(name).c_str(), kReadable);
    return "[[service]]\nname = \"" + name + "\"\ncommand = [\"/usr/bin/tail\", \"-f\", \"" +
           mark(name) + "\"]\n" + more + "\n";
  }
  [[nodiscard]] std::string mark(const std::string& name) const {
    return (dir / "service-") + name + ".";
  }
  // The leak checker looks into a process as a debugger does, and nobody may look into the face.
  AnAgentWithAUser() {
    const char* const options = ::getenv("ASAN_OPTIONS");
    if (options != nullptr)
      ::setenv("ASAN_OPTIONS", (std::string(options) + ":detect_leaks=0").c_str(), 1);
  }

  [[nodiscard]] std::string state() const { return dir / "state"; }
  [[nodiscard]] std::string keeper_dir() const { return dir / "state-keeper"; }
  [[nodiscard]] std::string settings() const { return dir / "settings.toml"; }

  void write_settings(const std::string& services, const std::string& on_exit = "stop",
                      const std::string& user = "user = \"61234\"\n") const {
    dir.write("settings.toml", "[server]\nlisten = \"127.0.0.1:0\"\nstate_dir = \"" + state() +
                                   "\"\n" + user + "[supervisor]\non_exit = \"" + on_exit + "\"\n" +
                                   services);
    ::chmod(settings().c_str(), kReadable);
  }
  void init() const {
    const Outcome made = run({"init", "--config", settings()});
    ASSERT_EQ(made.status, 0) << made.err;
  }
  // The face: the opener's only child.
  [[nodiscard]] static pid_t face_of(const ServedAgent& agent) {
    const std::string pid = std::to_string(agent.pid());
    std::istringstream children(content_of("/proc/" + pid + "/task/" + pid + "/children"));
    pid_t face = 0;
    children >> face;
    return face;
  }
  [[nodiscard]] pid_t keeper() const {
    std::istringstream lock(content_of(keeper_dir() + "/keeper.lock"));
    pid_t pid = 0;
    lock >> pid;
    return pid;
  }
  [[nodiscard]] bool runs(const std::string& service) const {
    return eventually([&] { return processes_with(mark(service)).size() == 1; });
  }
  [[nodiscard]] bool nothing_is_left() const {
    return eventually([&] { return processes_with(dir.path()).empty(); });
  }

  test::TemporaryDirectory dir;
};

TEST_F(AnAgentWithAUser, HasNoRightsAndRunsItsServicesAsWhomTheyShallBe) {
  write_settings(sleeper("root") + sleeper("other", "user = \"nobody\""));
  init();
  ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  const pid_t face = face_of(agent);
  EXPECT_EQ(status_of(face, "Uid"), "61234\t61234\t61234\t61234");
  EXPECT_EQ(status_of(face, "Gid"), "61234\t61234\t61234\t61234");
  EXPECT_THAT(status_of(face, "Groups"), ::testing::AnyOf("", " "));
  for (const std::string set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"})
    EXPECT_EQ(status_of(face, set), "0000000000000000") << set;
  EXPECT_EQ(status_of(face, "NoNewPrivs"), "1");
  EXPECT_EQ(status_of(face, "Seccomp"), "2");

  ASSERT_TRUE(runs("root")) << agent.log();
  ASSERT_TRUE(runs("other")) << agent.log();
  for (const pid_t pid : {agent.pid(), keeper(), processes_with(mark("root")).front()})
    EXPECT_EQ(user_of(pid), "0");
  const pid_t other = processes_with(mark("other")).front();
  EXPECT_EQ(user_of(other), std::to_string(config::find_user("nobody")->uid));
  EXPECT_EQ(status_of(other, "Seccomp"), "0") << "what is refused to the face is not to services";
  EXPECT_EQ(status_of(other, "NoNewPrivs"), "0");

  EXPECT_EQ(agent.end(), 0) << agent.log();
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(AnAgentWithAUser, StartsWhatAReloadBrings) {
  write_settings(sleeper("a"));
  init();
  ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  ASSERT_TRUE(runs("a"));
  write_settings(sleeper("a") + sleeper("b"));
  const Outcome good = run({"reload", "--state-dir", state()});
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("1 new"));
  EXPECT_TRUE(runs("b")) << agent.log();
  EXPECT_EQ(user_of(processes_with(mark("b")).front()), "0");

  write_settings(sleeper("a") + sleeper("c") + "[nonsense]\n");
  agent.signal(SIGHUP);
  EXPECT_TRUE(agent.logs("not reloaded, nothing has changed")) << agent.log();
  write_settings(sleeper("a"), "stop", "user = \"61235\"\n");
  const Outcome other = run({"reload", "--state-dir", state()});
  EXPECT_EQ(other.status, 1);
  EXPECT_THAT(other.err, HasSubstr("cannot change while the agent runs"));
  EXPECT_TRUE(runs("b"));
}

TEST_F(AnAgentWithAUser, GetsItsKeeperBackFromTheOpener) {
  write_settings(sleeper("a"));
  init();
  ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  ASSERT_TRUE(runs("a"));
  const auto service = processes_with(mark("a"));
  const pid_t before = keeper();
  ::kill(before, SIGKILL);
  ASSERT_TRUE(eventually([&] { return keeper() != before && !user_of(keeper()).empty(); }));
  EXPECT_EQ(user_of(keeper()), "0");
  EXPECT_EQ(processes_with(mark("a")), service);
  // And it is the face's again.
  write_settings(sleeper("a") + sleeper("b"));
  ASSERT_TRUE(eventually([&] { return run({"reload", "--state-dir", state()}).status == 0; }));
  EXPECT_TRUE(runs("b")) << agent.log();
  EXPECT_EQ(agent.end(), 0) << agent.log();
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(AnAgentWithAUser, EndsWithItsFaceAndItsServicesRunOn) {
  write_settings(sleeper("a"));
  init();
  std::vector<pid_t> service;
  {
    ServedAgent agent(settings(), state());
    ASSERT_TRUE(agent.is_serving()) << agent.log();
    ASSERT_TRUE(runs("a"));
    service = processes_with(mark("a"));
    ::kill(face_of(agent), SIGKILL);
    EXPECT_EQ(agent.wait(), 128 + SIGKILL) << agent.log();
  }
  EXPECT_EQ(processes_with(mark("a")), service);
  ServedAgent next(settings(), state());
  ASSERT_TRUE(next.is_serving()) << next.log();
  EXPECT_EQ(processes_with(mark("a")), service);
  EXPECT_EQ(next.end(), 0) << next.log();
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(AnAgentWithAUser, IsStartedAgainInAContainerAndStopsItsServicesAtTheEnd) {
  const std::vector<std::string> container{"/usr/bin/unshare", "--pid", "--fork", "--mount-proc"};
  if (in_a_child([] { return ::unshare(CLONE_NEWPID | CLONE_NEWNS); }) != 0) {
    GTEST_SKIP() << "no pid namespaces here";
  }
  write_settings(sleeper("a"), "leave");
  init();
  ServedAgent agent(settings(), state(), container);
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  ASSERT_TRUE(runs("a")) << agent.log();
  const auto service = processes_with(mark("a"));
  // Seen from outside: `unshare` is the one that was started, the opener its child.
  const auto processes = processes_with("serve --config " + settings());
  const auto with = [&](const std::string& user, const std::string& inner) {
    for (const pid_t pid : processes) {
      if (user_of(pid) == user && status_of(pid, "NSpid").ends_with("\t" + inner)) return pid;
    }
    return pid_t{-1};
  };
  const pid_t opener = with("0", "1");
  const pid_t face = with("61234", "2");
  ASSERT_GT(opener, 0);
  ASSERT_GT(face, 0);
  ::kill(face, SIGKILL);
  EXPECT_TRUE(eventually([&] {
    const std::string log = agent.log();
    return log.find("msg=ready") != log.rfind("msg=ready");
  })) << agent.log();
  EXPECT_EQ(processes_with(mark("a")), service) << "the service knows nothing of it";
  ::kill(opener, SIGTERM);
  EXPECT_EQ(agent.wait(), 0) << agent.log();
  EXPECT_THAT(agent.log(), HasSubstr("services=\"are stopped\""));
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(AnAgentWithAUser, EndsWithItsOpenerAndItsServicesRunOn) {
  write_settings(sleeper("a"));
  init();
  std::vector<pid_t> service;
  pid_t face = 0;
  {
    ServedAgent agent(settings(), state());
    ASSERT_TRUE(agent.is_serving()) << agent.log();
    ASSERT_TRUE(runs("a"));
    service = processes_with(mark("a"));
    face = face_of(agent);
    agent.signal(SIGKILL);
    EXPECT_EQ(agent.wait(), 128 + SIGKILL);
  }
  // At once, as a service manager would: it waits for the old face's end.
  ServedAgent next(settings(), state());
  ASSERT_TRUE(next.is_serving()) << next.log();
  EXPECT_THAT(status_of(face, "State"), ::testing::AnyOf("", ::testing::StartsWith("Z")));
  EXPECT_EQ(processes_with(mark("a")), service);
  EXPECT_EQ(next.end(), 0) << next.log();
  EXPECT_TRUE(nothing_is_left());
}

TEST_F(AnAgentWithAUser, IsAloneAndDoesNotServeBeforeInit) {
  write_settings(sleeper("a"));
  const Outcome early = run({"serve", "--config", settings()});
  EXPECT_EQ(early.status, 1);
  EXPECT_THAT(early.err, HasSubstr("noforce init --state-dir " + state()));
  EXPECT_THAT(processes_with(dir.path()), IsEmpty()) << "it left something behind";
  std::filesystem::remove_all(state());

  init();
  const ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  const Outcome second = run({"serve", "--config", settings()});
  EXPECT_EQ(second.status, 4) << second.err;
  EXPECT_THAT(second.err, HasSubstr("pid " + std::to_string(agent.pid())));
  EXPECT_TRUE(runs("a"));
}

TEST_F(AnAgentWithAUser, TellsItsServiceManagerHowItIs) {
  // The messages must come from the process that the manager started.
  write_settings("");
  init();
  const std::string name = dir / "notify";
  const int socket = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  name.copy(address.sun_path, sizeof address.sun_path - 1);
  ASSERT_EQ(::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const int on = 1;
  ASSERT_EQ(::setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof on), 0);
  ServedAgent agent(
      settings(), state(),
      {"/bin/sh", "-c",
       "NOTIFY_SOCKET=" + name + " WATCHDOG_USEC=2000000 WATCHDOG_PID=$$ exec \"$0\" \"$@\""});
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  std::vector<std::string> said;
  const auto listen = [&] {
    for (;;) {
      std::array<char, 256> text{};
      alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(ucred))> control{};
      iovec part{.iov_base = text.data(), .iov_len = text.size()};
      msghdr header{};
      header.msg_iov = &part;
      header.msg_iovlen = 1;
      header.msg_control = control.data();
      header.msg_controllen = control.size();
      const ssize_t size = ::recvmsg(socket, &header, MSG_DONTWAIT);
      if (size < 0) return;
      ucred sender{};
      ::memcpy(&sender, CMSG_DATA(CMSG_FIRSTHDR(&header)), sizeof sender);
      EXPECT_EQ(sender.pid, agent.pid());
      said.emplace_back(text.data(), static_cast<std::size_t>(size));
    }
  };
  EXPECT_TRUE(eventually([&] {
    listen();
    return said.size() >= 2;
  })) << "no word to the watchdog";
  EXPECT_EQ(agent.end(), 0);
  listen();
  ::close(socket);
  ASSERT_GE(said.size(), 3);
  EXPECT_EQ(said.front(), "READY=1\nSTATUS=Serving");
  EXPECT_EQ(said.at(1), "WATCHDOG=1");
  EXPECT_EQ(said.back(), "STOPPING=1\nSTATUS=Ending");
}

TEST_F(AnAgentWithAUser, IsEndedAsAWholeByTheSignalForAnAgentThatHangs) {
  // Else a face that hangs would keep the state directory from the next one.
  write_settings("");
  init();
  ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  agent.signal(SIGABRT);
  EXPECT_EQ(agent.wait(), 128 + SIGABRT);
  ServedAgent next(settings(), state());
  EXPECT_TRUE(next.is_serving()) << next.log();
}

TEST_F(AnAgentWithAUser, RunsNoProgramThatItsUserCouldChange) {
  const std::string bin = dir / "bin";
  std::filesystem::create_directory(bin);
  std::filesystem::copy_file("/usr/bin/tail", bin + "/tail");
  ASSERT_EQ(::chown(bin.c_str(), kFace, kFace), 0);
  write_settings("");
  init();
  write_settings("[[service]]\nname = \"a\"\ncommand = [\"" + bin +
                 "/tail\", \"-f\", \"/dev/null\"]\n");
  const Outcome refused = run({"serve", "--config", settings()});
  EXPECT_NE(refused.status, 0);
  EXPECT_THAT(refused.err, HasSubstr("'" + bin + "/tail' is not run: " + bin +
                                     " belongs to somebody other than root"));
}

TEST_F(AnAgentWithAUser, SaysThatItsUserMustBeAbleToReadTheSettings) {
  write_settings("");
  init();
  ::chmod(settings().c_str(), 0600);
  const Outcome refused = run({"serve", "--config", settings()});
  EXPECT_NE(refused.status, 0);
  EXPECT_THAT(refused.err, HasSubstr(settings() + ": cannot be read"));
}

TEST_F(AnAgentWithAUser, TakesOverWhatAnAgentWithoutOneLeft) {
  write_settings(sleeper("a"), "stop", "");
  init();
  {
    ServedAgent plain(settings(), state());
    ASSERT_TRUE(plain.is_serving()) << plain.log();
    ASSERT_TRUE(runs("a"));
    write_settings(sleeper("a"));
    const Outcome early = run({"serve", "--config", settings()});
    EXPECT_NE(early.status, 0);
    EXPECT_THAT(early.err, HasSubstr("a keeper without 'user' still runs")) << early.err;
    EXPECT_EQ(plain.end(), 0) << plain.log();
  }
  std::ofstream(state() + "/mine").put('\n');
  const Outcome foreign = run({"serve", "--config", settings()});
  EXPECT_NE(foreign.status, 0);
  EXPECT_THAT(foreign.err, HasSubstr(state() + "/mine is nothing that noforce made"));
  std::filesystem::remove(state() + "/mine");

  ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  EXPECT_TRUE(runs("a")) << agent.log();
  EXPECT_TRUE(std::filesystem::exists(keeper_dir() + "/logs/a.log"));
  EXPECT_FALSE(std::filesystem::exists(state() + "/logs"));
  EXPECT_EQ(run({"audit", "verify", "--state-dir", state()}).status, 0);
}

TEST_F(AnAgentWithAUser, CannotTouchWhatIsRoots) {
  const config::User user{.name = {}, .uid = kFace, .gid = kFace};
  ASSERT_TRUE(prepare_for_face(state(), keeper_dir(), user));
  std::ofstream(keeper_dir() + "/record").put('\n');
  EXPECT_EQ(in_a_child([&] {
              if (!drop_privileges(user, false)) return 1;
              if (std::ofstream(state() + "/mine").put('\n').fail()) return 2;
              if (!std::ofstream(keeper_dir() + "/mine").fail()) return 3;
              if (::unlink((keeper_dir() + "/record").c_str()) == 0) return 4;
              if (::rename(keeper_dir().c_str(), (dir / "other").c_str()) == 0) return 5;
              if (::setuid(0) == 0 || ::seteuid(0) == 0 || ::setgid(0) == 0) return 6;
              if (::kill(::getppid(), 0) == 0) return 7;
              return 0;
            }),
            0);
  // A directory that somebody else decides on is nobody's to trust.
  const std::string loose = dir / "loose";
  std::filesystem::create_directory(loose);
  ASSERT_EQ(::chown(loose.c_str(), kFace, kFace), 0);
  const auto refused = prepare_for_face(state(), loose + "/keeper", user);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().detail, HasSubstr("could be changed by others"));
  const auto as_little = prepare_for_face(loose + "/state", keeper_dir(), user);
  ASSERT_FALSE(as_little) << "root makes nothing where the face's user decides";
  EXPECT_THAT(as_little.error().detail, HasSubstr("could be changed by others"));
  EXPECT_FALSE(std::filesystem::exists(loose + "/state"));
}

TEST_F(AnAgentWithAUser, GivesItsFaceNothingThatTheStarterLeftOpen) {
  write_settings("");
  init();
  const std::string secret = dir / "secret";
  std::ofstream(secret).put('\n');
  const Fd left_open(::open(secret.c_str(), O_RDONLY));  // without O_CLOEXEC
  ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  const auto holds = [&secret](pid_t pid) {
    for (const auto& entry :
         std::filesystem::directory_iterator("/proc/" + std::to_string(pid) + "/fd")) {
      std::error_code gone;
      if (std::filesystem::read_symlink(entry.path(), gone) == secret) return true;
    }
    return false;
  };
  EXPECT_TRUE(holds(agent.pid())) << "else this shows nothing";
  EXPECT_FALSE(holds(face_of(agent)));
  EXPECT_EQ(agent.end(), 0) << agent.log();
}

TEST_F(AnAgentWithAUser, IsNotAdministeredByRootInItsOwnDirectory) {
  // Where the user could have put a link in the way.
  write_settings("");
  init();
  const config::User user{.name = {}, .uid = kFace, .gid = kFace};
  ASSERT_TRUE(prepare_for_face(state(), keeper_dir(), user));
  const std::vector<std::vector<std::string>> all{
      {"cert", "renew"}, {"backup", dir / "copy"}, {"token", "list"}, {"init"}};
  for (std::vector<std::string> words : all) {
    words.insert(words.end(), {"--state-dir", state()});
    const Outcome refused = run(words);
    EXPECT_NE(refused.status, 0) << words.front();
    EXPECT_THAT(refused.err, HasSubstr("belongs to user 61234")) << words.front();
  }
  EXPECT_FALSE(std::filesystem::exists(dir / "copy"));
}

// System calls -------------------------------------------------------------------------------------

TEST(RefusedCalls, AreAnsweredWithEPERMThoughTheProcessIsRoot) {
  if (::geteuid() != 0) GTEST_SKIP() << "only for root does their refusal show";
  const auto is_refused = [](const std::function<long()>& call) {
    return in_a_child([&] {
      if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !refuse_dangerous_calls()) return 1;
      errno = 0;
      return call() == -1 && errno == EPERM ? 0 : 2;
    });
  };
  EXPECT_EQ(is_refused([] { return ::ptrace(PTRACE_TRACEME, 0, 0, 0); }), 0);
  EXPECT_EQ(is_refused([] { return ::unshare(CLONE_NEWUSER); }), 0);
  EXPECT_EQ(is_refused([] { return ::mount("none", "/", "tmpfs", 0, ""); }), 0);
  for (const long number :
       {SYS_bpf, SYS_userfaultfd, SYS_keyctl, SYS_setns, SYS_open_by_handle_at, SYS_reboot,
        SYS_init_module, SYS_kexec_load, SYS_perf_event_open, SYS_process_vm_readv, SYS_swapon,
        SYS_settimeofday, SYS_io_uring_setup, SYS_pidfd_getfd}) {
    EXPECT_EQ(is_refused([number] { return ::syscall(number, 0, 0, 0, 0, 0, 0); }), 0) << number;
  }
  EXPECT_EQ(is_refused([] { return ::syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0); }),
            0);
}

TEST(RefusedCalls, LeaveThreadsAndProgramsAsTheyAre) {
  EXPECT_EQ(in_a_child([] {
              if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !refuse_dangerous_calls()) {
                return 1;
              }
              bool ran = false;
              std::thread([&] { ran = true; }).join();
              std::string shell = "/bin/sh";
              std::string option = "-c";
              std::string line = "ls / | wc -l > /dev/null && exit 42";
              char* argv[] = {shell.data(), option.data(), line.data(), nullptr};
              pid_t pid = 0;
              if (!ran || ::posix_spawn(&pid, argv[0], nullptr, nullptr, argv, environ) != 0) {
                return 2;
              }
              int status = 0;
              ::waitpid(pid, &status, 0);
              return WIFEXITED(status) ? WEXITSTATUS(status) : 3;
            }),
            42);
}

}  // namespace
}  // namespace noforce::agent
