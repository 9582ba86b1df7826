#include "core/graph.hpp"

#include <gtest/gtest.h>

namespace noforce {
namespace {

using Names = std::vector<std::string>;

Graph exchange() {
  return Graph({{"iisadmin", {}},
                {"w3svc", {"iisadmin"}},
                {"smtpsvc", {"iisadmin"}},
                {"pop3svc", {"iisadmin"}},
                {"antispam", {"smtpsvc"}}});
}

TEST(AGraph, KnowsDirectNeighbours) {
  const Graph graph = exchange();
  EXPECT_EQ(graph.dependents("iisadmin"), (Names{"pop3svc", "smtpsvc", "w3svc"}));
  EXPECT_EQ(graph.dependencies("antispam"), (Names{"smtpsvc"}));
  EXPECT_TRUE(graph.dependents("nobody").empty());
}

TEST(AGraph, FollowsDependentsToTheLeaves) {
  EXPECT_EQ(exchange().all_dependents({"iisadmin"}),
            (Names{"antispam", "pop3svc", "smtpsvc", "w3svc"}));
  EXPECT_EQ(exchange().all_dependents({"iisadmin", "smtpsvc"}),
            (Names{"antispam", "pop3svc", "smtpsvc", "w3svc"}));
}

TEST(AGraph, FollowsDependenciesToTheRoots) {
  EXPECT_EQ(exchange().all_dependencies({"antispam"}), (Names{"iisadmin", "smtpsvc"}));
}

TEST(AGraph, OrdersDependenciesFirstAndEqualsByName) {
  const auto order = exchange().start_order({"w3svc", "antispam", "iisadmin", "smtpsvc"});
  ASSERT_TRUE(order);
  EXPECT_EQ(*order, (Names{"iisadmin", "smtpsvc", "antispam", "w3svc"}));
}

TEST(AGraph, OrdersAcrossServicesThatAreNotAskedFor) {
  const auto order = exchange().start_order({"antispam", "iisadmin"});
  ASSERT_TRUE(order);
  EXPECT_EQ(*order, (Names{"iisadmin", "antispam"}));
}

TEST(AGraph, NamesTheCycle) {
  const Graph graph({{"a", {"b"}}, {"b", {"c"}}, {"c", {"a"}}, {"d", {}}});
  const auto order = graph.start_order({"a"});
  ASSERT_FALSE(order);
  EXPECT_EQ(order.error().kind, ErrorKind::dependency_cycle);
  EXPECT_NE(order.error().detail.find("a -> b -> c -> a"), std::string::npos);
  EXPECT_TRUE(graph.start_order({"d"})) << "a cycle elsewhere is nobody else's trouble";
}

TEST(AGraph, TakesAServiceThatDependsOnItselfForACycle) {
  const std::vector<Graph::Node> nodes{{"a", {"a"}}};
  EXPECT_FALSE(Graph(nodes).start_order({"a"}));
}

TEST(AGraph, NamesWhatIsMissing) {
  const Graph graph({{"a", {"b"}}, {"b", {"ghost"}}});
  const auto checked = graph.check_dependencies({"a"});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().kind, ErrorKind::dependency_missing);
  EXPECT_EQ(checked.error().service, "b");
  EXPECT_NE(checked.error().detail.find("ghost"), std::string::npos);
}

TEST(AGraph, ReportsEveryProblemOnce) {
  const Graph graph({{"a", {"b"}}, {"b", {"a"}}, {"c", {"ghost"}}, {"d", {"d"}}});
  EXPECT_EQ(graph.problems().size(), 3U);
}

TEST(AGraph, WalksAChainOfTenThousandWithoutTheThreadsStack) {
  std::vector<Graph::Node> nodes{{"s00000", {}}};
  for (int i = 1; i < 10000; ++i) {
    auto name = [](int n) {
      std::string digits = std::to_string(n);
      return "s" + std::string(5 - digits.size(), '0') + digits;
    };
    nodes.push_back({name(i), {name(i - 1)}});
  }
  const Graph graph(std::move(nodes));
  const auto order = graph.start_order(graph.all_dependents({"s00000"}));
  ASSERT_TRUE(order);
  EXPECT_EQ(order->front(), "s00001");
  EXPECT_EQ(order->back(), "s09999");
}

}  // namespace
}  // namespace noforce
