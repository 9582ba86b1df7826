#include "agent/administration.hpp"

#include <filesystem>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "agent/commands.hpp"
#include "agent/files.hpp"
#include "agent/local_socket.hpp"
#include "agent/lock.hpp"
#include "agent/log.hpp"
#include "agent/process.hpp"
#include "tests/agent/temporary_directory.hpp"

namespace noforce::agent {
namespace {

using nlohmann::json;
using test::TemporaryDirectory;
using ::testing::HasSubstr;

class Administration : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Journal::open(dir / "noforce.db");
    ASSERT_TRUE(opened) << opened.error().detail;
    journal = std::move(*opened);
    credentials = std::make_unique<Credentials>(*journal, system_clock());
    ASSERT_TRUE(credentials->load());
  }

  json answer(const json& request) const { return line(request.dump()); }
  json line(const std::string& request) const {
    return json::parse(
        administer({.journal = *journal, .credentials = *credentials}, "alice", request));
  }
  json result(const json& request) const {
    const json full = answer(request);
    EXPECT_EQ(full["ok"], true) << full;
    return full.value("result", json());
  }
  std::string refusal(const json& request) const {
    const json full = answer(request);
    EXPECT_EQ(full["ok"], false) << full;
    return full["error"].value("code", "") + ": " + full["error"].value("detail", "");
  }

  TemporaryDirectory dir;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<Credentials> credentials;
};

TEST_F(Administration, MakesATokenThatCountsAtOnce) {
  const json made = result({{"do", "token.create"},
                            {"name", "ci"},
                            {"role", "operator"},
                            {"services", {"w3*"}},
                            {"actions", {"restart"}},
                            {"expires_s", 3600}});
  const auto principal = credentials->check(made["secret"].get<std::string>());
  ASSERT_TRUE(principal);
  EXPECT_EQ(principal->name, "token:ci");
  EXPECT_EQ(principal->role, Role::operator_);
  EXPECT_TRUE(principal->may_see("w3svc"));
  EXPECT_FALSE(principal->may_see("smtpsvc"));
  EXPECT_FALSE(principal->may_do("stop"));
}

TEST_F(Administration, ListsTokensWithoutTheirSecrets) {
  const json made = result({{"do", "token.create"}, {"name", "a"}, {"role", "viewer"}});
  const json list = result({{"do", "token.list"}});
  ASSERT_EQ(list.size(), 1U);
  EXPECT_EQ(list[0]["name"], "a");
  EXPECT_TRUE(list[0]["expires_at"].is_null());
  EXPECT_THAT(list.dump(), Not(HasSubstr(made["secret"].get<std::string>())));
}

TEST_F(Administration, RevokesAToken) {
  const json made = result({{"do", "token.create"}, {"name", "a"}, {"role", "viewer"}});
  result({{"do", "token.revoke"}, {"name", "a"}});
  EXPECT_FALSE(credentials->check(made["secret"].get<std::string>()));
  EXPECT_THAT(refusal({{"do", "token.revoke"}, {"name", "nobody"}}), HasSubstr("not_found"));
}

TEST_F(Administration, RefusesATokenThatIsWrong) {
  result({{"do", "token.create"}, {"name", "a"}, {"role", "viewer"}});
  EXPECT_THAT(refusal({{"do", "token.create"}, {"name", "a"}, {"role", "viewer"}}),
              HasSubstr("malformed"));
  EXPECT_THAT(refusal({{"do", "token.create"}, {"name", "b"}, {"role", "root"}}),
              HasSubstr("viewer, operator and admin"));
  EXPECT_THAT(refusal({{"do", "token.create"}, {"name", "b"}, {"role", 1}}), HasSubstr("'role'"));
  EXPECT_THAT(
      refusal({{"do", "token.create"}, {"name", "b"}, {"role", "viewer"}, {"services", "all"}}),
      HasSubstr("'services'"));
  for (const json& expires : {json(0), json(-1), json("1d"), json(1e300), json(1LL << 60)}) {
    EXPECT_THAT(
        refusal(
            {{"do", "token.create"}, {"name", "b"}, {"role", "viewer"}, {"expires_s", expires}}),
        HasSubstr("expires after"));
  }
}

TEST_F(Administration, SetsAndReleasesTheHold) {
  EXPECT_EQ(result({{"do", "hold.status"}})["on"], false);
  const json on = result({{"do", "hold.on"}, {"reason", "freeze\nfor Christmas"}});
  EXPECT_EQ(on["on"], true);
  EXPECT_EQ(on["by"], "local:alice");
  EXPECT_THAT(on["reason"].get<std::string>(), Not(HasSubstr("\n")));
  EXPECT_EQ(result({{"do", "hold.status"}})["on"], true);
  EXPECT_EQ(result({{"do", "hold.off"}})["on"], false);
}

TEST_F(Administration, ShowsAndVerifiesTheAuditTrail) {
  result({{"do", "hold.on"}});
  result({{"do", "hold.off"}});
  const json rows = result({{"do", "audit.show"}, {"limit", 1}});
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0]["event"], "hold.off");
  EXPECT_EQ(rows[0]["principal"], "local:alice");
  const json verdict = result({{"do", "audit.verify"}});
  EXPECT_TRUE(verdict["first_bad"].is_null());
  EXPECT_EQ(verdict["rows"], 2);
  EXPECT_THAT(refusal({{"do", "audit.show"}, {"limit", 0}}), HasSubstr("1 to 1000"));
}

TEST_F(Administration, NeedsAnAgentToReload) {
  EXPECT_THAT(refusal({{"do", "reload"}}), HasSubstr("no agent runs"));
}

TEST_F(Administration, RefusesWhatItCannotRead) {
  for (const std::string request : {"", "[]", "{", "null", "\"do\"", "{\"do\":\xff}", "{\"do\":1}",
                                    "{}", R"({"do":"everything"})"}) {
    EXPECT_EQ(line(request)["error"]["code"], "malformed") << request;
  }
  EXPECT_EQ(line(std::string(50'000, '['))["ok"], false);
}

TEST(AskingWithoutAnAgent, DoesItOnTheJournalItself) {
  const TemporaryDirectory dir;
  const StateDir state(dir / "state");
  ASSERT_TRUE(prepare_private_directory(state.path()));
  const auto made = ask(state, {{"do", "token.create"}, {"name", "a"}, {"role", "viewer"}});
  ASSERT_TRUE(made) << made.error().detail;
  const auto list = ask(state, {{"do", "token.list"}});
  ASSERT_TRUE(list);
  EXPECT_EQ(list->size(), 1U);
}

TEST(AskingWithoutAnAgent, SaysHowToMakeAStateDirectoryThatIsMissing) {
  const auto asked = ask(StateDir("/no/such/state"), {{"do", "token.list"}});
  ASSERT_FALSE(asked);
  EXPECT_THAT(asked.error().detail, HasSubstr("noforce init --state-dir /no/such/state"));
}

TEST(AskingAnAgent, ThatHoldsTheLockAndDoesNotListenIsUnreachable) {
  const TemporaryDirectory dir;
  const StateDir state(dir / "state");
  ASSERT_TRUE(prepare_private_directory(state.path()));
  const auto lock = Lock::take(state.lock());
  ASSERT_TRUE(lock);
  const auto asked = ask(state, {{"do", "token.list"}});
  ASSERT_FALSE(asked);
  EXPECT_EQ(asked.error().kind, ErrorKind::scm_unavailable);
}

TEST(AskingAnAgent, MovesNoCursorWithWhatItAnswers) {
  const TemporaryDirectory dir;
  const StateDir state(dir.path());
  std::string said;
  const auto agent = open_local_socket(
      state.socket(), [&said](const std::string&, std::string_view) { return said; });
  ASSERT_TRUE(agent) << agent.error().detail;

  said = R"({"ok":true,"result":[{"name":"\u001b[2J\u202eci"}]})";
  const auto list = ask(state, {{"do", "token.list"}});
  ASSERT_TRUE(list) << list.error().detail;
  EXPECT_EQ((*list)[0]["name"], "\\u001b[2J\\u202eci");

  said = R"({"ok":false,"error":{"code":"malformed","detail":"first\nsecond\u0007"}})";
  const auto refused = ask(state, {{"do", "reload"}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().detail, "first\nsecond\\u0007");

  said = R"({"ok":true,"result":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}";
  EXPECT_TRUE(ask(state, {{"do", "token.list"}}));
}

TEST(ADuration, IsANumberAndAUnit) {
  EXPECT_EQ(parse_duration("90s"), 90);
  EXPECT_EQ(parse_duration("15m"), 900);
  EXPECT_EQ(parse_duration("12h"), 43'200);
  EXPECT_EQ(parse_duration("30d"), 2'592'000);
  EXPECT_EQ(parse_duration("8w"), 4'838'400);
  for (const std::string text :
       {"", "d", "30", "-1d", "0d", "1.5h", "30 d", "30days", "9999999999d"}) {
    EXPECT_FALSE(parse_duration(text)) << text;
  }
}

TEST(ALogField, IsQuotedWhereItNeedsItAndNeverBreaksTheLine) {
  EXPECT_EQ(log_field({.key = "a", .value = "plain"}), "a=plain");
  EXPECT_EQ(log_field({.key = "a", .value = ""}), "a=\"\"");
  EXPECT_EQ(log_field({.key = "a", .value = "two words"}), "a=\"two words\"");
  EXPECT_EQ(log_field({.key = "a", .value = "say \"x\""}), "a=\"say \\\"x\\\"\"");
  EXPECT_THAT(log_field({.key = "a", .value = "x\nlevel=error"}), Not(HasSubstr("\n")));
}

TEST(AStateDirectory, IsNamedByItsOptionOrTheSettings) {
  const TemporaryDirectory dir;
  const std::string place = config::default_state_dir() + "-of-the-settings";
  const std::string file = dir.write("s.toml", "[server]\nstate_dir = '" + place + "'\n");
  EXPECT_EQ(find_state_dir({.config = file, .state_dir = ""})->path(), place);
  const std::filesystem::path beside = std::filesystem::path(place).parent_path() / "b";
  EXPECT_EQ(find_state_dir({.config = file, .state_dir = place + "/../b/"})->path(), beside);
  EXPECT_FALSE(find_state_dir({.config = dir / "none", .state_dir = ""}));
}

}  // namespace
}  // namespace noforce::agent
