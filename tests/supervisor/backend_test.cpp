// The backend and a real keeper, with real processes.
#include "core/scm/supervisor/backend.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>

#include <gtest/gtest.h>

#include "core/graph.hpp"
#include "core/scm/supervisor/process.hpp"
#include "tests/supervisor/estate.hpp"

namespace noforce::supervisor::testing {
namespace {

bool warns(const Service& service, std::string_view part) {
  return std::any_of(service.warnings.begin(), service.warnings.end(),
                     [part](const std::string& w) { return w.find(part) != std::string::npos; });
}

int free_port() {
  const Fd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof name;
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), size), 0);
  ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size);
  return ntohs(name.sin_port);
}

TEST(ASupervisor, StartsAndStopsAService) {
  Estate estate;
  estate.add("web", {"/bin/sleep", "600"});
  ASSERT_TRUE(estate.begin());
  EXPECT_EQ(estate.service("web").state, ServiceState::stopped);
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  const auto pid = estate.service("web").instance->pid;
  EXPECT_TRUE(alive(pid));
  ASSERT_TRUE(estate.control(ControlOp::stop, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped));
  EXPECT_FALSE(alive(pid));
  EXPECT_EQ(estate.service("web").exit->code, 128 + SIGTERM);
}

TEST(ASupervisor, ShowsWhatTheSettingsSay) {
  Estate estate;
  auto& web = estate.add("web", {"/bin/sleep", "600"});
  web.display_name = "World Wide Web";
  web.depends_on = {"db"};
  web.start = StartType::manual;
  estate.add("db", {"/bin/sleep", "600"});
  ASSERT_TRUE(estate.begin());
  const auto picture = estate.scm().snapshot();
  EXPECT_TRUE(picture->complete);
  ASSERT_EQ(picture->services.size(), 2U);
  EXPECT_EQ(picture->services[0]->name, "db");
  EXPECT_EQ(picture->services[1]->display_name, "World Wide Web");
  EXPECT_EQ(picture->services[1]->start_type, StartType::manual);
  EXPECT_EQ(picture->graph->dependents("db"), std::vector<std::string>{"web"});
  EXPECT_EQ(estate.scm().resolve("web"), "web");
  EXPECT_FALSE(estate.scm().resolve("WEB"));
  // The graph is not made anew for a change of state.
  ASSERT_TRUE(estate.control(ControlOp::start, "db"));
  ASSERT_TRUE(estate.wait_for("db", ServiceState::running));
  EXPECT_EQ(estate.scm().snapshot()->graph, picture->graph);
  EXPECT_GT(estate.scm().snapshot()->revision, picture->revision);
}

TEST(ASupervisor, TellsWhyAProgramCannotBeExecuted) {
  Estate estate;
  estate.add("web", {"/no/such/program"});
  ASSERT_TRUE(estate.begin());
  const auto answer = estate.control(ControlOp::start, "web");
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().kind, ErrorKind::scm_failure);
  EXPECT_EQ(answer.error().native_code, ENOENT);
  EXPECT_EQ(answer.error().native_name, "ENOENT");
  const auto web = estate.service("web");
  EXPECT_EQ(web.state, ServiceState::stopped);
  EXPECT_EQ(web.exit->code, 127);
  EXPECT_EQ(web.status_text, "cannot execute /no/such/program: No such file or directory (ENOENT)");
}

TEST(ASupervisor, WaitsForASlowStopAndSignalsOnce) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  puppet.tell("hold");
  puppet.tell("notify STATUS=holding");
  ASSERT_TRUE(estate.wait([&] { return estate.service("web").status_text == "holding"; }));
  ASSERT_TRUE(estate.control(ControlOp::stop, "web"));
  EXPECT_EQ(estate.service("web").state, ServiceState::stop_pending);
  ASSERT_TRUE(estate.control(ControlOp::stop, "web"));  // joined
  ASSERT_TRUE(eventually([&] { return !puppet.signals().empty(); }));
  puppet.tell("notify STATUS=flushed 1 of 2|EXTEND_TIMEOUT_USEC=9000000");
  ASSERT_TRUE(estate.wait([&] { return estate.service("web").checkpoint == 1; }));
  EXPECT_EQ(estate.service("web").state, ServiceState::stop_pending);
  EXPECT_EQ(estate.service("web").status_text, "flushed 1 of 2");
  EXPECT_EQ(estate.service("web").wait_hint, Milliseconds(9000));
  puppet.tell("exit 3");
  ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped));
  EXPECT_EQ(estate.service("web").exit->code, 3);
  EXPECT_EQ(puppet.signals(), std::vector<std::string>{"TERM"});
}

TEST(ASupervisor, BelievesOnlyTheServicesOwnProcesses) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  estate.spec("web").environment = {{"PUPPET_SILENT", "1"}};
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  const auto pid = estate.service("web").instance->pid;
  // A foreign process knows the address and lies.
  std::string address;
  ASSERT_TRUE(eventually([&] {
    const std::string environment = [&] {
      std::string text(4096, '\0');
      const Fd file(::open(("/proc/" + std::to_string(pid) + "/environ").c_str(), O_RDONLY));
      const auto got = ::read(file.get(), text.data(), text.size());
      text.resize(got < 0 ? 0 : static_cast<std::size_t>(got));
      return text;
    }();
    const auto at = environment.find("NOTIFY_SOCKET=");
    if (at == std::string::npos) return false;
    address = environment.substr(at + 14, environment.find('\0', at) - at - 14);
    return true;
  }));
  send_notification(address, "READY=1\nSTATUS=forged");
  send_notification(address, "MAINPID=" + std::to_string(::getpid()));
  puppet.tell("child STATUS=a child's word");
  ASSERT_TRUE(estate.wait([&] { return estate.service("web").checkpoint > 0; }));
  EXPECT_EQ(estate.service("web").state, ServiceState::start_pending);
  EXPECT_EQ(estate.service("web").checkpoint, 1U);  // heard in order: the lies were heard before
  EXPECT_EQ(estate.service("web").status_text, "a child's word");
  EXPECT_EQ(estate.service("web").instance->pid, pid);
  puppet.tell("notify READY=1");
  EXPECT_TRUE(estate.wait_for("web", ServiceState::running));
}

TEST(ASupervisor, FollowsAMainProcessThatHandsOver) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  const auto before = *estate.service("web").instance;
  puppet.tell("hand-over");
  ASSERT_TRUE(estate.wait([&] { return estate.service("web").instance->pid != before.pid; }));
  EXPECT_EQ(estate.service("web").instance->key, before.key);
  ASSERT_TRUE(eventually([&] { return !alive(before.pid); }));
  EXPECT_EQ(estate.service("web").state, ServiceState::running);
  const auto now = estate.service("web").instance->pid;
  ASSERT_TRUE(estate.control(ControlOp::stop, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped));
  EXPECT_FALSE(alive(now));
}

TEST(ASupervisor, PausesAndContinuesTheWholeTree) {
  Estate estate;
  estate.add("tree", {"/bin/sh", "-c", "sleep 600 & echo $!; wait"});
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "tree"));
  ASSERT_TRUE(estate.wait_for("tree", ServiceState::running));
  ASSERT_TRUE(eventually([&] { return !estate.file("logs/tree.log").empty(); }));
  const auto child = std::stoll(estate.file("logs/tree.log"));
  const auto main = estate.service("tree").instance->pid;
  ASSERT_TRUE(estate.control(ControlOp::pause, "tree"));
  ASSERT_TRUE(estate.wait_for("tree", ServiceState::paused));
  EXPECT_TRUE(read_stat(main)->halted());
  EXPECT_TRUE(eventually([&] { return read_stat(child)->halted(); }));
  ASSERT_TRUE(estate.control(ControlOp::resume, "tree"));
  ASSERT_TRUE(estate.wait_for("tree", ServiceState::running));
  EXPECT_FALSE(read_stat(child)->halted());
  EXPECT_EQ(estate.service("tree").instance->pid, main);
  ASSERT_TRUE(estate.control(ControlOp::pause, "tree"));
  ASSERT_TRUE(estate.control(ControlOp::stop, "tree"));  // out of the pause
  EXPECT_TRUE(estate.wait_for("tree", ServiceState::stopped));
  // What the service left behind is said, and the keeper sees it go.
  EXPECT_TRUE(estate.wait([&] { return warns(estate.service("tree"), "are still there"); }));
  ::kill(static_cast<pid_t>(child), SIGTERM);
  EXPECT_TRUE(estate.wait([&] { return estate.service("tree").warnings.empty(); }));
  EXPECT_FALSE(read_stat(child));
}

TEST(ASupervisor, ReloadsBySignalOrCommand) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  estate.spec("web").reload_signal = SIGHUP;
  auto& db = estate.add("db", {"/bin/sleep", "600"});
  db.reload_command = {"/bin/sh", "-c", "echo reloaded $MAINPID"};
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.control(ControlOp::start, "db"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  EXPECT_TRUE(estate.service("web").accepts.reload);
  ASSERT_TRUE(estate.control(ControlOp::reload, "web"));
  EXPECT_TRUE(eventually([&] { return puppet.signals() == std::vector<std::string>{"HUP"}; }));
  ASSERT_TRUE(estate.control(ControlOp::reload, "db"));
  const std::string expected =
      "reloaded " + std::to_string(estate.service("db").instance->pid) + "\n";
  EXPECT_TRUE(eventually([&] { return estate.file("logs/db.log") == expected; }));
}

TEST(ASupervisor, StopsByCommandWhereThereIsOne) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  estate.spec("web").stop_command = {"/bin/sh", "-c", "kill -TERM $MAINPID"};
  auto& odd = estate.add("odd", {"/bin/sleep", "600"});
  odd.stop_command = {"/bin/sh", "-c", "exit 4"};
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  ASSERT_TRUE(estate.control(ControlOp::stop, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped));
  EXPECT_EQ(puppet.signals(), std::vector<std::string>{"TERM"});
  ASSERT_TRUE(estate.control(ControlOp::start, "odd"));
  ASSERT_TRUE(estate.control(ControlOp::stop, "odd"));
  EXPECT_TRUE(
      estate.wait([&] { return warns(estate.service("odd"), "stop_command failed with exit 4"); }));
  EXPECT_EQ(estate.service("odd").state, ServiceState::stop_pending);
}

TEST(ASupervisor, StartsACrashedServiceAgain) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  estate.spec("web").restart = RestartPolicy::on_failure;
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  const auto first = *estate.service("web").instance;
  puppet.tell("exit 1");
  ASSERT_TRUE(estate.wait(
      [&] { return warns(estate.service("web"), "restarting in 100 ms after exit 1"); }));
  ASSERT_TRUE(estate.wait([&] {
    const auto web = estate.service("web");
    return web.state == ServiceState::running && !(*web.instance == first);
  }));
  EXPECT_TRUE(estate.service("web").warnings.empty());
  // Not after success.
  puppet.tell("exit 0");
  ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped));
  EXPECT_TRUE(estate.service("web").warnings.empty());
}

TEST(ASupervisor, KeepsOutputInTheServicesLog) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  puppet.tell("say hello");
  EXPECT_TRUE(eventually([&] { return estate.file("logs/web.log") == "hello\n"; }));
  struct stat status{};
  ASSERT_EQ(::stat((estate.folder() + "/logs/web.log").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0640U);
  ASSERT_EQ(::stat((estate.folder() + "/keeper.sock").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600U);
}

TEST(ASupervisor, SaysThatAServiceRunsOnceItsPortAccepts) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  const int port = free_port();
  estate.spec("web").ready_tcp = "127.0.0.1:" + std::to_string(port);
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  EXPECT_EQ(estate.service("web").state, ServiceState::start_pending);
  puppet.tell("notify STATUS=about to listen");
  ASSERT_TRUE(estate.wait([&] { return estate.service("web").status_text == "about to listen"; }));
  EXPECT_EQ(estate.service("web").state, ServiceState::start_pending);
  puppet.tell("listen " + std::to_string(port));
  EXPECT_TRUE(estate.wait_for("web", ServiceState::running));
}

TEST(ASupervisor, IsNotHeldUpByAServiceThatTalksWithoutEnd) {
  Estate estate;
  auto& loud = estate.add_puppet("loud");
  estate.add("quiet", {"/bin/sleep", "600"});
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "loud"));
  ASSERT_TRUE(estate.wait_for("loud", ServiceState::running));
  loud.tell("flood 200000");
  ASSERT_TRUE(estate.wait([&] { return !estate.service("loud").status_text.empty(); }));
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(estate.control(ControlOp::start, "quiet"));
    ASSERT_TRUE(estate.wait_for("quiet", ServiceState::running));
    ASSERT_TRUE(estate.control(ControlOp::stop, "quiet"));
    ASSERT_TRUE(estate.wait_for("quiet", ServiceState::stopped));
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(5));
}

TEST(ASupervisor, ListsWhatWasTakenOutOfTheSettingsUntilItStops) {
  Estate estate;
  estate.add("web", {"/bin/sleep", "600"});
  estate.add("db", {"/bin/sleep", "600"});
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  estate.specs().clear();
  estate.add("new", {"/bin/sleep", "600"});
  estate.scm().reconfigure(estate.specs());
  ASSERT_TRUE(estate.wait([&] {
    return warns(estate.service("web"), "taken out of the settings") &&
           estate.scm().snapshot()->find("new") != nullptr &&
           estate.scm().snapshot()->find("db") == nullptr;
  }));
  EXPECT_EQ(estate.service("web").state, ServiceState::running);
  EXPECT_EQ(estate.scm().end_keeper(Milliseconds(5000)).error().kind,
            ErrorKind::control_not_accepted);
  ASSERT_TRUE(estate.control(ControlOp::stop, "web"));
  EXPECT_TRUE(estate.wait([&] { return estate.scm().snapshot()->find("web") == nullptr; }));
  EXPECT_FALSE(std::filesystem::exists(estate.folder() + "/keeper/web.run"));
  EXPECT_TRUE(std::filesystem::exists(estate.folder() + "/keeper/new.run"));
}

TEST(ASupervisor, KeepsWhatAJobHasStoppedThoughItIsTakenOutOfTheSettings) {
  Estate estate;
  estate.add("web", {"/bin/sleep", "600"});
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  ASSERT_TRUE(estate.scm().prepare("job", {"web"}));
  ASSERT_TRUE(estate.control(ControlOp::stop, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped));
  estate.specs().clear();
  estate.add("new", {"/bin/sleep", "600"});
  estate.scm().reconfigure(estate.specs());
  ASSERT_TRUE(estate.wait([&] {
    return estate.scm().snapshot()->find("new") != nullptr && estate.service("web").taken_out;
  }));
  EXPECT_TRUE(warns(estate.service("web"), "listed until the job that holds it is done"));

  // Another agent, and another keeper, go on with the job.
  estate.leave();
  estate.kill_keeper();
  ASSERT_TRUE(estate.begin({{"job", {"web"}}}));
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  estate.scm().release("job");
  ASSERT_TRUE(estate.wait([&] { return warns(estate.service("web"), "listed until it stops"); }));
  EXPECT_EQ(estate.service("web").start_type, StartType::disabled);
  ASSERT_TRUE(estate.control(ControlOp::stop, "web"));
  EXPECT_TRUE(estate.wait([&] { return estate.scm().snapshot()->find("web") == nullptr; }));
  EXPECT_TRUE(
      eventually([&] { return !std::filesystem::exists(estate.folder() + "/keeper/web.run"); }));
}

TEST(ASupervisor, ForgetsWhatAJobHeldWhenItIsDoneAndTheServiceIsDown) {
  Estate estate;
  estate.add("web", {"/bin/sleep", "600"});
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.scm().prepare("job", {"web"}));
  estate.specs().clear();
  estate.scm().reconfigure(estate.specs());
  ASSERT_TRUE(estate.wait([&] { return estate.service("web").taken_out; }));
  estate.scm().release("job");
  EXPECT_TRUE(estate.wait([&] { return estate.scm().snapshot()->find("web") == nullptr; }));
  EXPECT_TRUE(
      eventually([&] { return !std::filesystem::exists(estate.folder() + "/keeper/web.run"); }));
}

TEST(ASupervisor, SaysWhenItsKeeperCannotBeStarted) {
  Estate estate;
  SupervisorScm scm({.state_dir = estate.folder(), .executable = "/no/such", .specs = {}});
  Listener listener;
  const auto result = scm.start(listener, Milliseconds(20'000));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::scm_unavailable);
  EXPECT_EQ(result.error().detail, "the keeper's program cannot be executed");
}

TEST(ASupervisor, AnswersForAServiceThatNobodyKnows) {
  Estate estate;
  ASSERT_TRUE(estate.begin());
  EXPECT_EQ(estate.control(ControlOp::start, "nobody").error().kind, ErrorKind::unknown_service);
}

}  // namespace
}  // namespace noforce::supervisor::testing
