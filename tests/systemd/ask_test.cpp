// One question to a manager that answers, refuses, goes away, or is silent.
#include "core/scm/systemd/ask.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/fd.hpp"
#include "tests/support/temporary.hpp"
#include "tests/systemd/paper_manager.hpp"

namespace noforce::systemd {
namespace {

using ::testing::HasSubstr;
using testing::PaperManager;

const Call question{.member = "Reload", .patience = Milliseconds(200)};

TEST(AQuestion, IsAnsweredWithWhatTheManagerSays) {
  PaperManager manager;
  manager.answer("Reload",
                 [](const Call&) { return CallReply(Value::List{Value(std::string("yes"))}); });
  const auto said = ask(manager.open(), question);
  ASSERT_TRUE(said);
  EXPECT_EQ(said->front().text(), "yes");
}

TEST(AQuestion, IsRefusedInTheManagersWords) {
  PaperManager manager;
  manager.answer("Reload", [](const Call&) {
    return CallReply(std::unexpected(CallError{.name = "x.Denied", .message = "not you"}));
  });
  const auto said = ask(manager.open(), question);
  ASSERT_FALSE(said);
  EXPECT_EQ(said.error().kind, ErrorKind::scm_failure);
  EXPECT_THAT(said.error().detail, HasSubstr("not you"));
}

TEST(AQuestion, IsNotWaitedForBeyondItsPatience) {
  PaperManager manager;
  manager.answer("Reload", [](const Call&) { return std::nullopt; });
  const auto said = ask(manager.open(), question);
  ASSERT_FALSE(said);
  EXPECT_EQ(said.error().kind, ErrorKind::timeout);
}

// Somebody who takes connections and says nothing, which sd-bus would wait for for 90 s.
class ASilentSocket : public ::testing::TestWithParam<const char*> {
 protected:
  ASilentSocket() : runtime_(test::make_temporary_directory()) {
    std::filesystem::create_directory(runtime_ + "/systemd");
    const std::string path = runtime_ + GetParam();
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(static_cast<char*>(address.sun_path), sizeof address.sun_path - 1);
    const auto* plain = reinterpret_cast<const sockaddr*>(&address);
    EXPECT_EQ(::bind(listener_.get(), plain, sizeof address), 0);
    EXPECT_EQ(::listen(listener_.get(), 4), 0);
    ::setenv("DBUS_SESSION_BUS_ADDRESS", ("unix:path=" + path).c_str(), 1);
  }
  ~ASilentSocket() override { std::filesystem::remove_all(runtime_); }

  const std::string runtime_;
  const Fd listener_{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
};

TEST_P(ASilentSocket, IsNotWaitedForBeyondThePatience) {
  const auto said = ask(bus_wire(Scope::user, runtime_), question);
  ASSERT_FALSE(said);
  EXPECT_EQ(said.error().kind, ErrorKind::timeout) << said.error().detail;
}

INSTANTIATE_TEST_SUITE_P(OfTheManagerOrABus, ASilentSocket,
                         ::testing::Values("/systemd/private", "/bus"));

}  // namespace
}  // namespace noforce::systemd
