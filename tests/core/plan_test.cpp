#include "core/plan.hpp"

#include <gtest/gtest.h>

#include "tests/support/estate.hpp"

namespace noforce {
namespace {

using test::exchange_estate;
using test::in;
using test::make_picture;
using test::make_service;
using test::set_state;
using Names = std::vector<std::string>;

std::string written(const Plan& plan) {
  std::string text;
  for (const auto& step : plan.steps) {
    text += std::string(to_string(step.operation)) + " " + step.service + "; ";
  }
  return text;
}

Plan plan_of(const PlanRequest& request, const std::vector<Service>& services,
             const Policies& policies = {}) {
  auto plan = make_plan(request, make_picture(services), policies);
  EXPECT_TRUE(plan) << plan.error().detail;
  return plan.value_or(Plan{});
}

ErrorKind refusal_of(const PlanRequest& request, const std::vector<Service>& services) {
  const auto plan = make_plan(request, make_picture(services), {});
  EXPECT_FALSE(plan);
  return plan ? ErrorKind::internal : plan.error().kind;
}

TEST(APlan, StopsDependentsBeforeTheirTargetAndStartsThemAfterIt) {
  const Plan plan = plan_of({Action::restart, {"iisadmin"}, {}}, exchange_estate());
  EXPECT_EQ(written(plan),
            "stop w3svc; stop pop3svc; stop antispam; stop smtpsvc; stop iisadmin; "
            "start iisadmin; start smtpsvc; start antispam; start pop3svc; start w3svc; ");
  EXPECT_EQ(plan.goes_down, (Names{"w3svc", "pop3svc", "antispam", "smtpsvc", "iisadmin"}));
  EXPECT_EQ(plan.dependents, (Names{"w3svc", "pop3svc", "antispam", "smtpsvc"}));
  EXPECT_TRUE(plan.needs_consent());
}

TEST(APlan, LeavesAStoppedDependentStoppedAndPausesAPausedOneAgain) {
  auto services = exchange_estate();
  set_state(services, "w3svc", ServiceState::stopped);
  set_state(services, "pop3svc", ServiceState::paused);
  const Plan plan = plan_of({Action::restart, {"iisadmin"}, {}}, services);
  EXPECT_EQ(written(plan),
            "stop pop3svc; stop antispam; stop smtpsvc; stop iisadmin; start iisadmin; "
            "start smtpsvc; start antispam; start pop3svc; pause pop3svc; ");
}

TEST(APlan, NeedsNoConsentForALeaf) {
  const Plan plan = plan_of({Action::restart, {"antispam"}, {}}, exchange_estate());
  EXPECT_EQ(written(plan), "stop antispam; start antispam; ");
  EXPECT_FALSE(plan.needs_consent());
}

TEST(APlan, StartsANamedServiceThatWasStoppedAndWarnsOfItsLastError) {
  std::vector<Service> services{make_service("a", {}, ServiceState::stopped)};
  services[0].exit = Exit{.code = 3, .service_code = {}};
  const Plan plan = plan_of({Action::restart, {"a"}, {}}, services);
  EXPECT_EQ(written(plan), "start a; ");
  ASSERT_EQ(plan.warnings.size(), 1U);
  EXPECT_NE(plan.warnings[0].find("exit code 3"), std::string::npos);
}

TEST(APlan, LeavesAGroupsStoppedMembersStoppedInARestart) {
  auto services = exchange_estate();
  set_state(services, "w3svc", ServiceState::stopped);
  const Plan plan = plan_of({Action::restart, {"w3svc", "pop3svc"}, "web"}, services);
  EXPECT_EQ(written(plan), "stop pop3svc; start pop3svc; ");
}

TEST(APlan, StartsWhatAServiceDependsOnButNotWhatDependsOnIt) {
  auto services = exchange_estate();
  for (auto& service : services)
    set_state(services, service.name, ServiceState::stopped);
  const Plan plan = plan_of({Action::start, {"smtpsvc"}, {}}, services);
  EXPECT_EQ(written(plan), "start iisadmin; start smtpsvc; ");
  EXPECT_TRUE(plan.goes_down.empty());
}

TEST(APlan, HasNoStepsWhereThereIsNothingToDo) {
  auto services = exchange_estate();
  EXPECT_EQ(written(plan_of({Action::start, {"w3svc"}, {}}, services)), "");
  set_state(services, "antispam", ServiceState::stopped);
  EXPECT_EQ(written(plan_of({Action::stop, {"antispam"}, {}}, services)), "");
}

TEST(APlan, RefusesToStartWhatIsDisabledAndToStopWhatCouldNotBeStartedAgain) {
  auto services = exchange_estate();
  in(services, "w3svc").start_type = StartType::disabled;
  EXPECT_EQ(refusal_of({Action::restart, {"iisadmin"}, {}}, services), ErrorKind::service_disabled);
  EXPECT_EQ(written(plan_of({Action::stop, {"w3svc"}, {}}, services)), "stop w3svc; ");
  set_state(services, "w3svc", ServiceState::stopped);
  EXPECT_EQ(refusal_of({Action::start, {"w3svc"}, {}}, services), ErrorKind::service_disabled);
}

TEST(APlan, StopsWhatWasTakenOutOfTheSettingsAndNeverStartsIt) {
  std::vector<Service> services{make_service("a"), make_service("b", {"a"})};
  services[1].taken_out = true;
  EXPECT_EQ(written(plan_of({Action::stop, {"b"}, {}}, services)), "stop b; ");
  const auto refused = make_plan({Action::restart, {"a"}, {}}, make_picture(services), {});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::service_disabled);
  EXPECT_EQ(refused.error().service, "b");
  EXPECT_NE(refused.error().detail.find("taken out of the settings: it can be stopped"),
            std::string::npos);
}

TEST(APlan, JoinsAStopThatIsUnderWayAndDoesNotAskConsentForIt) {
  auto services = exchange_estate();
  set_state(services, "antispam", ServiceState::stop_pending);
  const Plan plan = plan_of({Action::restart, {"smtpsvc"}, {}}, services);
  EXPECT_EQ(written(plan), "stop antispam; stop smtpsvc; start smtpsvc; ");
  EXPECT_FALSE(plan.needs_consent());
}

TEST(APlan, RunsEveryBeforeStopHookBeforeTheFirstStop) {
  Policies policies;
  policies.services["smtpsvc"].before_stop = {{"/bin/save"}, {"/bin/drain"}};
  policies.services["smtpsvc"].after_start = {{"/bin/undrain"}};
  policies.services["smtpsvc"].verify = Verify{.http = "http://127.0.0.1/", .tcp = ""};
  policies.services["antispam"].before_stop = {{"/bin/save"}};
  const Plan plan = plan_of({Action::restart, {"smtpsvc"}, {}}, exchange_estate(), policies);
  EXPECT_EQ(written(plan),
            "hook antispam; hook smtpsvc; hook smtpsvc; stop antispam; stop smtpsvc; "
            "start smtpsvc; verify smtpsvc; hook smtpsvc; start antispam; ");
}

TEST(APlan, TouchesStoppedDependentsTooSoThatJobsOnOneTreeStayInOrder) {
  auto services = exchange_estate();
  set_state(services, "w3svc", ServiceState::stopped);
  EXPECT_EQ(plan_of({Action::stop, {"iisadmin"}, {}}, services).touches,
            (Names{"antispam", "iisadmin", "pop3svc", "smtpsvc", "w3svc"}));
  EXPECT_EQ(plan_of({Action::restart, {"pop3svc"}, {}}, services).touches, (Names{"pop3svc"}))
      << "what runs already is not touched: a hung service blocks its own tree and nobody else";
}

TEST(APlansDigest, StaysWhilePidsChangeAndMovesWithWhatGoesDown) {
  auto services = exchange_estate();
  const auto digest = plan_of({Action::restart, {"iisadmin"}, {}}, services).digest;
  in(services, "w3svc").instance->key = "another";
  EXPECT_EQ(plan_of({Action::restart, {"iisadmin"}, {}}, services).digest, digest);
  set_state(services, "w3svc", ServiceState::stopped);
  EXPECT_NE(plan_of({Action::restart, {"iisadmin"}, {}}, services).digest, digest);
}

TEST(APlan, PausesWhatRunsAndRefusesWhatCannotBePaused) {
  auto services = exchange_estate();
  EXPECT_EQ(written(plan_of({Action::pause, {"w3svc"}, {}}, services)), "pause w3svc; ");
  in(services, "w3svc").accepts.pause_continue = false;
  EXPECT_EQ(refusal_of({Action::pause, {"w3svc"}, {}}, services), ErrorKind::control_not_accepted);
  set_state(services, "w3svc", ServiceState::stopped);
  EXPECT_EQ(refusal_of({Action::pause, {"w3svc"}, {}}, services), ErrorKind::control_not_accepted);
}

TEST(APlan, RefusesUnknownNamesCyclesAndMissingDependencies) {
  EXPECT_EQ(refusal_of({Action::stop, {"ghost"}, {}}, exchange_estate()),
            ErrorKind::unknown_service);
  EXPECT_EQ(refusal_of({Action::restart, {"a"}, {}},
                       {make_service("a", {"b"}), make_service("b", {"a"})}),
            ErrorKind::dependency_cycle);
  EXPECT_EQ(
      refusal_of({Action::start, {"a"}, {}}, {make_service("a", {"ghost"}, ServiceState::stopped)}),
      ErrorKind::dependency_missing);
}

}  // namespace
}  // namespace noforce
