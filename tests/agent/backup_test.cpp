// `noforce backup`, with the finished program.
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/journal.hpp"
#include "tests/agent/program.hpp"
#include "tests/agent/temporary_directory.hpp"

namespace noforce::agent {
namespace {

using test::Outcome;
using test::run;
using test::ServedAgent;
using ::testing::HasSubstr;

class Backup : public ::testing::Test {
 protected:
  void SetUp() override {
    const Outcome made = run({"init", "--state-dir", state()});
    ASSERT_EQ(made.status, 0) << made.err;
  }
  [[nodiscard]] std::string state() const { return dir / "state"; }
  [[nodiscard]] std::string copy() const { return dir / "copy.db"; }
  [[nodiscard]] Outcome backup(const std::string& file) const {
    return run({"backup", "--state-dir", state(), file});
  }

  test::TemporaryDirectory dir;
};

TEST_F(Backup, SaysWhatIsInItAndHowToRestoreIt) {
  const Outcome made = backup(copy());
  ASSERT_EQ(made.status, 0) << made.err;
  EXPECT_THAT(made.out, HasSubstr(copy() + ": 0 jobs (0 unfinished) and 1 audit rows, as of 20"));
  EXPECT_THAT(made.out, HasSubstr("checked, nothing is damaged"));
  EXPECT_THAT(made.out, HasSubstr("To restore it: end the agent, move " + state() +
                                  "/noforce.db* away, copy the file to " + state() +
                                  "/noforce.db, start the agent."));
}

TEST_F(Backup, IsMadeBesideARunningAgentAndServesAnotherOne) {
  const std::string settings =
      dir.write("settings.toml", "[server]\nlisten = \"127.0.0.1:0\"\nstate_dir = \"" + state() +
                                     "\"\n[supervisor]\non_exit = \"stop\"\n");
  {
    ServedAgent agent(settings, state());
    ASSERT_TRUE(agent.is_serving()) << agent.log();
    ASSERT_EQ(run({"token", "create", "ci", "--role", "viewer", "--state-dir", state()}).status, 0);
    const Outcome made = backup(copy());
    EXPECT_EQ(made.status, 0) << made.err;
    ASSERT_EQ(run({"token", "create", "late", "--role", "viewer", "--state-dir", state()}).status,
              0);
    EXPECT_EQ(agent.end(), 0);
  }
  for (const char* const more : {"", "-wal", "-shm", "-reserve"})
    std::filesystem::remove(state() + "/noforce.db" + more);
  std::filesystem::copy_file(copy(), state() + "/noforce.db");

  ServedAgent agent(settings, state());
  ASSERT_TRUE(agent.is_serving()) << agent.log();
  const std::string tokens = run({"token", "list", "--state-dir", state()}).out;
  EXPECT_THAT(tokens, HasSubstr("ci role=viewer"));
  EXPECT_THAT(tokens, ::testing::Not(HasSubstr("late")));
  EXPECT_EQ(run({"audit", "verify", "--state-dir", state()}).status, 0);
}

TEST_F(Backup, OverwritesNothing) {
  dir.write("copy.db", "precious");
  const Outcome made = backup(copy());
  EXPECT_EQ(made.status, 4);
  EXPECT_THAT(made.err, HasSubstr("is there already; nothing is overwritten"));
  EXPECT_EQ(test::content_of(copy()), "precious");
}

TEST_F(Backup, SaysWhatIsMissing) {
  const Outcome nowhere = backup(dir / "no/such/copy.db");
  EXPECT_EQ(nowhere.status, 1);
  EXPECT_THAT(nowhere.err, HasSubstr("No such file or directory"));
  const Outcome nothing = run({"backup", "--state-dir", dir / "none", copy()});
  EXPECT_EQ(nothing.status, 1);
  EXPECT_THAT(nothing.err, HasSubstr("there is no journal"));
  EXPECT_EQ(run({"backup", "--state-dir", state()}).status, 2);
}

}  // namespace
}  // namespace noforce::agent
