// openapi.yaml and the table of operations say the same, in both directions.
#include "api/contract.hpp"

#include <algorithm>
#include <set>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "api/face.hpp"
#include "api/input.hpp"
#include "api/problem.hpp"

namespace noforce::api {
namespace {

using Json = nlohmann::json;

const Json& contract() {
  static const Json parsed = Json::parse(contract_json());
  return parsed;
}

// By value: a node may be a temporary.
Json resolve(const Json& node) {
  if (!node.contains("$ref")) return node;
  return contract().at(Json::json_pointer(node.at("$ref").get<std::string>().substr(1)));
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return out;
}

const Json* operation_of(const Route& route) {
  const Json& paths = contract().at("paths");
  const std::string path(route.pattern);
  if (!paths.contains(path) || !paths.at(path).contains(lower(route.method))) return nullptr;
  return &paths.at(path).at(lower(route.method));
}

TEST(TheContract, HasEveryRouteOfTheServer) {
  for (const Route& route : Face::routes()) {
    const Json* const operation = operation_of(route);
    ASSERT_NE(operation, nullptr) << route.method << " " << route.pattern;
    EXPECT_EQ(operation->at("operationId"), std::string(route.id));
    EXPECT_EQ(operation->at("x-role"), std::string(to_string(route.access))) << route.id;
    const bool open = operation->contains("security") && operation->at("security").empty();
    EXPECT_EQ(open, route.access == Access::none) << route.id;
  }
}

TEST(TheContract, HasNoRouteThatTheServerHasNot) {
  std::size_t operations = 0;
  for (const auto& [path, item] : contract().at("paths").items()) {
    for (const auto& [method, operation] : item.items()) {
      ++operations;
      const bool served = std::ranges::any_of(Face::routes(), [&](const Route& route) {
        return route.pattern == path && lower(route.method) == method;
      });
      EXPECT_TRUE(served) << method << " " << path;
    }
  }
  EXPECT_EQ(operations, Face::routes().size());
}

TEST(TheContract, NamesTheQueryParametersThatTheServerTakes) {
  for (const Route& route : Face::routes()) {
    std::set<std::string> documented;
    const Json& operation = *operation_of(route);
    if (operation.contains("parameters")) {
      for (const Json& reference : operation.at("parameters")) {
        const Json& parameter = resolve(reference);
        if (parameter.at("in") == "query")
          documented.insert(parameter.at("name").get<std::string>());
      }
    }
    std::set<std::string> taken;
    for (const std::string_view word : words_of(route.query))
      taken.emplace(word);
    EXPECT_EQ(documented, taken) << route.id;
  }
}

TEST(TheContract, SaysWhereABodyIsTaken) {
  for (const Route& route : Face::routes()) {
    const Json& operation = *operation_of(route);
    EXPECT_EQ(operation.contains("requestBody"), route.body != Body::none) << route.id;
    if (route.body != Body::none) {
      EXPECT_EQ(operation.at("requestBody").at("required"), route.body == Body::json) << route.id;
    }
  }
}

TEST(TheContract, PromisesAnAnswerForEveryKindOfError) {
  std::set<std::string> codes;
  for (const auto& [name, response] : contract().at("components").at("responses").items()) {
    if (!response.contains("content")) continue;
    const Json& schema = response.at("content").at("application/problem+json").at("schema");
    for (const Json& part : schema.at("allOf")) {
      if (part.contains("properties"))
        for (const Json& code : part.at("properties").at("code").at("enum"))
          codes.insert(code);
    }
  }
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::internal); ++kind) {
    const auto error = static_cast<ErrorKind>(kind);
    if (title_of(error) == title_of(ErrorKind::scm_failure)) continue;  // lives in jobs
    EXPECT_TRUE(codes.contains(std::string(to_string(error)))) << to_string(error);
  }
}

TEST(TheContract, IsTheSameInBothForms) {
  EXPECT_TRUE(contract_yaml().starts_with("# The contract"));
  EXPECT_EQ(contract().at("openapi"), "3.1.0");
}

}  // namespace
}  // namespace noforce::api
