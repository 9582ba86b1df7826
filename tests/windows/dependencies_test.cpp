// Dependencies, groups and load order from the configuration.
#include "core/scm/windows/dependencies.hpp"

#include <algorithm>

#include <gtest/gtest.h>

namespace noforce::windows {
namespace {

using Names = std::vector<std::string>;

ConfiguredService needing(Names dependencies, std::string group = {}) {
  return {.config = {.load_group = std::move(group), .dependencies = std::move(dependencies)},
          .dependents = {}};
}

Names depends_on(const std::vector<Graph::Node>& nodes, const std::string& name) {
  for (const auto& node : nodes) {
    if (node.name == name) return node.depends_on;
  }
  return {"there is no such node"};
}

TEST(Dependencies, TakeTheSpellingOfTheServiceAndNotOfWhoeverNamesIt) {
  const auto nodes =
      nodes_of({{"W3SVC", needing({"iisadmin"})}, {"IISADMIN", needing({})}}, {}, {});
  EXPECT_EQ(depends_on(nodes, "W3SVC"), Names{"IISADMIN"});
}

TEST(Dependencies, LeaveDriversToTheServiceManager) {
  const auto nodes =
      nodes_of({{"W3SVC", needing({"HTTP", "IISADMIN"})}, {"IISADMIN", needing({})}}, {"http"}, {});
  EXPECT_EQ(depends_on(nodes, "W3SVC"), Names{"IISADMIN"});
}

TEST(Dependencies, KeepWhatNobodyKnowsSoThatThePlanCanSayIt) {
  const auto nodes = nodes_of({{"W3SVC", needing({"HTTPFilter"})}}, {}, {});
  EXPECT_EQ(depends_on(nodes, "W3SVC"), Names{"HTTPFilter"});
  const Graph graph(nodes);
  const auto checked = graph.check_dependencies({"W3SVC"});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().kind, ErrorKind::dependency_missing);
}

TEST(Dependencies, OnAGroupAreOnEachOfItsMembersThatCanBeStarted) {
  Configuration configuration{{"Messenger", needing({"+NetworkProvider"})},
                              {"LanmanWorkstation", needing({}, "networkprovider")},
                              {"WebClient", needing({}, "NetworkProvider")},
                              {"Old", needing({}, "NetworkProvider")}};
  configuration["Old"].config.start = start::disabled;
  EXPECT_EQ(depends_on(nodes_of(configuration, {}, {}), "Messenger"),
            (Names{"LanmanWorkstation", "WebClient"}));
}

TEST(Dependencies, OfAMemberOnItsOwnGroupAreNoCircle) {
  const auto nodes = nodes_of({{"A", needing({"+G"}, "G")}, {"B", needing({}, "G")}}, {}, {});
  EXPECT_EQ(depends_on(nodes, "A"), Names{"B"});
}

TEST(Dependencies, ThatOnlyTheServiceManagerKnowsAreAdded) {
  Configuration configuration{
      {"IISADMIN", needing({})}, {"SMTPSVC", needing({"IISADMIN"})}, {"AntiSpam", needing({})}};
  configuration["IISADMIN"].dependents = {"AntiSpam", "SMTPSVC"};
  const auto nodes = nodes_of(configuration, {}, {});
  EXPECT_EQ(depends_on(nodes, "AntiSpam"), Names{"IISADMIN"});
  EXPECT_EQ(depends_on(nodes, "SMTPSVC"), Names{"IISADMIN"});
}

TEST(Dependencies, ThatItKnowsIndirectlyGetNoEdgeOfTheirOwn) {
  Configuration configuration{{"IISADMIN", needing({})},
                              {"SMTPSVC", needing({"IISADMIN"})},
                              {"AntiSpam", needing({"SMTPSVC"})}};
  configuration["IISADMIN"].dependents = {"AntiSpam", "SMTPSVC"};
  EXPECT_EQ(depends_on(nodes_of(configuration, {}, {}), "AntiSpam"), Names{"SMTPSVC"});
}

TEST(LoadOrder, StartsTheGroupsInTheirOrderAndStopsThemInTheReverse) {
  // Names alone would give A, B, C.
  const Graph graph(nodes_of({{"A", needing({})},
                              {"B", needing({}, "Late")},
                              {"C", needing({}, "Early")},
                              {"D", needing({}, "Unlisted")}},
                             {}, {"early", "Late"}));
  const auto order = graph.start_order({"A", "B", "C", "D"});
  ASSERT_TRUE(order);
  EXPECT_EQ(*order, (Names{"C", "B", "D", "A"}));
}

TEST(LoadOrder, GivesWayToADependency) {
  const Graph graph(nodes_of({{"A", needing({"Z"}, "Early")}, {"Z", needing({}, "Late")}}, {},
                             {"Early", "Late"}));
  const auto order = graph.start_order({"A", "Z"});
  ASSERT_TRUE(order);
  EXPECT_EQ(*order, (Names{"Z", "A"}));
}

TEST(LoadOrder, CountsAmongTheDependenciesOfOneServiceToo) {
  const Graph graph(nodes_of(
      {{"App", needing({"A", "B"})}, {"A", needing({}, "Late")}, {"B", needing({}, "Early")}}, {},
      {"Early", "Late"}));
  const auto order = graph.start_order({"App", "A", "B"});
  ASSERT_TRUE(order);
  EXPECT_EQ(*order, (Names{"B", "A", "App"}));
}

TEST(ZeroEndedStrings, EndAtTheEmptyOneOrWithTheText) {
  using namespace std::string_view_literals;
  EXPECT_EQ(strings_of("RPCSS\0HTTP\0\0rest\0"sv), (Names{"RPCSS", "HTTP"}));
  EXPECT_EQ(strings_of("RPCSS"sv), Names{"RPCSS"});
  EXPECT_TRUE(strings_of("\0"sv).empty());
  EXPECT_TRUE(strings_of(""sv).empty());
}

}  // namespace
}  // namespace noforce::windows
