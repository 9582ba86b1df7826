// A keeper of root's whose agent's face runs as another user: who may say what. As the brief of a
// burglar would have it: the face is taken over, and speaks the protocol as it likes.
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <expected>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "core/scm/supervisor/keeper_opener.hpp"
#include "core/scm/supervisor/keeper_start.hpp"
#include "core/scm/supervisor/process.hpp"
#include "tests/supervisor/estate.hpp"
#include "tests/supervisor/voice.hpp"

namespace noforce::supervisor::testing {
namespace {

// Numbers that no user of this machine has.
constexpr std::uint32_t kFace = 61'234;
constexpr std::uint32_t kSomebody = 61'235;
constexpr Milliseconds kPatience{20'000};

// A connection that the kernel sees as this user's: only the thread that makes it becomes the user.
std::expected<Fd, int> connect_as(std::uint32_t user, const std::string& folder) {
  std::expected<Fd, int> connected = std::unexpected(EPERM);
  std::thread([&] {
    if (::syscall(SYS_setresgid, user, user, user) != 0) return;
    if (::syscall(SYS_setresuid, user, user, user) != 0) return;
    connected = connect_keeper(folder);
  }).join();
  return connected;
}

class AKeeperWithAFace : public ::testing::Test {
 protected:
  void SetUp() override {
    if (::geteuid() != 0) GTEST_SKIP() << "only root can keep services for another user's face";
    std::string pattern = (std::filesystem::temp_directory_path() / "noforce-face-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    constexpr mode_t kMayBePassed = 0711;
    ::chmod(folder_.c_str(), kMayBePassed);
  }
  void TearDown() override {
    if (folder_.empty()) return;
    if (exists("keeper.sock")) {
      provide({});
      Voice face = face_voice();
      for (const auto& status : all(face))
        if (status.instance) stop(face, status.name);
      end_keeper(face);
    }
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  [[nodiscard]] KeeperForFace wanted() const {
    return {.folder = folder_,
            .executable = std::filesystem::read_symlink("/proc/self/exe"),
            .face = kFace,
            .args = {"--keeper"}};
  }
  void provide(const std::vector<ServiceSpec>& specs) {
    const auto provided = provide_keeper(wanted(), specs, kPatience);
    ASSERT_TRUE(provided) << provided.error();
  }
  [[nodiscard]] static ServiceSpec sleeper(const std::string& name) {
    ServiceSpec spec;
    spec.name = name;
    spec.command = {"/bin/sleep", "600"};
    return spec;
  }
  [[nodiscard]] bool exists(const std::string& name) const {
    return std::filesystem::exists(folder_ + "/" + name);
  }
  [[nodiscard]] std::int64_t keeper() const {
    std::int64_t pid = 0;
    std::ifstream(folder_ + "/keeper.lock") >> pid;
    return pid;
  }

  [[nodiscard]] Voice face_voice() const {
    auto socket = connect_as(kFace, folder_);
    EXPECT_TRUE(socket) << errno_sentence(socket.error());
    Voice voice(std::move(*socket));
    voice.say(Hello{.pid = ::getpid()});
    const auto hello = voice.hear<Hello>();
    EXPECT_TRUE(hello && hello->face == kFace);
    return voice;
  }
  // Every service that the keeper knows, but for the last word on one that is no more.
  [[nodiscard]] static std::vector<Status> all(Voice& voice) {
    voice.say(Query{});
    std::vector<Status> found;
    while (const auto message = voice.hear_any()) {
      const auto* status = std::get_if<Status>(&*message);
      if (status != nullptr && (status->defined || status->instance)) found.push_back(*status);
      if (std::holds_alternative<StatusAll>(*message)) return found;
    }
    ADD_FAILURE() << "the keeper is gone";
    return found;
  }
  std::optional<Answer> control(Voice& voice, ControlOp op, const std::string& name) {
    voice.say(Command{.op = op,
                      .service = name,
                      .key = {},
                      .token = {.job = "01K", .step = ++step_, .attempt = 1},
                      .comment = {}});
    return voice.hear<Answer>();
  }
  void stop(Voice& voice, const std::string& name) {
    (void)control(voice, ControlOp::stop, name);
    EXPECT_TRUE(eventually([&] {
      for (const auto& status : all(voice))
        if (status.name == name) return !status.instance;
      return true;
    }));
  }
  void end_keeper(Voice& voice) {
    const auto pid = keeper();
    voice.say(End{});
    EXPECT_TRUE(voice.hear<EndAnswer>());
    EXPECT_TRUE(eventually([&] { return !alive(pid); }));
  }

  std::string folder_;
  std::uint32_t step_ = 0;
};

TEST_F(AKeeperWithAFace, IsToldWhatToRunByRootAndWhenByTheFace) {
  provide({sleeper("web"), sleeper("db")});
  Voice face = face_voice();
  EXPECT_EQ(all(face).size(), 2U);
  const auto started = control(face, ControlOp::start, "web");
  ASSERT_TRUE(started && started->result);
  // Root comes with other definitions, and the face's connection does not notice.
  provide({sleeper("web"), sleeper("new")});
  const auto known = all(face);
  ASSERT_EQ(known.size(), 2U);
  EXPECT_EQ(known[0].name, "new");
  EXPECT_EQ(known[1].state, ServiceState::running);
  stop(face, "web");
}

TEST_F(AKeeperWithAFace, RefusesTheFaceWhatOnlyRootMaySay) {
  provide({sleeper("web")});
  const auto pid = keeper();
  ServiceSpec evil = sleeper("web");
  evil.command = {"/bin/touch", folder_ + "/taken-over"};
  for (const Message& message : std::vector<Message>{Define{.spec = evil}, DefinedAll{}}) {
    Voice face = face_voice();
    face.say(message);
    const auto refused = face.hear<Refused>();
    ASSERT_TRUE(refused);
    EXPECT_NE(refused->why.find("definitions from root"), std::string::npos) << refused->why;
    face.until_gone();
  }
  {
    Voice face = face_voice();
    face.say(Replace{.argv = {"/bin/touch", folder_ + "/taken-over"}});
    const auto stays = face.hear<StaysAsItIs>();
    ASSERT_TRUE(stays);
    EXPECT_NE(stays->why.find("only root"), std::string::npos) << stays->why;
  }
  {
    // Before hello, when a peer of any release is listened to.
    auto socket = connect_as(kFace, folder_);
    ASSERT_TRUE(socket);
    Voice face(std::move(*socket));
    face.say(Replace{.argv = {"/bin/touch", folder_ + "/taken-over"}});
    EXPECT_TRUE(face.hear<StaysAsItIs>());
  }
  Voice face = face_voice();
  const auto known = all(face);
  ASSERT_EQ(known.size(), 1U);
  EXPECT_TRUE(known[0].defined);
  const auto started = control(face, ControlOp::start, "web");
  EXPECT_TRUE(started && started->result);
  EXPECT_FALSE(exists("taken-over"));
  EXPECT_EQ(keeper(), pid);
}

TEST_F(AKeeperWithAFace, LetsNobodyElseIn) {
  provide({sleeper("web")});
  const auto refused = connect_as(kSomebody, folder_);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error(), EACCES);
  // The socket is the face's own, so it can open it to others; the kernel still says who they are.
  constexpr mode_t kOpenToAll = 0666;
  ASSERT_EQ(::chmod((folder_ + "/keeper.sock").c_str(), kOpenToAll), 0);
  auto socket = connect_as(kSomebody, folder_);
  ASSERT_TRUE(socket);
  Voice somebody(std::move(*socket));
  somebody.say(Hello{.pid = 1});
  EXPECT_FALSE(somebody.hear<Hello>());
  EXPECT_EQ(all(*std::make_unique<Voice>(face_voice())).size(), 1U);
}

TEST_F(AKeeperWithAFace, KeepsItsFilesFromTheFace) {
  provide({sleeper("web")});
  std::thread([&] {
    ASSERT_EQ(::syscall(SYS_setresuid, kFace, kFace, kFace), 0);
    for (const std::string name : {"keeper.lock", "keeper/web.spec", "logs/keeper.log"}) {
      EXPECT_LT(::open((folder_ + "/" + name).c_str(), O_RDONLY | O_CLOEXEC), 0) << name;
      EXPECT_EQ(errno, EACCES) << name;
    }
    EXPECT_NE(::unlink((folder_ + "/keeper.sock").c_str()), 0);
    EXPECT_NE(::rename((folder_ + "/keeper").c_str(), (folder_ + "/other").c_str()), 0);
    EXPECT_LT(::open((folder_ + "/new").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600), 0);
  }).join();
}

TEST_F(AKeeperWithAFace, DoesNotRunWhereOthersCanWrite) {
  constexpr mode_t kOpenToAll = 0777;
  ::chmod(folder_.c_str(), kOpenToAll);
  const auto provided = provide_keeper(wanted(), {}, kPatience);
  ASSERT_FALSE(provided);
  EXPECT_NE(provided.error().find("must belong to root"), std::string::npos) << provided.error();
}

TEST_F(AKeeperWithAFace, TakesOverFromOneWithoutAndItsServicesRunOn) {
  // As it was before the settings named a user.
  KeeperForFace before = wanted();
  ASSERT_TRUE(start_keeper(before.executable, {"--keeper", folder_}, folder_, -1, kPatience));
  const auto pid = keeper();
  std::int64_t web = 0;
  {
    auto socket = connect_keeper(folder_);
    ASSERT_TRUE(socket);
    Voice agent(std::move(*socket));
    agent.say(Hello{.pid = ::getpid()});
    agent.say(Define{.spec = sleeper("web")});
    agent.say(DefinedAll{});
    ASSERT_TRUE(agent.hear<StatusAll>());
    ASSERT_TRUE(control(agent, ControlOp::start, "web")->result);
    web = all(agent).front().instance->pid;
  }
  provide({sleeper("web")});
  EXPECT_EQ(keeper(), pid);
  Voice face = face_voice();
  const auto known = all(face);
  ASSERT_EQ(known.size(), 1U);
  ASSERT_TRUE(known[0].instance);
  EXPECT_EQ(known[0].instance->pid, web);
}

// The line of /proc/PID/limits.
std::string core_limit(std::int64_t pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/limits");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("Max core file size")) return line;
  return {};
}

TEST_F(AKeeperWithAFace, DumpsNoCoreAndLeavesItsServicesTheirOwnLimit) {
  rlimit own{};
  ASSERT_EQ(::getrlimit(RLIMIT_CORE, &own), 0);
  if (own.rlim_max == 0) GTEST_SKIP() << "this machine allows no core file to anybody";
  own.rlim_cur = own.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_CORE, &own), 0);
  provide({sleeper("web")});
  Voice face = face_voice();
  ASSERT_TRUE(control(face, ControlOp::start, "web")->result);
  const auto web = all(face).front().instance->pid;
  EXPECT_TRUE(eventually([&] { return core_limit(web) == core_limit(::getpid()); }));
  EXPECT_NE(core_limit(keeper()), core_limit(::getpid()));
}

}  // namespace
}  // namespace noforce::supervisor::testing
