// What no real systemd can be made to do on command: refuse, stay silent, lose signals, go away.
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "core/scm/systemd/backend.hpp"
#include "core/scm/systemd/sparing.hpp"
#include "tests/support/listener.hpp"
#include "tests/systemd/paper_manager.hpp"

namespace noforce::systemd::testing {
namespace {

const std::string kFirst(16, '\x11');
const std::string kFirstKey = "11111111111111111111111111111111";

Value text(const std::string& text) {
  return Value(text);
}

CallReply refusal(const std::string& name) {
  return std::unexpected(CallError{.name = name, .message = "refused", .number = 1});
}

// For what no sink tells.
bool eventually(const std::function<bool()>& true_now) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!true_now()) {
    if (std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(Milliseconds(2));
  }
  return true;
}

class ASession : public ::testing::Test {
 protected:
  ASession() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "noforce-paper-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    // systemd reads a drop-in when it is told to, and not before.
    manager_.answer("Reload", [this](const Call&) -> std::optional<CallReply> {
      drop_in_at_reload_ = has_drop_in("web.service");
      record_at_reload_ = has_record("web.service");
      if (drop_in_works_) {
        manager_.change("web.service",
                        {{"TimeoutStopUSec",
                          Value(drop_in_at_reload_ ? UINT64_MAX : std::uint64_t{2'000'000})}},
                        true);
      }
      return CallReply(Value::List{});
    });
  }

  ~ASession() override {
    if (scm_) scm_->stop();
    std::error_code ignored;
    std::filesystem::remove_all(folder_, ignored);
  }

  [[nodiscard]] bool begin() {
    listener_ = std::make_unique<test::Listener>();
    scm_ = std::make_unique<SystemdScm>(SystemdOptions{
        .state_dir = folder_, .runtime_dir = folder_ + "/units", .open = manager_.open()});
    listener_->look_at([this] { return scm_->snapshot(); });
    return scm_->start(*listener_, Milliseconds(20'000)).has_value();
  }

  [[nodiscard]] Service web() const {
    const PicturePtr picture = scm_->snapshot();
    const Service* found = picture->find("web.service");
    return found == nullptr ? Service{} : *found;
  }
  ControlToken send(ControlOp op, std::optional<Instance> instance) {
    const ControlToken token{.job = "01TEST", .step = next_++, .attempt = 1};
    scm_->submit({.op = op,
                  .service = "web.service",
                  .instance = std::move(instance),
                  .token = token,
                  .comment = "test"});
    return token;
  }
  Result<void> answer(const ControlToken& token) {
    if (!listener_->wait([&] { return listener_->answer(token).has_value(); })) {
      return fail(ErrorKind::internal, "no answer");
    }
    return *listener_->answer(token);
  }
  Result<void> stop() { return answer(send(ControlOp::stop, web().instance)); }
  bool wait(const std::function<bool()>& true_now) { return listener_->wait(true_now); }

  [[nodiscard]] bool has_drop_in(const std::string& unit) const {
    return std::filesystem::exists(folder_ + "/units/" + unit + ".d/" + kDropIn);
  }
  [[nodiscard]] bool has_record(const std::string& unit) const {
    return std::filesystem::exists(folder_ + "/spared/" + unit);
  }
  [[nodiscard]] bool was_ordered(const std::string& order) const {
    const auto orders = manager_.orders();
    return std::ranges::find(orders, order) != orders.end();
  }

  std::string folder_;
  PaperManager manager_;
  std::unique_ptr<test::Listener> listener_;
  std::unique_ptr<SystemdScm> scm_;
  std::atomic<bool> drop_in_works_{true};
  std::atomic<bool> drop_in_at_reload_{false};
  std::atomic<bool> record_at_reload_{false};
  std::uint32_t next_ = 1;
};

TEST_F(ASession, SendsNoStopBeforeSystemdHasReadWhatSparesTheUnit) {
  manager_.put("web.service", running_service("web.service", kFirst));
  ASSERT_TRUE(begin());
  ASSERT_TRUE(stop());
  EXPECT_EQ(manager_.orders(),
            (std::vector<std::string>{"Reload", "StopUnit web.service replace"}));
  EXPECT_TRUE(drop_in_at_reload_);
  EXPECT_TRUE(record_at_reload_);
  EXPECT_TRUE(has_drop_in("web.service"));
}

TEST_F(ASession, AsksForNoReloadWhereTheUnitCannotBeKilled) {
  manager_.put("web.service", harmless_service("web.service", kFirst));
  ASSERT_TRUE(begin());
  ASSERT_TRUE(scm_->prepare("job", {"web.service"}));
  ASSERT_TRUE(stop());
  EXPECT_EQ(manager_.orders(), std::vector<std::string>{"StopUnit web.service replace"});
  EXPECT_FALSE(has_record("web.service"));
}

TEST_F(ASession, StopsNothingWhereTheReloadFails) {
  manager_.put("web.service", running_service("web.service", kFirst));
  ASSERT_TRUE(begin());
  manager_.answer("Reload", [](const Call&) {
    return std::optional(refusal("org.freedesktop.DBus.Error.AccessDenied"));
  });
  const auto prepared = scm_->prepare("job", {"web.service"});
  ASSERT_FALSE(prepared);
  EXPECT_EQ(prepared.error().kind, ErrorKind::access_denied);
  EXPECT_EQ(prepared.error().native_name, "org.freedesktop.DBus.Error.AccessDenied");
  EXPECT_FALSE(stop());
  EXPECT_FALSE(was_ordered("StopUnit web.service replace"));
}

TEST_F(ASession, StopsNothingWhereTheDropInHasNoEffect) {
  manager_.put("web.service", running_service("web.service", kFirst));
  drop_in_works_ = false;
  ASSERT_TRUE(begin());
  const auto stopped = stop();
  ASSERT_FALSE(stopped);
  EXPECT_EQ(stopped.error().kind, ErrorKind::control_not_accepted);
  EXPECT_NE(stopped.error().detail.find("TimeoutStopSec=2 s"), std::string::npos);
  EXPECT_FALSE(was_ordered("StopUnit web.service replace"));
}

TEST_F(ASession, KeepsTheDropInUntilTheUnitIsStopped) {
  manager_.put("web.service", running_service("web.service", kFirst));
  ASSERT_TRUE(begin());
  ASSERT_TRUE(scm_->prepare("job", {"web.service"}));
  ASSERT_TRUE(stop());
  manager_.change("web.service",
                  {{"ActiveState", text("deactivating")}, {"SubState", text("stop-sigterm")}});
  ASSERT_TRUE(wait([&] { return web().state == ServiceState::stop_pending; }));
  scm_->release("job");
  // Whatever else happens meanwhile.
  manager_.change("web.service", {{"StatusText", text("flushing")}});
  ASSERT_TRUE(wait([&] { return web().status_text == "flushing"; }));
  EXPECT_GT(web().checkpoint, 0U);
  EXPECT_TRUE(has_drop_in("web.service"));
  EXPECT_EQ(manager_.count("Reload"), 1);
  manager_.change("web.service", {{"ActiveState", text("inactive")},
                                  {"SubState", text("dead")},
                                  {"MainPID", Value(std::uint64_t{0})},
                                  {"ExecMainCode", Value(std::int64_t{1})},
                                  {"ExecMainStatus", Value(std::int64_t{0})},
                                  {"ExecMainExitTimestamp", Value(std::uint64_t{5})}});
  ASSERT_TRUE(wait([&] { return web().state == ServiceState::stopped; }));
  EXPECT_EQ(web().exit->code, 0);
  ASSERT_TRUE(eventually([&] { return !has_record("web.service"); }));
  EXPECT_FALSE(has_drop_in("web.service"));
  EXPECT_FALSE(drop_in_at_reload_);
  EXPECT_EQ(manager_.count("Reload"), 2);
}

TEST_F(ASession, TellsRefusalsByTheirKindsAndNames) {
  manager_.put("web.service", harmless_service("web.service", kFirst));
  ASSERT_TRUE(begin());
  const std::vector<std::pair<std::string, ErrorKind>> all{
      {"org.freedesktop.systemd1.NoSuchUnit", ErrorKind::unknown_service},
      {"org.freedesktop.systemd1.UnitMasked", ErrorKind::service_disabled},
      {"org.freedesktop.systemd1.TransactionIsDestructive", ErrorKind::busy},
      {"org.freedesktop.systemd1.OnlyByDependency", ErrorKind::control_not_accepted},
      {"org.freedesktop.DBus.Error.AccessDenied", ErrorKind::access_denied},
      {"org.example.Unheard", ErrorKind::scm_failure}};
  for (const auto& [name, kind] : all) {
    manager_.answer("StopUnit", [name](const Call&) { return std::optional(refusal(name)); });
    const auto answered = stop();
    ASSERT_FALSE(answered) << name;
    EXPECT_EQ(answered.error().kind, kind) << name;
    EXPECT_EQ(answered.error().native_name, name);
    EXPECT_EQ(answered.error().effect, Effect::none);
    EXPECT_EQ(answered.error().service, "web.service");
  }
}

TEST_F(ASession, SaysThatAnAnswerThatNeverCameMayHaveHadAnEffect) {
  manager_.put("web.service", harmless_service("web.service", kFirst));
  manager_.answer("StopUnit", [](const Call&) { return std::nullopt; });
  ASSERT_TRUE(begin());
  const auto token = send(ControlOp::stop, web().instance);
  ASSERT_TRUE(eventually([&] { return manager_.count("StopUnit") > 0; }));
  manager_.cut();
  const auto answered = answer(token);
  ASSERT_FALSE(answered);
  EXPECT_EQ(answered.error().kind, ErrorKind::timeout);
  EXPECT_EQ(answered.error().effect, Effect::unknown);
  ASSERT_TRUE(wait([&] { return listener_->losses() == 1 && !listener_->lost(); }));
  EXPECT_TRUE(scm_->snapshot()->complete);
}

TEST_F(ASession, ShowsNothingAsCompleteWhileSystemdIsAway) {
  manager_.put("web.service", harmless_service("web.service", kFirst));
  ASSERT_TRUE(begin());
  manager_.cut(true);
  ASSERT_TRUE(wait([&] { return listener_->lost(); }));
  EXPECT_FALSE(scm_->snapshot()->complete);
  const auto answered = stop();
  ASSERT_FALSE(answered);
  EXPECT_EQ(answered.error().kind, ErrorKind::scm_unavailable);
  EXPECT_FALSE(scm_->prepare("job", {"web.service"}));
  // What happened meanwhile is seen afterwards, and not believed to be a good end.
  manager_.change(
      "web.service",
      {{"ActiveState", text("inactive")}, {"SubState", text("dead")}, {"InvocationID", text("")}},
      true);
  manager_.accept_again();
  ASSERT_TRUE(wait([&] { return !listener_->lost(); }));
  EXPECT_EQ(web().state, ServiceState::stopped);
  ASSERT_TRUE(web().exit);
  EXPECT_FALSE(web().exit->code);
}

TEST_F(ASession, SeesAWatchedUnitMoveThoughEverySignalIsLost) {
  manager_.put("web.service", harmless_service("web.service", kFirst));
  ASSERT_TRUE(begin());
  scm_->watch({"web.service"});
  ASSERT_TRUE(stop());
  manager_.change("web.service", {{"ActiveState", text("inactive")}, {"SubState", text("dead")}},
                  true);
  EXPECT_TRUE(wait([&] { return web().state == ServiceState::stopped; }));
}

TEST_F(ASession, NeverShowsAServiceThatRunsWithoutItsProcess) {
  manager_.put("web.service", harmless_service("web.service", kFirst));
  ASSERT_TRUE(begin());
  // The first half of a change alone.
  manager_.signal({.path = "/org/freedesktop/systemd1/unit/web_2eservice",
                   .interface = std::string(kPropertiesInterface),
                   .member = "PropertiesChanged",
                   .arguments = {text("org.freedesktop.systemd1.Service"),
                                 Value(Value::List{
                                     Value(Value::List{text("MainPID"), Value(std::uint64_t{0})})}),
                                 Value(Value::List{})}});
  manager_.put("db.service", harmless_service("db.service", kFirst));
  manager_.signal({.path = std::string(kManagerPath),
                   .interface = std::string(kManagerInterface),
                   .member = "UnitNew",
                   .arguments = {text("db.service"), text("/x")}});
  ASSERT_TRUE(wait([&] { return scm_->snapshot()->find("db.service") != nullptr; }));
  EXPECT_EQ(web().instance->pid, 4711);
}

TEST_F(ASession, LooksOnceAtTheListForAUnitThatIsLoadedAgainAndAgain) {
  manager_.put("web.service", harmless_service("web.service", kFirst));
  manager_.change("web.service", {{"ActiveState", text("inactive")}, {"SubState", text("dead")}},
                  true);
  ASSERT_TRUE(begin());
  const int looks = manager_.count("GetAll");
  const int lists = manager_.count("ListUnits");
  for (int i = 0; i < 3; ++i) {
    manager_.signal({.path = std::string(kManagerPath),
                     .interface = std::string(kManagerInterface),
                     .member = "UnitNew",
                     .arguments = {text("web.service"), text("/x")}});
  }
  manager_.change("web.service", {{"Description", text("seen")}});
  ASSERT_TRUE(wait([&] { return web().display_name == "seen"; }));
  EXPECT_EQ(manager_.count("GetAll"), looks);
  EXPECT_EQ(manager_.count("ListUnits"), lists + 1);
}

TEST_F(ASession, TellsWhyAStartNeverBegan) {
  Facts facts = harmless_service("web.service", kFirst);
  facts["ActiveState"] = text("inactive");
  facts["SubState"] = text("dead");
  manager_.put("web.service", std::move(facts));
  ASSERT_TRUE(begin());
  ASSERT_TRUE(answer(send(ControlOp::start, std::nullopt)));
  EXPECT_TRUE(was_ordered("StartUnit web.service fail"));
  manager_.signal({.path = std::string(kManagerPath),
                   .interface = std::string(kManagerInterface),
                   .member = "JobRemoved",
                   .arguments = {Value(std::uint64_t{100}), text("/x"), text("web.service"),
                                 text("dependency")}});
  ASSERT_TRUE(wait([&] { return !web().warnings.empty(); }));
  EXPECT_EQ(web().warnings.front(), "its last start did not begin: systemd says 'dependency'");
}

TEST_F(ASession, FindsWhatAnAgentBeforeItHasLeft) {
  manager_.put("web.service", running_service("web.service", kFirst));
  const SparedFiles files(folder_ + "/spared", folder_ + "/units");
  ASSERT_TRUE(files.write_record("web.service", {.instance = kFirstKey, .jobs = {"01GONE"}}));
  ASSERT_TRUE(files.write_drop_in("web.service", "[Service]\nTimeoutStopSec=infinity\n"));
  ASSERT_TRUE(begin());
  // It runs, and nobody stops it: the job that held it is over.
  ASSERT_TRUE(eventually([&] { return !has_record("web.service"); }));
  EXPECT_FALSE(has_drop_in("web.service"));
  EXPECT_EQ(manager_.orders(), std::vector<std::string>{"Reload"});
}

TEST_F(ASession, SparesWhatStillStopsThoughAnAgentDiedBeforeItsDropIn) {
  manager_.put("web.service", running_service("web.service", kFirst));
  manager_.change("web.service",
                  {{"ActiveState", text("deactivating")}, {"SubState", text("stop-sigterm")}},
                  true);
  const SparedFiles files(folder_ + "/spared", folder_ + "/units");
  ASSERT_TRUE(files.write_record("web.service", {.instance = kFirstKey, .jobs = {"01GONE"}}));
  ASSERT_TRUE(begin());
  ASSERT_TRUE(eventually([&] { return manager_.count("Reload") > 0; }));
  EXPECT_TRUE(has_drop_in("web.service"));
  EXPECT_TRUE(has_record("web.service"));
}

}  // namespace
}  // namespace noforce::systemd::testing
