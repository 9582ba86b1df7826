// One question to a manager that answers, refuses, goes away, or is silent.
#include "core/scm/systemd/ask.hpp"

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <filesystem>

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
  EXPECT_EQ(said.error().kind, ErrorKind::scm_unavailable);
  EXPECT_THAT(said.error().detail, HasSubstr("does not answer"));
}

// Of whom sd-bus would wait 90 s for the first word.
TEST(AQuestion, IsNotWaitedForWhereNobodySaysAnything) {
  const std::string runtime = test::make_temporary_directory();
  std::filesystem::create_directory(runtime + "/systemd");
  const Fd listener(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = runtime + "/systemd/private";
  ASSERT_LT(path.size(), sizeof address.sun_path);
  std::memcpy(static_cast<void*>(address.sun_path), path.c_str(), path.size());
  ASSERT_EQ(::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  ASSERT_EQ(::listen(listener.get(), 4), 0);

  const auto said = ask(bus_wire(Scope::user, runtime), question);
  std::filesystem::remove_all(runtime);

  ASSERT_FALSE(said);
  EXPECT_EQ(said.error().kind, ErrorKind::scm_unavailable);
  EXPECT_THAT(said.error().detail, HasSubstr("does not answer"));
}

}  // namespace
}  // namespace noforce::systemd
