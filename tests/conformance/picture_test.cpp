// What the picture shows, from the first one on.
#include <algorithm>

#include "tests/conformance/any_scm.hpp"

namespace noforce::test {
namespace {

TEST_P(AnyScm, ShowsACompletePictureOnceItHasStarted) {
  ASSERT_TRUE(begin({{"web", Manner::ordinary, {"db"}}, {"db"}}));
  const PicturePtr picture = client().scm().snapshot();
  EXPECT_TRUE(picture->complete);
  ASSERT_NE(picture->graph, nullptr);
  EXPECT_TRUE(
      std::ranges::is_sorted(picture->services, {}, [](const auto& each) { return each->name; }));
  for (const std::string name : {"web", "db"}) {
    const Service shown = client().service(name);
    EXPECT_EQ(shown.name, canonical(name));
    EXPECT_EQ(shown.state, ServiceState::stopped);
    EXPECT_FALSE(shown.instance);
    EXPECT_FALSE(shown.accepts.stop);
    EXPECT_FALSE(shown.display_name.empty());
  }
  if (estate().abilities().lists_only_ours) {
    EXPECT_EQ(picture->services.size(), 2U);
  }
}

TEST_P(AnyScm, HasAPictureBeforeItHasStarted) {
  const auto scm = estate().connect();
  const PicturePtr picture = scm->snapshot();
  ASSERT_NE(picture, nullptr);
  ASSERT_NE(picture->graph, nullptr);
  EXPECT_FALSE(picture->complete);
  EXPECT_FALSE(scm->resolve("web"));
}

TEST_P(AnyScm, KnowsWhoDependsOnWhom) {
  ASSERT_TRUE(
      begin({{"web", Manner::ordinary, {"db"}}, {"db"}, {"shop", Manner::ordinary, {"web"}}}));
  const Service web = client().service("web");
  EXPECT_NE(std::ranges::find(web.depends_on, canonical("db")), web.depends_on.end());
  const PicturePtr picture = client().scm().snapshot();
  EXPECT_EQ(picture->graph->dependents(canonical("db")), std::vector{canonical("web")});
  EXPECT_EQ(picture->graph->dependents(canonical("web")), std::vector{canonical("shop")});
  EXPECT_TRUE(picture->graph->dependents(canonical("shop")).empty());
}

TEST_P(AnyScm, ResolvesTheSpellingsOfItsNames) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto spellings = estate().spellings("web");
  ASSERT_FALSE(spellings.empty());
  for (const auto& spelling : spellings)
    EXPECT_EQ(client().scm().resolve(spelling), canonical("web")) << spelling;
  EXPECT_EQ(client().scm().resolve(canonical("web")), canonical("web"));
  EXPECT_FALSE(client().scm().resolve("nobody"));
  EXPECT_FALSE(client().scm().resolve(""));
  EXPECT_FALSE(client().scm().resolve("../web"));
}

TEST_P(AnyScm, NoticesAServiceThatIsNew) {
  ASSERT_TRUE(begin({{"web"}}));
  const int before = client().listener().inventories();
  estate().install({{"db"}});
  ASSERT_TRUE(client().wait([&] { return !client().service("db").name.empty(); }));
  EXPECT_TRUE(client().wait([&] { return client().listener().inventories() > before; }));
  EXPECT_EQ(client().service("db").state, ServiceState::stopped);
  EXPECT_TRUE(client().run("db"));
}

TEST_P(AnyScm, NoticesThatDependenciesChange) {
  ASSERT_TRUE(begin({{"web"}, {"db"}}));
  ASSERT_TRUE(client().run("web"));
  const Instance before = *client().service("web").instance;
  EXPECT_TRUE(client().scm().snapshot()->graph->dependents(canonical("db")).empty());
  const int inventories = client().listener().inventories();
  estate().depend("web", {"db"});
  EXPECT_TRUE(client().wait([&] {
    return client().scm().snapshot()->graph->dependents(canonical("db")) ==
           std::vector{canonical("web")};
  }));
  EXPECT_TRUE(client().wait([&] { return client().listener().inventories() > inventories; }));
  // The service itself was not touched.
  EXPECT_EQ(client().service("web").state, ServiceState::running);
  EXPECT_EQ(client().service("web").instance, before);
}

TEST_P(AnyScm, GivesEachChangeAHigherRevisionAndKeepsOldPictures) {
  ASSERT_TRUE(begin({{"web"}}));
  const PicturePtr old = client().scm().snapshot();
  ASSERT_TRUE(client().run("web"));
  EXPECT_GT(client().scm().snapshot()->revision, old->revision);
  EXPECT_EQ(old->find(canonical("web"))->state, ServiceState::stopped);
}

TEST_P(AnyScm, FindsWhatRunsWhenItConnectsAnew) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  client().end();
  EXPECT_TRUE(estate().lives(instance->pid));
  const auto next = another();
  ASSERT_NE(next, nullptr);
  EXPECT_EQ(next->service("web").state, ServiceState::running);
  ASSERT_TRUE(next->service("web").instance);
  EXPECT_EQ(next->service("web").instance, instance);  // the same name for the same run
  EXPECT_EQ(next->service("web").instance->pid, instance->pid);
}

TEST_P(AnyScm, ShowsTheSameInstanceToAllWhoLook) {
  ASSERT_TRUE(begin({{"web"}}));
  const auto beside = another();
  ASSERT_NE(beside, nullptr);
  const auto instance = client().run("web");
  ASSERT_TRUE(instance);
  // What one client does, or anybody else, the other sees without asking.
  ASSERT_TRUE(beside->wait_for("web", ServiceState::running));
  EXPECT_EQ(beside->service("web").instance, instance);
}

TEST_P(AnyScm, WarnsOfNothingWhereNobodyIsKnown) {
  ASSERT_TRUE(begin({{"web"}}));
  EXPECT_TRUE(client().scm().plan_warnings("nobody").empty());
  EXPECT_EQ(client().scm().off_limits("nobody"), "");
  EXPECT_EQ(client().scm().off_limits(canonical("web")), "");
  client().scm().refresh({"nobody", canonical("web")});
  client().scm().watch({"nobody", canonical("web")});
  EXPECT_TRUE(client().run("web"));
}

}  // namespace
}  // namespace noforce::test
