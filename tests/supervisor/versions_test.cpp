// Agent and keeper of different releases: they talk, or say why not; and the keeper goes on as the
// agent's program without its services noticing.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string_view>
#include <thread>

#include <gtest/gtest.h>

#include "core/scm/supervisor/fields.hpp"
#include "core/scm/supervisor/keeper_door.hpp"
#include "core/scm/supervisor/keeper_start.hpp"
#include "core/scm/supervisor/packet.hpp"
#include "core/scm/supervisor/protocol.hpp"
#include "tests/supervisor/estate.hpp"
#include "tests/supervisor/voice.hpp"

namespace noforce::supervisor::testing {
namespace {

// Stands where a keeper would listen and plays one of another release, for one connection after
// another.
class AnotherKeeper {
 public:
  AnotherKeeper(const std::string& folder, std::function<void(Voice&)> part)
      : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        listener_(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)),
        part_(std::move(part)) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    const std::string path = socket_path(folder_.get());
    std::memcpy(name.sun_path, path.data(), path.size());
    EXPECT_EQ(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name), 0);
    EXPECT_EQ(::listen(listener_.get(), 4), 0);
    thread_ = std::thread([this] { play(); });
  }
  ~AnotherKeeper() {
    ::shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
    (void)::unlinkat(folder_.get(), "keeper.sock", 0);
  }
  AnotherKeeper(const AnotherKeeper&) = delete;
  AnotherKeeper& operator=(const AnotherKeeper&) = delete;

 private:
  void play() {
    while (true) {
      Fd agent(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!agent) return;
      Voice voice(std::move(agent));
      part_(voice);
    }
  }

  Fd folder_;
  Fd listener_;
  std::function<void(Voice&)> part_;
  std::thread thread_;
};

// A process that runs another program than this.
class ForeignProgram {
 public:
  ForeignProgram() {
    std::string program = "/bin/sleep";
    std::string time = "600";
    std::array<char*, 3> argv{program.data(), time.data(), nullptr};
    EXPECT_EQ(::posix_spawn(&pid_, program.c_str(), nullptr, nullptr, argv.data(), nullptr), 0);
  }
  ~ForeignProgram() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
  }
  ForeignProgram(const ForeignProgram&) = delete;
  ForeignProgram& operator=(const ForeignProgram&) = delete;

  [[nodiscard]] std::int64_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

Status running(const std::string& name) {
  Status status;
  status.name = name;
  status.state = ServiceState::running;
  status.instance = Instance{.pid = 4711, .key = "4711:1:boot"};
  return status;
}

// ---- an agent and a keeper of another release

TEST(AnAgent, RefusesAKeeperOfAnotherReleaseWithASentenceThatSaysWhatToDo) {
  for (const Hello& hello :
       {Hello{.version = kOldestProtocol - 1, .oldest = kOldestProtocol - 1},
        Hello{.version = kProtocolVersion + 1, .oldest = kProtocolVersion + 1}}) {
    Estate estate;
    {
      const AnotherKeeper keeper(estate.folder(), [&](Voice& voice) {
        voice.say(Hello{.version = hello.version, .oldest = hello.oldest, .pid = 4711});
        voice.until_gone();
      });
      const auto begun = estate.begin();
      ASSERT_FALSE(begun);
      EXPECT_EQ(begun.error().kind, ErrorKind::scm_unavailable);
      for (const std::string& part :
           {std::string("process 4711"),
            "versions " + std::to_string(hello.oldest) + " to " + std::to_string(hello.version),
            std::string("Its services run on"), std::string("Start the agent of")}) {
        EXPECT_NE(begun.error().detail.find(part), std::string::npos) << begun.error().detail;
      }
      estate.leave();
    }
  }
}

TEST(AnAgent, TalksToANewerKeeperAndSkipsWhatItDoesNotKnow) {
  Estate estate;
  estate.add("web", {"/bin/sleep", "600"});
  estate.add("db", {"/bin/sleep", "600"});
  {
    const AnotherKeeper keeper(estate.folder(), [](Voice& voice) {
      voice.say(Hello{.version = kProtocolVersion + 1, .oldest = kProtocolVersion});
      if (!voice.hear<DefinedAll>()) return;
      FieldWriter later;
      later.number(200, 5).text(201, "something new");
      voice.say(static_cast<char>(99) + later.bytes());
      voice.say("\x09garbage");
      voice.say(std::string(kMaxMessage, '\xff'));
      voice.say(encode(running("web")) + later.bytes());
      // A state that this agent has no name for must not pass for "stopped", nor for any other.
      voice.say(encode(running("db")));
      FieldWriter unknown;
      unknown.text(1, "db").number(3, 99);
      voice.say(static_cast<char>(9) + unknown.bytes());
      voice.say(StatusAll{});
      voice.until_gone();
    });
    const auto begun = estate.begin();
    ASSERT_TRUE(begun) << begun.error().detail;
    EXPECT_EQ(estate.service("web").state, ServiceState::running);
    EXPECT_EQ(estate.service("web").instance->pid, 4711);
    EXPECT_EQ(estate.service("db").state, ServiceState::running);
    estate.leave();
  }
}

TEST(AnAgent, TakesAKeeperForEndedOnlyOnceItsProcessIsGone) {
  Estate estate;
  {
    std::optional<ForeignProgram> foreign(std::in_place);
    const AnotherKeeper keeper(estate.folder(), [&](Voice& voice) {
      voice.say(Hello{.pid = foreign->pid()});
      if (!voice.hear<DefinedAll>()) return;
      voice.say(StatusAll{});
      if (!voice.hear<End>()) return;
      voice.say(EndAnswer{});
    });
    ASSERT_TRUE(estate.begin());
    const auto early = estate.scm().end_keeper(Milliseconds(200));
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().kind, ErrorKind::timeout);

    foreign.reset();

    EXPECT_TRUE(estate.scm().end_keeper(Milliseconds(10'000)));
    estate.leave();
  }
}

TEST(AnAgent, SaysWhyAKeeperOfAnotherReleaseCouldNotGoOnAsItsProgram) {
  const ForeignProgram foreign;
  Estate estate;
  {
    const AnotherKeeper keeper(estate.folder(), [&](Voice& voice) {
      voice.say(Hello{.version = kProtocolVersion + 1,
                      .oldest = kProtocolVersion + 1,
                      .pid = foreign.pid(),
                      .replaceable = true});
      const auto wish = voice.hear<Replace>();
      if (!wish) return;
      EXPECT_EQ(wish->argv.size(), 3U);
      EXPECT_EQ(wish->argv.front(), std::filesystem::canonical("/proc/self/exe").string());
      voice.say(Refused{.why = "of another release"});
      voice.say(StaysAsItIs{.why = "cannot execute it: Permission denied"});
      voice.until_gone();
    });
    const auto begun = estate.begin();
    ASSERT_FALSE(begun);
    EXPECT_NE(begun.error().detail.find("Permission denied"), std::string::npos)
        << begun.error().detail;
    estate.leave();
  }
}

TEST(AnAgent, WorksWithAnotherProgramsKeeperThatStaysAsItIs) {
  const ForeignProgram foreign;
  Estate estate;
  estate.add("web", {"/bin/sleep", "600"});
  {
    const AnotherKeeper keeper(estate.folder(), [&](Voice& voice) {
      voice.say(Hello{.pid = foreign.pid(), .replaceable = true});
      if (!voice.hear<Replace>()) return;
      voice.say(StaysAsItIs{.why = "no"});
      if (!voice.hear<DefinedAll>()) return;
      voice.say(running("web"));
      voice.say(StatusAll{});
      voice.until_gone();
    });
    const auto begun = estate.begin();
    ASSERT_TRUE(begun) << begun.error().detail;
    EXPECT_EQ(estate.service("web").state, ServiceState::running);
    estate.leave();
  }
}

// ---- a keeper and an agent of another release

class AKeeperOfAnotherRelease : public ::testing::Test {
 protected:
  void begin() {
    estate_.add("web", {"/bin/sleep", "600"});
    ASSERT_TRUE(estate_.begin());
    keeper_ = estate_.keeper_pid();
  }
  Voice agent() { return Voice(std::move(*connect_keeper(estate_.folder()))); }

  Estate estate_;
  std::int64_t keeper_ = 0;
};

TEST_F(AKeeperOfAnotherRelease, TalksToANewerAgentAndRefusesControlsThatItDoesNotKnow) {
  begin();
  estate_.leave();
  Voice newer = agent();
  newer.say(Hello{.version = kProtocolVersion + 1, .oldest = kProtocolVersion});
  FieldWriter later;
  later.number(200, 5);
  newer.say(static_cast<char>(99) + later.bytes());
  FieldWriter command;
  command.number(1, 77).text(2, "web");
  command.text(4, encode_token({.job = "01K", .step = 1, .attempt = 1}));
  newer.say(static_cast<char>(5) + command.bytes());
  const auto answer = newer.hear<Answer>();
  ASSERT_TRUE(answer);
  ASSERT_FALSE(answer->result);
  EXPECT_EQ(answer->result.error().kind, ErrorKind::control_not_accepted);
  EXPECT_NE(answer->result.error().detail.find("older release"), std::string::npos);
  newer.say(encode(Query{.service = "web"}) + later.bytes());
  ASSERT_TRUE(newer.hear<Status>());
}

TEST_F(AKeeperOfAnotherRelease, RefusesAnAgentAndCanStillBeReplacedByIt) {
  begin();
  ASSERT_TRUE(estate_.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate_.wait_for("web", ServiceState::running));
  const auto web = *estate_.service("web").instance;
  estate_.leave();
  Voice older = agent();
  older.say(Hello{.version = kOldestProtocol - 1, .oldest = kOldestProtocol - 1});
  const auto refused = older.hear<Refused>();
  ASSERT_TRUE(refused);
  EXPECT_NE(refused->why.find("the services run on"), std::string::npos) << refused->why;
  older.say(Query{});  // nothing else counts
  // What cannot be executed leaves everything as it is.
  older.say(Replace{.argv = {"/nonexistent/noforce", "keeper"}});
  const auto stays = older.hear<StaysAsItIs>();
  ASSERT_TRUE(stays);
  EXPECT_EQ(stays->why, "cannot execute /nonexistent/noforce: No such file or directory");
  older.say(Replace{.argv = {"noforce"}});
  ASSERT_TRUE(older.hear<StaysAsItIs>());
  older.say(Replace{});
  ASSERT_TRUE(older.hear<StaysAsItIs>());
  older.say(Replace{.argv = {program_path("/proc/self/exe"), "--keeper", estate_.folder()}});
  older.until_gone();
  ASSERT_TRUE(estate_.begin());
  EXPECT_EQ(estate_.keeper_pid(), keeper_);
  EXPECT_EQ(*estate_.service("web").instance, web);
}

// ---- replaced

// A conversation with the program that follows. What listened before may still take a connection
// in its last moment.
Voice next_program(const std::string& folder) {
  std::optional<Voice> voice;
  EXPECT_TRUE(eventually([&] {
    auto socket = connect_keeper(folder);
    if (!socket) return false;
    voice.emplace(std::move(*socket));
    return voice->hear<Hello>().has_value();
  }));
  return std::move(*voice);
}

TEST(AReplacedKeeper, KeepsItsServicesAsItsChildrenAndLosesNothing) {
  Estate estate;
  auto& puppet = estate.add_puppet("web");
  // The keeper of another release: the same program, in another file.
  const std::string older = estate.folder() + "/older";
  std::filesystem::copy_file("/proc/self/exe", older);
  ASSERT_TRUE(start_keeper(older, {"--keeper", estate.folder()}, estate.folder(), -1,
                           Milliseconds(20'000)));
  const auto keeper = estate.keeper_pid();
  const std::string program = "/proc/" + std::to_string(keeper) + "/exe";
  ASSERT_EQ(std::filesystem::read_symlink(program).string(), older);
  {
    Voice agent(std::move(*connect_keeper(estate.folder())));
    agent.say(Hello{});
    agent.say(Define{.spec = estate.spec("web")});
    agent.say(DefinedAll{});
    agent.say(Command{.op = ControlOp::start,
                      .service = "web",
                      .token = {.job = "01K", .step = 1, .attempt = 1}});
    const auto answer = agent.hear<Answer>();
    ASSERT_TRUE(answer && answer->result);
  }
  const auto begun = estate.begin();  // the upgraded agent
  ASSERT_TRUE(begun) << begun.error().detail;
  EXPECT_EQ(estate.keeper_pid(), keeper);
  EXPECT_EQ(std::filesystem::read_symlink(program), std::filesystem::canonical("/proc/self/exe"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  EXPECT_TRUE(estate.service("web").warnings.empty()) << estate.service("web").warnings.front();
  puppet.tell("notify STATUS=still heard");
  ASSERT_TRUE(estate.wait([&] { return estate.service("web").status_text == "still heard"; }));
  puppet.tell("exit 5");
  ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped));
  ASSERT_TRUE(estate.service("web").exit);
  EXPECT_EQ(estate.service("web").exit->code, 5);  // its own child, seen to the end
}

TEST(AReplacedKeeper, HasSeenFirstWhetherWhatItStartedBecameItsProgram) {
  Estate estate;
  estate.add("web", {"/nonexistent/web"});
  ASSERT_TRUE(estate.begin());
  estate.leave();
  const Command start{
      .op = ControlOp::start, .service = "web", .token = {.job = "01K", .step = 1, .attempt = 1}};
  {
    Voice agent(std::move(*connect_keeper(estate.folder())));
    ASSERT_TRUE(agent.hear<Hello>());
    // So that it finds all of it at once.
    ::kill(static_cast<pid_t>(estate.keeper_pid()), SIGSTOP);
    agent.say(Hello{});
    agent.say(start);
    agent.say(Replace{.argv = {program_path("/proc/self/exe"), "--keeper", estate.folder()}});
    ::kill(static_cast<pid_t>(estate.keeper_pid()), SIGCONT);
    agent.until_gone();
  }
  Voice agent = next_program(estate.folder());
  agent.say(Hello{});
  agent.say(start);  // asked again with its token: what the program before saw
  const auto answer = agent.hear<Answer>();
  ASSERT_TRUE(answer);
  ASSERT_FALSE(answer->result);
  EXPECT_EQ(answer->result.error().detail,
            "cannot execute /nonexistent/web: No such file or directory (ENOENT)");
}

// The kernel's number of the socket that the process' NOTIFY_SOCKET names.
std::string notify_socket_of(std::int64_t pid) {
  std::ifstream environment("/proc/" + std::to_string(pid) + "/environ");
  constexpr std::string_view kName = "NOTIFY_SOCKET=";
  std::string address;
  for (std::string entry; std::getline(environment, entry, '\0');) {
    if (entry.starts_with(kName)) address = entry.substr(kName.size());
  }
  std::ifstream sockets("/proc/net/unix");
  for (std::string line; std::getline(sockets, line);) {
    if (address.empty() || !line.ends_with(" " + address)) continue;
    const auto from = line.find_last_of(' ', line.size() - address.size() - 2) + 1;
    return line.substr(from, line.size() - address.size() - 1 - from);
  }
  return {};
}

TEST(AReplacedKeeper, KeepsItsNotifySocketsThoughNoAgentHoldsThem) {
  Estate estate;
  estate.add_puppet("web");
  ASSERT_TRUE(estate.begin());
  ASSERT_TRUE(estate.control(ControlOp::start, "web"));
  ASSERT_TRUE(estate.wait_for("web", ServiceState::running));
  const auto pid = estate.service("web").instance->pid;
  estate.leave();
  const std::string before = notify_socket_of(pid);
  ASSERT_FALSE(before.empty());
  {
    Voice voice(std::move(*connect_keeper(estate.folder())));
    voice.say(Replace{.argv = {program_path("/proc/self/exe"), "--keeper", estate.folder()}});
    voice.until_gone();
  }
  (void)next_program(estate.folder());
  EXPECT_EQ(notify_socket_of(pid), before);
}

TEST(AReplacedKeeper, DropsNothingThatIsUnderWay) {
  Estate estate;
  estate.add_puppet("web");
  ASSERT_TRUE(estate.begin());
  const auto keeper = estate.keeper_pid();
  const auto replace = [&] {
    Voice voice(std::move(*connect_keeper(estate.folder())));
    voice.say(Replace{.argv = {program_path("/proc/self/exe"), "--keeper", estate.folder()}});
    voice.until_gone();  // executed, or the agent took its place back
  };
  for (int round = 0; round < 20; ++round) {
    const auto start = estate.send(ControlOp::start, "web");
    replace();
    ASSERT_TRUE(estate.wait([&] { return estate.listener().answers(start) > 0; })) << round;
    ASSERT_TRUE(*estate.listener().answer(start));
    ASSERT_TRUE(estate.wait_for("web", ServiceState::running)) << round;
    ASSERT_TRUE(estate.wait([&] { return !estate.listener().lost(); }));
    const auto stop = estate.send(ControlOp::stop, "web");
    replace();
    ASSERT_TRUE(estate.wait([&] { return estate.listener().answers(stop) > 0; })) << round;
    ASSERT_TRUE(*estate.listener().answer(stop))
        << (*estate.listener().answer(stop)).error().detail;
    ASSERT_TRUE(estate.wait_for("web", ServiceState::stopped)) << round;
    EXPECT_EQ(estate.service("web").exit->code, 0) << round;
    ASSERT_TRUE(estate.wait([&] { return !estate.listener().lost(); }));
    ASSERT_EQ(estate.keeper_pid(), keeper);
  }
}

}  // namespace
}  // namespace noforce::supervisor::testing
