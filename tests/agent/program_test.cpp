// The finished program: its subcommands, an agent's life from start to end.

#include "tests/agent/program.hpp"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/fd.hpp"
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
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

class TheProgram : public ::testing::Test {
 protected:
  // A service that does nothing and ends on SIGTERM; its file tells it from everybody else's.
  [[nodiscard]] std::string sleeper(const std::string& name, const std::string& more = {}) const {
    std::ofstream(mark(name)).put('\n');
    return "[[service]]\nname = \"" + name + "\"\ncommand = [\"/usr/bin/tail\", \"-f\", \"" +
           mark(name) + "\"]\n" + more + "\n";
  }
  [[nodiscard]] std::string mark(const std::string& name) const {
    return (dir / "service-") + name + ".";
  }
  [[nodiscard]] std::string state() const { return dir / "state"; }
  [[nodiscard]] std::string settings() const { return dir / "settings.toml"; }

  void write_settings(const std::string& services, const std::string& on_exit = "stop") {
    dir.write("settings.toml", "[server]\nlisten = \"127.0.0.1:0\"\nstate_dir = \"" + state() +
                                   "\"\n[supervisor]\non_exit = \"" + on_exit + "\"\n" + services);
  }
  void init() {
    const Outcome made = run({"init", "--config", settings()});
    ASSERT_EQ(made.status, 0) << made.err;
  }

  test::TemporaryDirectory dir;
};

// Subcommands --------------------------------------------------------------------------------------

TEST_F(TheProgram, SaysItsVersionAndHelps) {
  EXPECT_THAT(run({"--version"}).out, StartsWith("noforce 0."));
  const Outcome help = run({"--help"});
  EXPECT_EQ(help.status, 0);
  EXPECT_THAT(help.out, HasSubstr("check-config"));
  EXPECT_THAT(help.out, Not(HasSubstr("keeper"))) << "that is no command for people";
}

TEST_F(TheProgram, EndsWithTwoWhenItIsUsedWrongly) {
  const std::vector<std::vector<std::string>> wrong{
      {},
      {"explode"},
      {"serve", "--bogus"},
      {"token"},
      {"token", "create", "ci"},
      {"token", "create", "ci", "--role", "root"},
      {"token", "create", "ci", "--role", "viewer", "--expires", "soon"},
      {"hold", "on", "--config", "a", "--state-dir", "b"},
      {"audit", "show", "--limit", "0"},
      {"keeper"}};
  for (const auto& words : wrong) {
    const Outcome used = run(words);
    EXPECT_EQ(used.status, 2) << ::testing::PrintToString(words);
    EXPECT_THAT(used.err, Not(IsEmpty())) << ::testing::PrintToString(words);
  }
}

TEST_F(TheProgram, ChecksSettingsAndNamesEveryMistake) {
  write_settings(sleeper("a"));
  const Outcome good = run({"check-config", settings()});
  EXPECT_EQ(good.status, 0);
  EXPECT_EQ(good.out, "ok: 1 services, 0 groups\n");

  write_settings("[jobs]\ndeadline_s = 0\nqueue = 1\n");
  const Outcome bad = run({"check-config", settings()});
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.err, HasSubstr(settings() + ":7:14: 'deadline_s' goes from 1"));
  EXPECT_THAT(bad.err, HasSubstr(settings() + ":8:1: unknown key 'queue'"));
}

TEST_F(TheProgram, MakesEverythingOnceAndNeverOverwritesIt) {
  const Outcome first = run({"init", "--state-dir", state(), "--host", "agent.example.org"});
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_THAT(first.out, HasSubstr("curl --cacert " + state() + "/tls/ca.pem -H @" + state() +
                                   "/admin.header https://"));
  const std::string token = content_of(state() + "/admin.token");
  EXPECT_THAT(token, StartsWith("nf_"));
  EXPECT_THAT(token, HasSubstr("\n# noforce token 'admin' (admin), expires "));
  EXPECT_THAT(first.out, Not(HasSubstr(token.substr(0, token.find('\n'))))) << "the secret";
  EXPECT_EQ(content_of(state() + "/admin.header"),
            "Authorization: Bearer " + token.substr(0, token.find('\n')) + "\n");
  for (const std::string file : {"admin.token", "admin.header", "tls/server.key", "tls/ca.key"}) {
    struct stat status{};
    ASSERT_EQ(::stat((state() + "/" + file).c_str(), &status), 0) << file;
    EXPECT_EQ(status.st_mode & 0777U, 0600U) << file;
  }

  const std::string certificate = content_of(state() + "/tls/server.pem");
  const Outcome second = run({"init", "--state-dir", state()});
  EXPECT_EQ(second.status, 0) << second.err;
  EXPECT_THAT(second.out, HasSubstr("kept"));
  EXPECT_THAT(second.out, Not(HasSubstr("made")));
  EXPECT_EQ(content_of(state() + "/admin.token"), token);
  EXPECT_EQ(content_of(state() + "/tls/server.pem"), certificate);
}

TEST_F(TheProgram, MakesWhatIsMissingAndOnlyThat) {
  ASSERT_EQ(run({"init", "--state-dir", state()}).status, 0);
  const std::string ca = content_of(state() + "/tls/ca.pem");
  std::filesystem::remove(state() + "/admin.token");
  std::filesystem::remove(state() + "/tls/server.pem");
  const Outcome half = run({"init", "--state-dir", state()});
  EXPECT_EQ(half.status, 1);
  EXPECT_THAT(half.err, HasSubstr("server.key is there, but"));

  std::filesystem::remove(state() + "/tls/server.key");
  const Outcome whole = run({"init", "--state-dir", state()});
  EXPECT_EQ(whole.status, 0) << whole.err;
  EXPECT_EQ(content_of(state() + "/tls/ca.pem"), ca);
  EXPECT_THAT(content_of(state() + "/admin.token"), HasSubstr("'admin-2'"));
}

TEST_F(TheProgram, AdministersTokensWithoutAnAgent) {
  ASSERT_EQ(run({"init", "--state-dir", state()}).status, 0);
  const Outcome made = run({"token", "create", "ci", "--role", "operator", "--service", "w3*",
                            "--service", "smtp*", "--expires", "never", "--state-dir", state()});
  EXPECT_EQ(made.status, 0) << made.err;
  EXPECT_THAT(made.out, ::testing::MatchesRegex("nf_[A-Za-z0-9_-]+\n"));
  const Outcome again =
      run({"token", "create", "ci", "--role", "operator", "--state-dir", state()});
  EXPECT_EQ(again.status, 4) << again.err;
  EXPECT_THAT(run({"token", "list", "--state-dir", state()}).out,
              HasSubstr("ci role=operator services=w3*,smtp* actions=all never expires\n"));
  EXPECT_EQ(run({"token", "revoke", "ci", "--state-dir", state()}).status, 0);
  EXPECT_EQ(run({"token", "revoke", "ci", "--state-dir", state()}).status, 4);
  EXPECT_THAT(run({"token", "list", "--state-dir", state()}).out, HasSubstr("revoked"));
  EXPECT_EQ(run({"audit", "verify", "--state-dir", state()}).status, 0);
  EXPECT_THAT(run({"audit", "show", "--state-dir", state()}).out,
              HasSubstr("token.revoked ok local:"));
}

TEST_F(TheProgram, CannotReloadAnAgentThatDoesNotRun) {
  ASSERT_EQ(run({"init", "--state-dir", state()}).status, 0);
  const Outcome none = run({"reload", "--state-dir", state()});
  EXPECT_EQ(none.status, 5);
  EXPECT_THAT(none.err, HasSubstr("no agent runs"));
}

TEST_F(TheProgram, DoesNotServeBeforeInitAndSaysSo) {
  write_settings(sleeper("a"));
  const Outcome served = run({"serve", "--config", settings()});
  EXPECT_EQ(served.status, 1);
  EXPECT_THAT(served.err, HasSubstr("noforce init --state-dir " + state()));
  EXPECT_THAT(processes_with(dir.path()), IsEmpty()) << "it left something behind";
}

TEST_F(TheProgram, DoesNotServeWithMistakesInItsSettings) {
  write_settings("[nonsense]\n");
  const Outcome served = run({"serve", "--config", settings()});
  EXPECT_EQ(served.status, 1);
  EXPECT_THAT(served.err, HasSubstr("unknown section 'nonsense'"));
}

// An agent's life ----------------------------------------------------------------------------------

TEST_F(TheProgram, StartsItsServicesAndStopsThemWithItself) {
  write_settings(sleeper("base") + sleeper("web", "depends_on = [\"base\"]") +
                 sleeper("later", "start = \"manual\""));
  init();
  ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  EXPECT_THAT(agent.address(), StartsWith("127.0.0.1:"));
  EXPECT_TRUE(eventually([&] { return processes_with(mark("web")).size() == 1; })) << agent.log();
  EXPECT_THAT(processes_with(mark("base")), SizeIs(1));
  EXPECT_THAT(processes_with(mark("later")), IsEmpty());

  EXPECT_EQ(agent.end(), 0) << agent.log();
  EXPECT_TRUE(eventually([&] { return processes_with(dir.path()).empty(); })) << "and its keeper";
  EXPECT_FALSE(std::filesystem::exists(state() + "/agent.address"));
  EXPECT_FALSE(std::filesystem::exists(state() + "/agent.sock"));
}

TEST_F(TheProgram, BringsBackWhatItStoppedForItsOwnEnd) {
  write_settings(sleeper("a"));
  init();
  for (int life = 0; life < 2; ++life) {
    ServedAgent agent(settings(), state());
    ASSERT_TRUE(agent.is_serving()) << agent.log();
    EXPECT_TRUE(eventually([&] { return processes_with(mark("a")).size() == 1; })) << life;
    EXPECT_EQ(agent.end(), 0) << agent.log();
  }
}

TEST_F(TheProgram, LeavesItsServicesRunningAndFindsThemAgain) {
  write_settings(sleeper("a"), "leave");
  init();
  std::vector<pid_t> first;
  {
    ServedAgent agent(settings(), state());
    ASSERT_TRUE(agent.is_serving()) << agent.log();
    ASSERT_TRUE(eventually([&] { return processes_with(mark("a")).size() == 1; })) << agent.log();
    first = processes_with(mark("a"));
    EXPECT_EQ(agent.end(), 0) << agent.log();
  }
  EXPECT_EQ(processes_with(mark("a")), first);

  write_settings(sleeper("a"), "stop");
  ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  EXPECT_EQ(processes_with(mark("a")), first);
  EXPECT_EQ(agent.end(), 0) << agent.log();
  EXPECT_TRUE(eventually([&] { return processes_with(dir.path()).empty(); }));
}

TEST_F(TheProgram, IsAloneOnItsStateDirectory) {
  write_settings("");
  init();
  const ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  const Outcome second = run({"serve", "--config", settings()});
  EXPECT_EQ(second.status, 4);
  EXPECT_THAT(second.err, HasSubstr("pid " + std::to_string(agent.pid())));
  const Outcome again = run({"init", "--config", settings()});
  EXPECT_EQ(again.status, 4);
  EXPECT_THAT(again.err, HasSubstr("works only while none runs"));
}

TEST_F(TheProgram, TakesUpChangedSettingsAndRefusesBrokenOnes) {
  write_settings(sleeper("a"));
  init();
  ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();

  write_settings(sleeper("a") + sleeper("b"));
  const Outcome good = run({"reload", "--config", settings()});
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_THAT(good.out, HasSubstr("1 new (b), 0 changed, 0 taken out"));
  EXPECT_TRUE(eventually([&] { return processes_with(mark("b")).size() == 1; })) << agent.log();

  write_settings(sleeper("a") + "[nonsense]\n");
  const Outcome bad = run({"reload", "--state-dir", state()});
  EXPECT_EQ(bad.status, 1);
  EXPECT_THAT(bad.err, HasSubstr("unknown section 'nonsense'"));
  agent.signal(SIGHUP);
  EXPECT_TRUE(agent.logs("not reloaded, nothing has changed")) << agent.log();
  EXPECT_THAT(processes_with(mark("b")), SizeIs(1));

  // Taken out, it keeps running; the agent's end stops it all the same.
  write_settings(sleeper("a"));
  agent.signal(SIGHUP);
  EXPECT_TRUE(agent.logs("0 new, 0 changed, 1 taken out (b)")) << agent.log();
  EXPECT_THAT(processes_with(mark("b")), SizeIs(1));
  EXPECT_EQ(agent.end(), 0) << agent.log();
  EXPECT_TRUE(eventually([&] { return processes_with(dir.path()).empty(); }));
}

TEST_F(TheProgram, ThatCannotListenBeginsNothing) {
  const ::noforce::Fd taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  ASSERT_EQ(::bind(taken.get(), reinterpret_cast<const sockaddr*>(&name), size), 0);
  ASSERT_EQ(::listen(taken.get(), 1), 0);
  ::getsockname(taken.get(), reinterpret_cast<sockaddr*>(&name), &size);
  write_settings(sleeper("a"));
  init();
  const std::string port = std::to_string(ntohs(name.sin_port));
  dir.write("settings.toml", "[server]\nlisten = \"127.0.0.1:" + port + "\"\nstate_dir = \"" +
                                 state() + "\"\n" + sleeper("a"));
  const Outcome ended = run({"serve", "--config", settings()});
  EXPECT_EQ(ended.status, 1);
  EXPECT_THAT(ended.err, HasSubstr("cannot listen on 127.0.0.1 port " + port));
  EXPECT_FALSE(std::filesystem::exists(state() + "/keeper.sock"));
  EXPECT_THAT(processes_with(mark("a")), IsEmpty());
}

TEST_F(TheProgram, ChecksTheFilesThatTheTlsSettingsName) {
  write_settings("");
  init();
  const auto copy = [this](const std::string& from, const std::string& to) {
    std::filesystem::copy_file(state() + "/tls/" + from, dir / to,
                               std::filesystem::copy_options::overwrite_existing);
  };
  const auto checked = [this] { return run({"check-config", settings()}); };
  dir.write("settings.toml", "[tls]\ncertificate = \"own.pem\"\nkey = \"own.key\"\n");

  const Outcome missing = checked();
  EXPECT_EQ(missing.status, 1);
  EXPECT_THAT(missing.err, HasSubstr("settings.toml:2:15: "));
  EXPECT_THAT(missing.err, HasSubstr("own.pem"));

  copy("server.pem", "own.pem");
  copy("ca.key", "own.key");
  const Outcome other = checked();
  EXPECT_EQ(other.status, 1);
  EXPECT_THAT(other.err, HasSubstr("settings.toml:3:7: The key "));
  EXPECT_THAT(other.err, HasSubstr("is not that of the certificate"));

  copy("server.key", "own.key");
  const Outcome good = checked();
  EXPECT_EQ(good.status, 0) << good.err;
  EXPECT_THAT(good.err, IsEmpty());

  ::chmod((dir / "own.key").c_str(), 0644);
  const Outcome open = checked();
  EXPECT_EQ(open.status, 0) << open.err;
  EXPECT_THAT(open.err,
              HasSubstr("settings.toml:3:7: warning: everybody on this machine can read"));

  copy("ca.pem", "own.key");
  EXPECT_THAT(checked().err, HasSubstr("settings.toml:3:7: The key "));
}

TEST_F(TheProgram, AdministersARunningAgent) {
  write_settings("");
  init();
  const ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  EXPECT_THAT(run({"hold", "on", "--reason", "freeze", "--config", settings()}).out,
              HasSubstr("hold: on since"));
  EXPECT_THAT(run({"hold", "status", "--config", settings()}).out, HasSubstr("freeze"));
  EXPECT_EQ(run({"hold", "off", "--config", settings()}).out, "hold: off\n");
  EXPECT_EQ(run({"token", "create", "ci", "--role", "viewer", "--config", settings()}).status, 0);
  EXPECT_THAT(run({"token", "list", "--config", settings()}).out, HasSubstr("ci role=viewer"));
  EXPECT_THAT(run({"audit", "show", "--config", settings()}).out, HasSubstr("agent.started"));
  const Outcome renewed = run({"cert", "renew", "--config", settings()});
  EXPECT_EQ(renewed.status, 0) << renewed.err;
  EXPECT_THAT(renewed.out, HasSubstr("has taken it up"));
}

TEST_F(TheProgram, KeepsAHoldOverItsEndAndStartsWhatWasDueWhenItIsReleased) {
  write_settings(sleeper("a"));
  init();
  ASSERT_EQ(run({"hold", "on", "--config", settings()}).status, 0);
  ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  EXPECT_TRUE(agent.logs("was refused")) << agent.log();
  EXPECT_THAT(processes_with(mark("a")), IsEmpty());
  ASSERT_EQ(run({"hold", "off", "--config", settings()}).status, 0);
  EXPECT_TRUE(eventually([&] { return processes_with(mark("a")).size() == 1; })) << agent.log();
  EXPECT_EQ(agent.end(), 0) << agent.log();
}

TEST_F(TheProgram, WaitsForASlowServiceAndLeavesItWhenItIsToldAgain) {
  // Asked to stop, it waits for a file; it says with another that it can be asked.
  const std::string go = dir / "go";
  const std::string ready = dir / "ready";
  write_settings(
      "[[service]]\nname = \"slow\"\ncommand = [\"/bin/sh\", \"-c\", \"trap 'while [ ! "
      "-e " +
      go + " ]; do sleep 0.05; done; exit 0' TERM; : > " + ready +
      "; while :; do sleep 0.05; done\"]\n");
  init();
  ServedAgent agent(settings(), state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  ASSERT_TRUE(eventually([&] { return std::filesystem::exists(ready); })) << agent.log();

  agent.signal(SIGTERM);
  EXPECT_EQ(agent.wait(Milliseconds(500)), -1) << "it waits for the service\n" << agent.log();
  agent.signal(SIGINT);
  EXPECT_EQ(agent.wait(), 1) << agent.log();
  EXPECT_THAT(agent.log(), HasSubstr("nothing was killed"));
  EXPECT_THAT(processes_with(go), Not(IsEmpty())) << "the service lives";

  // The next agent goes on with it.
  std::ofstream(go).put('\n');
  ServedAgent next(settings(), state());
  ASSERT_TRUE(next.is_serving()) << next.log();
  EXPECT_EQ(next.end(), 0) << next.log();
  EXPECT_TRUE(eventually([&] { return processes_with(dir.path()).empty(); }));
}

// A pid namespace is what a container is to a process.
const std::vector<std::string> container{"/usr/bin/unshare", "--pid", "--fork", "--mount-proc"};

bool can_make_containers() {
  const std::string command = container[0] + " --pid --fork --mount-proc true 2>/dev/null";
  return std::system(command.c_str()) == 0;  // NOLINT(cert-env33-c): words of this test alone
}

// The process that is `inner` in the container, seen from outside.
pid_t outside_pid(const std::string& command, const std::string& inner) {
  for (const pid_t pid : processes_with(command)) {
    const std::string status = content_of("/proc/" + std::to_string(pid) + "/status");
    if (status.find("\nNSpid:\t" + std::to_string(pid) + "\t" + inner + "\n") !=
        std::string::npos) {
      return pid;
    }
  }
  return -1;
}

TEST_F(TheProgram, AsTheFirstProcessOfAContainerOutlivesItsAgentAndStopsTheServicesAtTheEnd) {
  if (!can_make_containers()) GTEST_SKIP() << "no pid namespaces here";
  write_settings(sleeper("a"), "leave");
  init();
  ServedAgent agent(settings(), state(), container);
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  ASSERT_TRUE(eventually([&] { return processes_with(mark("a")).size() == 1; })) << agent.log();
  const std::vector<pid_t> service = processes_with(mark("a"));
  const pid_t first = outside_pid("serve --config " + settings(), "1");
  ASSERT_GT(first, 0);

  const pid_t crashed = outside_pid("serve --config " + settings(), "2");
  ASSERT_GT(crashed, 0);
  ::kill(crashed, SIGKILL);
  EXPECT_TRUE(agent.logs("it is started again")) << agent.log();
  EXPECT_TRUE(eventually([&] {
    const std::string log = agent.log();
    return log.find("msg=ready") != log.rfind("msg=ready");
  })) << agent.log();
  EXPECT_EQ(processes_with(mark("a")), service) << "the service knows nothing of it";

  ::kill(first, SIGTERM);
  EXPECT_EQ(agent.wait(), 0) << agent.log();
  EXPECT_THAT(agent.log(), HasSubstr("services=\"are stopped\""));
  EXPECT_THAT(agent.log(), Not(HasSubstr("nothing was killed")));
  EXPECT_TRUE(eventually([&] { return processes_with(dir.path()).empty(); }));
}

// The socket of a service manager.
class Listener {
 public:
  explicit Listener(const std::string& path)
      : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(address)), 0);
  }
  // Waits for the next one.
  [[nodiscard]] std::string message() const { return receive(0); }
  // The next one of those that came already; empty: there is none.
  [[nodiscard]] std::string next() const { return receive(MSG_DONTWAIT); }

 private:
  [[nodiscard]] std::string receive(int flags) const {
    std::string text(4096, '\0');
    const ssize_t n = ::recv(fd_.get(), text.data(), text.size(), flags);
    text.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return text;
  }
  Fd fd_;
};

TEST_F(TheProgram, TellsItsServiceManagerWhenItIsReady) {
  const Listener manager(dir / "notify");
  write_settings("");
  init();
  ServedAgent agent(settings(), state(), {"/usr/bin/env", "NOTIFY_SOCKET=" + (dir / "notify")});
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  EXPECT_THAT(manager.message(), StartsWith("READY=1\nSTATUS=Serving at 127.0.0.1:"));
  agent.signal(SIGHUP);
  EXPECT_THAT(manager.message(), StartsWith("RELOADING=1\nMONOTONIC_USEC="));
  EXPECT_THAT(manager.message(), StartsWith("READY=1"));
  EXPECT_EQ(agent.end(), 0) << agent.log();
  EXPECT_THAT(manager.message(), StartsWith("STOPPING=1"));
}

TEST_F(TheProgram, TellsAWatchdogAgainAndAgainThatItLives) {
  const Listener manager(dir / "notify");
  write_settings("");
  init();
  ServedAgent agent(settings(), state(),
                    {"/usr/bin/env", "NOTIFY_SOCKET=" + (dir / "notify"), "WATCHDOG_USEC=200000"});
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  EXPECT_THAT(manager.message(), StartsWith("READY=1"));
  for (int times = 0; times < 4; ++times)
    EXPECT_EQ(manager.message(), "WATCHDOG=1");
}

TEST_F(TheProgram, SaysNothingToAWatchdogThatLooksAtAnotherProcess) {
  const Listener manager(dir / "notify");
  write_settings("");
  init();
  ServedAgent agent(settings(), state(),
                    {"/usr/bin/env", "NOTIFY_SOCKET=" + (dir / "notify"), "WATCHDOG_USEC=40000",
                     "WATCHDOG_PID=1"});
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  EXPECT_THAT(manager.message(), StartsWith("READY=1"));
  agent.signal(SIGHUP);
  EXPECT_THAT(manager.message(), StartsWith("RELOADING=1"));
  EXPECT_THAT(manager.message(), StartsWith("READY=1"));
  EXPECT_EQ(agent.end(), 0) << agent.log();
  EXPECT_THAT(manager.message(), StartsWith("STOPPING=1"));
  EXPECT_EQ(manager.next(), "");
}

}  // namespace
}  // namespace noforce::agent
