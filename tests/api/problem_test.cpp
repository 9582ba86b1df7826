#include "api/problem.hpp"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace noforce::api {
namespace {

TEST(AProblem, HasTheContractsFieldsInTheirOrder) {
  const Response response = to_response(to_problem(Error{
      .kind = ErrorKind::dependents_running,
      .detail = "antispam would go down",
      .service = "iisadmin",
      .dependents = {"antispam", "w3svc"},
  }));
  EXPECT_EQ(response.status, 409);
  EXPECT_EQ(response.content_type, "application/problem+json");
  EXPECT_EQ(response.body,
            R"({"type":"/problems/dependents_running","title":"Running services depend on it",)"
            R"("status":409,"code":"dependents_running","detail":"antispam would go down",)"
            R"("service":"iisadmin","native_code":null,"native_name":null,)"
            R"("dependents":["antispam","w3svc"]})"
            "\n");
}

TEST(AProblem, SaysWhenToComeAgain) {
  EXPECT_EQ(*to_response(to_problem(Error{.kind = ErrorKind::cooldown, .retry_after_s = 17}))
                 .headers.find("Retry-After"),
            "17");
  for (const ErrorKind kind : {ErrorKind::queue_full, ErrorKind::journal_unavailable,
                               ErrorKind::scm_unavailable, ErrorKind::shutting_down})
    EXPECT_NE(to_response(to_problem(Error{.kind = kind})).headers.find("Retry-After"), nullptr);
  EXPECT_EQ(to_response(to_problem(Error{.kind = ErrorKind::held})).headers.find("Retry-After"),
            nullptr);
}

TEST(AProblem, HasTheStatusOfItsKind) {
  EXPECT_EQ(status_of(ErrorKind::malformed), 422);
  EXPECT_EQ(status_of(ErrorKind::unauthorized), 401);
  EXPECT_EQ(status_of(ErrorKind::forbidden), 403);
  EXPECT_EQ(status_of(ErrorKind::unknown_job), 404);
  EXPECT_EQ(status_of(ErrorKind::plan_mismatch), 412);
  EXPECT_EQ(status_of(ErrorKind::idempotency_mismatch), 422);
  EXPECT_EQ(status_of(ErrorKind::reason_required), 422);
  EXPECT_EQ(status_of(ErrorKind::queue_full), 429);
  EXPECT_EQ(status_of(ErrorKind::shutting_down), 503);
  EXPECT_EQ(status_of(ErrorKind::stop_failed), 500) << "lives in jobs only";
}

TEST(AProblem, IsJsonWhateverStandsInIt) {
  const Response response = to_response(
      to_problem(Error{.kind = ErrorKind::malformed, .detail = "a \"b\" \\ \x01 \xff \xc3\xa9"}));
  const auto parsed = nlohmann::json::parse(response.body);
  EXPECT_NE(parsed.at("detail").get<std::string>().find("\xc3\xa9"), std::string::npos);
}

}  // namespace
}  // namespace noforce::api
