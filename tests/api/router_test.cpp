#include "api/router.hpp"

#include <array>

#include <gtest/gtest.h>

#include "api/face.hpp"

namespace noforce::api {
namespace {

constexpr std::array kTable{
    Route{"GET", "/", "root"},
    Route{"GET", "/v1/jobs", "list"},
    Route{"POST", "/v1/jobs", "create"},
    Route{"GET", "/v1/jobs/latest", "latest"},
    Route{"GET", "/v1/jobs/{id}", "get"},
    Route{"POST", "/v1/services/{name}/{action}", "control"},
};

std::string_view found(std::string_view method, std::vector<std::string> segments) {
  const auto match = Router(kTable).find(method, segments);
  return match.route == nullptr ? std::string_view() : match.route->id;
}

TEST(ARouter, FindsTheRowOfMethodAndPath) {
  EXPECT_EQ(found("GET", {}), "root");
  EXPECT_EQ(found("GET", {"v1", "jobs"}), "list");
  EXPECT_EQ(found("HEAD", {"v1", "jobs"}), "list");
  EXPECT_EQ(found("POST", {"v1", "jobs"}), "create");
  EXPECT_EQ(found("GET", {"v1", "jobs", "latest"}), "latest");
  EXPECT_EQ(found("GET", {"v1", "jobs", "x"}), "get");
}

TEST(ARouter, GivesWhatStandsForTheParameters) {
  const std::vector<std::string> segments{"v1", "services", "a/b", "stop"};
  const auto match = Router(kTable).find("POST", segments);
  EXPECT_EQ(match.parameters, (std::vector<std::string_view>{"a/b", "stop"}));
}

TEST(ARouter, KnowsAPathFromAMethod) {
  const auto wrong_method = Router(kTable).find("DELETE", {"v1", "jobs"});
  EXPECT_TRUE(wrong_method.path_known);
  EXPECT_EQ(wrong_method.allow, "GET, HEAD, POST, OPTIONS");
  EXPECT_FALSE(Router(kTable).find("GET", {"v1", "nothing"}).path_known);
  EXPECT_FALSE(Router(kTable).find("GET", {"v1", "jobs", ""}).path_known);
  EXPECT_FALSE(Router(kTable).find("GET", {"v1", "jobs", "x", "y", "z", "a"}).path_known);
}

TEST(TheTable, NamesEachOperationOnce) {
  std::vector<std::string_view> ids;
  for (const Route& route : Face::routes()) {
    EXPECT_EQ(std::count(ids.begin(), ids.end(), route.id), 0) << route.id;
    ids.push_back(route.id);
    EXPECT_NE(route.operation, nullptr) << route.id;
  }
}

}  // namespace
}  // namespace noforce::api
