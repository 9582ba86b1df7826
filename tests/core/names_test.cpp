#include "core/names.hpp"

#include <gtest/gtest.h>

#include "core/job.hpp"
#include "core/policy.hpp"
#include "core/principal.hpp"
#include "core/scm/port.hpp"

namespace noforce {
namespace {

template <typename E, typename From>
void expect_both_ways(E last, From from) {
  for (int n = 0; n <= static_cast<int>(last); ++n) {
    const auto value = static_cast<E>(n);
    EXPECT_EQ(from(to_string(value)), value) << to_string(value);
  }
  EXPECT_EQ(from("unknown"), std::nullopt);
  EXPECT_EQ(from(""), std::nullopt);
}

TEST(EveryName, IsReadAsItIsWritten) {
  expect_both_ways(ErrorKind::internal, error_kind_from);
  expect_both_ways(ServiceState::paused, service_state_from);
  expect_both_ways(StartType::disabled, start_type_from);
  expect_both_ways(Action::resume, action_from);
  expect_both_ways(Operation::hook, operation_from);
  expect_both_ways(JobState::done, job_state_from);
  expect_both_ways(JobResult::interrupted, job_result_from);
  expect_both_ways(Restored::incomplete, restored_from);
  expect_both_ways(StepState::done, step_state_from);
  expect_both_ways(StepResult::skipped, step_result_from);
  expect_both_ways(Dependents::include, dependents_from);
  expect_both_ways(OnFailure::leave, on_failure_from);
  expect_both_ways(Role::admin, role_from);
}

TEST(EveryName, IsTheOneOfTheContract) {
  EXPECT_EQ(to_string(ErrorKind::dependents_running), "dependents_running");
  EXPECT_EQ(to_string(ServiceState::continue_pending), "continue_pending");
  EXPECT_EQ(to_string(StartType::automatic), "auto");
  EXPECT_EQ(to_string(Action::resume), "continue");
  EXPECT_EQ(to_string(Operation::resume), "continue");
  EXPECT_EQ(to_string(ControlOp::resume), "continue");
  EXPECT_EQ(to_string(Role::operator_), "operator");
  EXPECT_EQ(to_string(static_cast<JobState>(200)), "unknown");
}

TEST(APicture, FindsAServiceByItsName) {
  Picture picture;
  for (const char* const name : {"antispam", "iisadmin", "w3svc"}) {
    auto service = std::make_shared<Service>();
    service->name = name;
    picture.services.push_back(service);
  }
  ASSERT_NE(picture.find("iisadmin"), nullptr);
  EXPECT_EQ(picture.find("iisadmin")->name, "iisadmin");
  EXPECT_EQ(picture.find("iis"), nullptr);
  EXPECT_EQ(picture.find("zzz"), nullptr);
  EXPECT_EQ(Picture{}.find("iisadmin"), nullptr);
}

TEST(Policies, AnswerForServicesWithoutAny) {
  Policies policies;
  policies.services["w3svc"].is_protected = true;
  policies.groups = {{.name = "iis", .services = {"iisadmin", "w3svc"}},
                     {.name = "mail", .services = {"smtpsvc"}},
                     {.name = "web", .services = {"w3svc"}}};
  EXPECT_TRUE(policies.of("w3svc").is_protected);
  EXPECT_EQ(policies.of("other"), Policy{});
  ASSERT_NE(policies.group("mail"), nullptr);
  EXPECT_EQ(policies.group("mail")->services, std::vector<std::string>{"smtpsvc"});
  EXPECT_EQ(policies.group("nail"), nullptr);
  EXPECT_EQ(policies.groups_of("w3svc"), (std::vector<std::string>{"iis", "web"}));
  EXPECT_TRUE(policies.groups_of("other").empty());
}

TEST(APrincipal, SeesAndDoesWhatItWasGiven) {
  Principal all{.name = "token:a", .role = Role::operator_, .services = {}, .actions = {}};
  EXPECT_TRUE(all.has(Role::viewer));
  EXPECT_TRUE(all.has(Role::operator_));
  EXPECT_FALSE(all.has(Role::admin));
  EXPECT_TRUE(all.may_see("anything"));
  EXPECT_TRUE(all.may_do("stop"));

  Principal some = all;
  some.services = {"w3svc", "smtp*"};
  some.actions = {"restart"};
  EXPECT_TRUE(some.may_see("W3SVC"));
  EXPECT_TRUE(some.may_see_all({"w3svc", "smtpsvc"}));
  EXPECT_FALSE(some.may_see_all({"w3svc", "iisadmin"}));
  EXPECT_TRUE(some.may_see_all({}));
  EXPECT_TRUE(some.may_do("restart"));
  EXPECT_FALSE(some.may_do("stop"));
}

}  // namespace
}  // namespace noforce
