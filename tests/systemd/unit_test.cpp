// The mapping of a unit onto the SCM's states, instances, progress and exits; and names.
#include "core/scm/systemd/unit.hpp"

#include <gtest/gtest.h>

#include "core/scm/systemd/names.hpp"
#include "core/scm/systemd/units.hpp"

namespace noforce::systemd {
namespace {

using Fact = std::pair<std::string, Value>;

Value text(const std::string& text) {
  return Value(text);
}
Value number(std::uint64_t number) {
  return Value(number);
}
Value job(std::uint64_t id) {
  return Value(Value::List{number(id), text("/")});
}

Value facts(const std::vector<Fact>& all) {
  Value::List entries;
  for (const auto& [name, value] : all)
    entries.emplace_back(Value::List{text(name), value});
  return Value(std::move(entries));
}

class AUnit : public ::testing::Test {
 protected:
  AUnit() { take({{"Id", text("web.service")}, {"LoadState", text("loaded")}}); }

  bool take(const std::vector<Fact>& all) {
    now_ += Milliseconds(10);
    return unit_.take({facts(all)}, now_);
  }
  void be(const std::string& active, const std::string& sub) {
    take({{"ActiveState", text(active)}, {"SubState", text(sub)}});
  }
  void run() {
    take({{"ActiveState", text("active")},
          {"SubState", text("running")},
          {"InvocationID", text(std::string(16, 'a'))},
          {"MainPID", number(4711)},
          {"ExecMainCode", Value(std::int64_t{0})},
          {"ExecMainExitTimestamp", number(0)}});
  }
  [[nodiscard]] ServiceState state() const { return unit_.state(); }

  Unit unit_;
  MonoTime now_{};
};

TEST_F(AUnit, CountsAsWhatItsStatesSay) {
  using enum ServiceState;
  const std::vector<std::tuple<std::string, std::string, ServiceState>> table{
      {"inactive", "dead", stopped},
      {"failed", "failed", stopped},
      {"activating", "start-pre", start_pending},
      {"activating", "start", start_pending},
      {"activating", "auto-restart", stopped},
      {"active", "running", running},
      {"active", "exited", running},
      {"reloading", "reload", running},
      {"deactivating", "stop-sigterm", stop_pending},
      {"deactivating", "stop-post", stop_pending},
      {"maintenance", "x", running},
      {"of another version", "x", running}};
  for (const auto& [active, sub, expected] : table) {
    be(active, sub);
    EXPECT_EQ(state(), expected) << active << " " << sub;
  }
}

TEST_F(AUnit, StartsWhileItsStartWaitsForItsTurn) {
  be("inactive", "dead");
  take({{"Job", job(7)}});
  EXPECT_EQ(state(), ServiceState::start_pending);
  EXPECT_FALSE(unit_.instance());
  take({{"Job", job(0)}});
  EXPECT_EQ(state(), ServiceState::stopped);
}

TEST_F(AUnit, StopsWhileOurStopWaitsForItsTurn) {
  run();
  take({{"Job", job(7)}});
  EXPECT_EQ(state(), ServiceState::running) << "a reload, for all that is known";
  unit_.expect(true, 8, now_);
  EXPECT_EQ(state(), ServiceState::stop_pending) << "before systemd has said anything of it";
  take({{"Job", job(8)}});
  EXPECT_EQ(state(), ServiceState::stop_pending);
  take({{"Job", job(0)}});
  EXPECT_EQ(state(), ServiceState::running) << "the job is gone, and it runs on";
}

TEST_F(AUnit, AcceptsAStopWhileItWaitsToBeStartedAgain) {
  run();
  be("activating", "auto-restart");
  EXPECT_TRUE(unit_.awaits_restart());
  EXPECT_TRUE(unit_.service().accepts.stop);
  EXPECT_FALSE(unit_.service().instance);
  be("inactive", "dead");
  EXPECT_FALSE(unit_.service().accepts.stop);
}

TEST_F(AUnit, IsOnItsWayOnceItsStartWasTaken) {
  be("inactive", "dead");
  unit_.expect(false, 7, now_);
  EXPECT_EQ(state(), ServiceState::start_pending);
  be("activating", "auto-restart");
  EXPECT_EQ(state(), ServiceState::start_pending) << "it waits no longer";
  take({{"Job", job(0)}});
  EXPECT_EQ(state(), ServiceState::stopped);
}

TEST_F(AUnit, IsAnotherInstanceByItsInvocation) {
  run();
  const Instance first = *unit_.instance();
  EXPECT_EQ(first.pid, 4711);
  EXPECT_EQ(first.key, "61616161616161616161616161616161");
  take({{"MainPID", number(4712)}});
  EXPECT_EQ(*unit_.instance(), first) << "it handed over";
  take({{"InvocationID", text(std::string(16, 'b'))}});
  EXPECT_FALSE(*unit_.instance() == first);
  take({{"InvocationID", text(std::string(16, '\0'))}});
  EXPECT_FALSE(unit_.instance());
}

TEST_F(AUnit, ShowsEachSignOfProgressOfAPendingState) {
  run();
  be("deactivating", "stop-sigterm");
  EXPECT_EQ(unit_.service().checkpoint, 0U);
  const MonoTime entered = unit_.service().last_progress;
  take({{"StatusText", text("flushed 1 of 2")}});
  EXPECT_EQ(unit_.service().checkpoint, 1U);
  EXPECT_GT(unit_.service().last_progress, entered);
  EXPECT_FALSE(take({{"StatusText", text("flushed 1 of 2")}})) << "the same again is no news";
  EXPECT_EQ(unit_.service().checkpoint, 1U);
  be("deactivating", "stop-post");
  EXPECT_EQ(unit_.service().checkpoint, 2U);
}

TEST_F(AUnit, KeepsHowItEndedThoughSystemdForgetsIt) {
  run();
  take({{"ActiveState", text("inactive")},
        {"SubState", text("dead")},
        {"ExecMainCode", Value(std::int64_t{1})},
        {"ExecMainStatus", Value(std::int64_t{3})},
        {"ExecMainExitTimestamp", number(9)}});
  EXPECT_EQ(unit_.service().exit, (Exit{.code = 3, .service_code = {}}));
  // Unloaded, and loaded again with no past.
  take({{"ExecMainCode", Value(std::int64_t{0})},
        {"ExecMainStatus", Value(std::int64_t{0})},
        {"ExecMainExitTimestamp", number(0)},
        {"InvocationID", text("")}});
  EXPECT_EQ(unit_.service().exit, (Exit{.code = 3, .service_code = {}}));
}

TEST_F(AUnit, DoesNotKnowHowItEndedWhereNobodySawIt) {
  run();
  be("inactive", "dead");
  ASSERT_TRUE(unit_.service().exit);
  EXPECT_FALSE(unit_.service().exit->code);
}

TEST_F(AUnit, TellsASignalFromAnExitStatus) {
  run();
  take({{"ActiveState", text("failed")},
        {"Result", text("signal")},
        {"ExecMainCode", Value(std::int64_t{2})},
        {"ExecMainStatus", Value(std::int64_t{15})},
        {"ExecMainExitTimestamp", number(9)}});
  EXPECT_EQ(unit_.service().exit->code, 128 + 15);
  EXPECT_EQ(unit_.service().warnings.at(0), "systemd says that it failed: signal");
}

TEST_F(AUnit, IsDisabledOnlyWhereItIsMasked) {
  for (const auto& [file, type] :
       std::vector<std::pair<std::string, StartType>>{{"enabled", StartType::automatic},
                                                      {"enabled-runtime", StartType::automatic},
                                                      {"disabled", StartType::manual},
                                                      {"static", StartType::manual},
                                                      {"masked", StartType::disabled},
                                                      {"masked-runtime", StartType::disabled}}) {
    take({{"UnitFileState", text(file)}});
    EXPECT_EQ(unit_.service().start_type, type) << file;
  }
}

TEST_F(AUnit, NeedsWhateverTakesItDownWithIt) {
  take({{"Requires", Value(Value::List{text("db.service"), text("a.target")})},
        {"BindsTo", Value(Value::List{text("net.service")})},
        {"PartOf", Value(Value::List{text("db.service")})}});
  EXPECT_EQ(unit_.is().needs, (std::vector<std::string>{"a.target", "db.service", "net.service"}));
  take({{"StatusText", text("x")}});
  EXPECT_EQ(unit_.is().needs.size(), 3U) << "a change says nothing of them";
}

TEST_F(AUnit, MakesTextFromOutsideHarmless) {
  take({{"Description", text("a\nb\x1b[31m")}, {"StatusText", text(std::string(5000, 'x'))}});
  EXPECT_EQ(unit_.service().display_name.find('\n'), std::string::npos);
  EXPECT_EQ(unit_.service().display_name.find('\x1b'), std::string::npos);
  EXPECT_LT(unit_.service().status_text.size(), 600U);
}

TEST_F(AUnit, BelievesNothingOfAnotherKindThanItShouldBe) {
  run();
  take({{"MainPID", text("4711")},
        {"ActiveState", number(3)},
        {"Job", text("none")},
        {"Names", text("web")},
        {"Requires", number(1)}});
  EXPECT_EQ(state(), ServiceState::stopped) << "a state that is no text is none";
  EXPECT_TRUE(unit_.is().needs.empty());
}

TEST(TheUnits, ListNoMoreWhatLostItsFileWhileItWasStopped) {
  Units units({"service"});
  units.take("db.service", {facts({{"Id", text("db.service")}, {"LoadState", text("loaded")}})},
             MonoTime{});
  units.take("web.service",
             {facts({{"Id", text("web.service")},
                     {"LoadState", text("loaded")},
                     {"Requires", Value(Value::List{text("db.service")})}})},
             MonoTime{});
  ASSERT_EQ(units.picture(true)->find("web.service")->depends_on,
            std::vector<std::string>{"db.service"});

  EXPECT_EQ(units.take("db.service", {facts({{"LoadState", text("not-found")}})},
                       MonoTime{Milliseconds(1)}),
            "db.service");

  const PicturePtr after = units.picture(true);
  EXPECT_EQ(after->find("db.service"), nullptr);
  EXPECT_TRUE(after->find("web.service")->depends_on.empty());
  EXPECT_TRUE(units.take_inventory_changed());
}

TEST(AUnitsName, IsOneThatSystemdWouldTake) {
  for (const char* good : {"web.service", "getty@tty1.service", "a\\x2db.service", "x:y.socket"})
    EXPECT_TRUE(is_unit_name(good)) << good;
  for (const std::string& bad :
       {std::string("web"), std::string(""), std::string("../x.service"),
        std::string("a/b.service"), std::string("a b.service"), std::string(".service"),
        std::string("web.unit"), std::string("a\n.service"), std::string(300, 'a') + ".service"})
    EXPECT_FALSE(is_unit_name(bad)) << bad;
  EXPECT_TRUE(is_template("getty@.service"));
  EXPECT_FALSE(is_template("getty@tty1.service"));
  EXPECT_EQ(with_type("nginx"), "nginx.service");
  EXPECT_EQ(with_type("php8.2-fpm"), "php8.2-fpm.service");
  EXPECT_EQ(with_type("x.socket"), "x.socket");
}

TEST(AUnitsName, IsWrittenAsAnObjectsPathAndReadBack) {
  EXPECT_EQ(object_path("web.service"), "/org/freedesktop/systemd1/unit/web_2eservice");
  EXPECT_EQ(object_path("9p.service"), "/org/freedesktop/systemd1/unit/_39p_2eservice");
  for (const char* name : {"web.service", "9p.service", "getty@tty1.service", "a\\x2db.service"})
    EXPECT_EQ(unit_of_path(object_path(name)), name);
  for (const char* bad :
       {"/org/freedesktop/systemd1/unit/", "/x", "/org/freedesktop/systemd1/unit/a_",
        "/org/freedesktop/systemd1/unit/_zz", "/org/freedesktop/systemd1/unit/_2e_2e"})
    EXPECT_FALSE(unit_of_path(bad)) << bad;
  EXPECT_EQ(job_of_path("/org/freedesktop/systemd1/job/4711"), 4711U);
  EXPECT_EQ(job_of_path("/org/freedesktop/systemd1/job/47x"), 0U);
}

}  // namespace
}  // namespace noforce::systemd
