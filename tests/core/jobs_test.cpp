// Jobs from request to end: a real journal on disk, the real executor, and a fake SCM that can be
// told exactly what to do (the backends' own tests and the end-to-end cases have real processes).
#include "core/jobs.hpp"

#include <atomic>
#include <filesystem>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "core/digest.hpp"
#include "tests/support/fake_scm.hpp"

namespace noforce {
namespace {

using namespace std::chrono_literals;
using test::exchange_estate;
using test::FakeScm;
using test::make_service;
using Names = std::vector<std::string>;

const Caller kAdmin{{.name = "token:admin", .role = Role::admin, .services = {}, .actions = {}},
                    "127.0.0.1"};

// An agent without its face: it can be ended and started again on the same journal.
class AnAgent : public ::testing::Test {
 protected:
  AnAgent() {
    directory_ =
        std::filesystem::temp_directory_path() / ("noforce-jobs-" + to_hex(random_bytes(8)));
    std::filesystem::create_directory(directory_);
    std::filesystem::permissions(directory_, std::filesystem::perms::owner_all);
  }
  ~AnAgent() override {
    end();
    std::filesystem::remove_all(directory_);
  }

  void begin(std::vector<Service> services) {
    scm = std::make_unique<FakeScm>(std::move(services));
    begin_again();
  }
  void begin_again() {
    auto opened = Journal::open((directory_ / "noforce.db").string());
    ASSERT_TRUE(opened) << opened.error().detail;
    journal = std::move(*opened);
    events = std::make_unique<EventFeed>("epoch");
    auto started = Jobs::start({*journal, *scm, *events, test::no_http}, policies, 1000ms);
    ASSERT_TRUE(started) << started.error().detail;
    jobs = std::move(*started);
  }
  void end() {
    jobs.reset();
    journal.reset();
  }

  static JobRequest request(Action action, Names services,
                            Dependents dependents = Dependents::refuse) {
    JobRequest out;
    out.action = action;
    out.services = std::move(services);
    out.options.dependents = dependents;
    return out;
  }
  JobPtr submit(const JobRequest& wanted) {
    auto submitted = jobs->submit(kAdmin, wanted, std::nullopt);
    EXPECT_TRUE(submitted) << submitted.error().detail;
    return submitted ? submitted->job : nullptr;
  }
  JobPtr finished(const std::string& id) {
    auto job = jobs->wait(kAdmin, id, system_clock().mono() + 20s);
    EXPECT_TRUE(job && (*job)->state == JobState::done) << "the job has not ended";
    return job ? *job : nullptr;
  }
  JobPtr run(const JobRequest& wanted) { return finished(submit(wanted)->id); }
  ErrorKind refusal(const JobRequest& wanted, const Caller& caller = kAdmin) {
    const auto submitted = jobs->submit(caller, wanted, std::nullopt);
    EXPECT_FALSE(submitted);
    return submitted ? ErrorKind::internal : submitted.error().kind;
  }
  // Until something is so; every change of a job wakes it.
  template <typename Condition>
  void until(const Condition& so) {
    const MonoTime limit = system_clock().mono() + 20s;
    std::uint64_t seen = 0;
    while (!so()) {
      ASSERT_LT(system_clock().mono(), limit) << "waited in vain";
      seen = events->next(seen, 50ms).last;
    }
  }

  Policies policies;
  std::unique_ptr<FakeScm> scm;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<EventFeed> events;
  std::unique_ptr<Jobs> jobs;

 private:
  std::filesystem::path directory_;
};

TEST_F(AnAgent, RestartsATreeInOrder) {
  begin(exchange_estate());
  const JobPtr job = run(request(Action::restart, {"iisadmin"}, Dependents::include));
  EXPECT_EQ(job->result, JobResult::succeeded);
  EXPECT_EQ(scm->sent(), (Names{"stop w3svc", "stop pop3svc", "stop antispam", "stop smtpsvc",
                                "stop iisadmin", "start iisadmin", "start smtpsvc",
                                "start antispam", "start pop3svc", "start w3svc"}));
  EXPECT_TRUE(job->down.empty());
  EXPECT_EQ(job->restored, Restored::not_needed);
  for (const auto& step : job->steps) {
    EXPECT_EQ(step.result, StepResult::succeeded) << step.service;
    EXPECT_TRUE(step.duration.has_value());
  }
}

TEST_F(AnAgent, RespondsUnlessItsExecutorIsStuck) {
  begin(exchange_estate());
  const auto soon_responds = [this] {
    (void)jobs->responds();
    const MonoTime limit = system_clock().mono() + 20s;
    while (!jobs->responds()) {
      if (system_clock().mono() > limit) return false;
      std::this_thread::sleep_for(1ms);
    }
    return true;
  };
  EXPECT_TRUE(soon_responds());
  std::promise<void> stuck;
  std::promise<void> go_on;
  scm->before_control([&](const Control&) {
    stuck.set_value();
    go_on.get_future().wait();
  });
  const std::string job = submit(request(Action::stop, {"w3svc"}))->id;
  stuck.get_future().wait();
  (void)jobs->responds();
  for (int times = 0; times < 3; ++times)
    EXPECT_FALSE(jobs->responds());
  go_on.set_value();
  EXPECT_TRUE(soon_responds());
  EXPECT_EQ(finished(job)->result, JobResult::succeeded);
}

TEST_F(AnAgent, RefusesToTakeDependentsDownWithoutConsent) {
  begin(exchange_estate());
  const auto submitted = jobs->submit(kAdmin, request(Action::restart, {"iisadmin"}), std::nullopt);
  ASSERT_FALSE(submitted);
  EXPECT_EQ(submitted.error().kind, ErrorKind::dependents_running);
  EXPECT_EQ(submitted.error().dependents, (Names{"w3svc", "pop3svc", "antispam", "smtpsvc"}));
  EXPECT_TRUE(scm->sent().empty());
}

TEST_F(AnAgent, PutsPausedAndStoppedServicesBackWhereTheyWere) {
  auto services = exchange_estate();
  test::set_state(services, "pop3svc", ServiceState::paused);
  test::set_state(services, "w3svc", ServiceState::stopped);
  begin(services);
  EXPECT_EQ(run(request(Action::restart, {"iisadmin"}, Dependents::include))->result,
            JobResult::succeeded);
  EXPECT_EQ(scm->state("pop3svc"), ServiceState::paused);
  EXPECT_EQ(scm->state("w3svc"), ServiceState::stopped);
  EXPECT_EQ(scm->state("antispam"), ServiceState::running);
}

TEST_F(AnAgent, DoesNothingWhereThereIsNothingToDo) {
  begin(exchange_estate());
  EXPECT_EQ(run(request(Action::start, {"w3svc"}))->result, JobResult::unchanged);
  EXPECT_TRUE(scm->sent().empty());
}

TEST_F(AnAgent, ReportsAHungLeafAndBringsTheOthersBack) {
  begin(exchange_estate());
  scm->behave("antispam", {.hangs_on_stop = true});
  auto wanted = request(Action::restart, {"iisadmin"}, Dependents::include);
  wanted.options.no_progress = 1s;
  const JobPtr job = run(wanted);
  EXPECT_EQ(job->result, JobResult::timed_out);
  EXPECT_EQ(job->error->kind, ErrorKind::no_progress);
  EXPECT_EQ(job->down, (Names{"antispam"}));
  EXPECT_EQ(job->restored, Restored::pending);
  EXPECT_EQ(scm->state("antispam"), ServiceState::stop_pending);
  for (const auto* up : {"iisadmin", "w3svc", "pop3svc", "smtpsvc"}) {
    EXPECT_EQ(scm->state(up), ServiceState::running) << up;
  }
}

TEST_F(AnAgent, StartsWhatHungOnALateStopOnceThatHasEnded) {
  begin(exchange_estate());
  scm->behave("iisadmin", {.hangs_on_stop = true});
  auto wanted = request(Action::restart, {"iisadmin"}, Dependents::include);
  wanted.options.no_progress = 1s;
  const JobPtr job = run(wanted);
  EXPECT_EQ(job->result, JobResult::timed_out);
  EXPECT_EQ(job->restored, Restored::pending);
  EXPECT_EQ(job->down.size(), 5U);
  scm->end("iisadmin");
  until([&] { return (*jobs->find(kAdmin, job->id))->restored == Restored::complete; });
  for (const auto& service : scm->snapshot()->services) {
    EXPECT_EQ(service->state, ServiceState::running) << service->name;
  }
  const auto follower = jobs->list(kAdmin, {});
  ASSERT_TRUE(follower);
  EXPECT_EQ(follower->jobs.front()->parent, job->id);
  EXPECT_EQ(follower->jobs.front()->requested_by, "agent");
}

TEST_F(AnAgent, KeepsAServicesLastWordsInItsStep) {
  begin({make_service("a")});
  scm->behave("a", {.hangs_on_stop = true});
  const JobPtr job = submit(request(Action::stop, {"a"}));
  until([&] { return scm->state("a") == ServiceState::stop_pending; });
  scm->change("a", [](Service& it) {
    it.checkpoint = 4;
    it.status_text = "flushed 1 of 2";
  });
  scm->change("a", [](Service& it) {
    it.state = ServiceState::stopped;
    it.instance.reset();
    it.accepts = {};
    it.checkpoint = 0;
    it.status_text = "flushed 2 of 2";
  });
  const JobPtr ended = finished(job->id);
  EXPECT_EQ(ended->steps[0].status_text, "flushed 2 of 2");
}

TEST_F(AnAgent, CountsAServiceThatHangsOnItsWayUpAsDown) {
  begin(exchange_estate());
  scm->behave("antispam", {.hangs_on_start = true});
  auto wanted = request(Action::restart, {"antispam"});
  wanted.options.no_progress = 1s;
  const JobPtr job = run(wanted);
  EXPECT_EQ(job->result, JobResult::timed_out);
  EXPECT_EQ(job->down, (Names{"antispam"}));
  EXPECT_EQ(job->restored, Restored::incomplete);
}

TEST_F(AnAgent, GivesALateStopUpOnlyWhereSomebodyWantsItDownSince) {
  begin({make_service("a"), make_service("b")});
  scm->behave("a", {.hangs_on_stop = true});
  auto wanted = request(Action::restart, {"a"});
  wanted.options.no_progress = 1s;
  const JobPtr job = run(wanted);
  EXPECT_EQ(job->restored, Restored::pending);
  const JobPtr stop = submit(request(Action::stop, {"a"}));
  until([&] { return (*jobs->find(kAdmin, stop->id))->state == JobState::running; });
  scm->end("a");
  EXPECT_EQ(finished(stop->id)->result, JobResult::succeeded);
  until([&] { return (*jobs->find(kAdmin, job->id))->restored == Restored::incomplete; });
  EXPECT_EQ(scm->state("a"), ServiceState::stopped);
}

TEST_F(AnAgent, BringsALateStopBackAlthoughARetryTimedOutAndAnotherWasCancelled) {
  begin(exchange_estate());
  scm->behave("iisadmin", {.hangs_on_stop = true});
  auto wanted = request(Action::restart, {"iisadmin"}, Dependents::include);
  wanted.options.no_progress = 1s;
  const JobPtr job = run(wanted);
  const JobPtr retry = submit(wanted);
  const JobPtr queued = submit(wanted);
  ASSERT_TRUE(jobs->cancel(kAdmin, queued->id));
  EXPECT_EQ(finished(retry->id)->result, JobResult::timed_out);
  scm->behave("iisadmin", {});
  scm->end("iisadmin");
  until([&] { return (*jobs->find(kAdmin, job->id))->restored == Restored::complete; });
  for (const auto& service : scm->snapshot()->services) {
    EXPECT_EQ(service->state, ServiceState::running) << service->name;
  }
}

TEST_F(AnAgent, BringsTheRestBackWhereOneOfALateRestoringDoesNotComeUp) {
  begin(exchange_estate());
  scm->behave("iisadmin", {.hangs_on_stop = true});
  auto wanted = request(Action::restart, {"iisadmin"}, Dependents::include);
  wanted.options.no_progress = 1s;
  const JobPtr job = run(wanted);
  scm->behave("smtpsvc", {.crashes_on_start = true});
  scm->end("iisadmin");
  until([&] { return (*jobs->find(kAdmin, job->id))->restored == Restored::incomplete; });
  EXPECT_EQ(scm->state("w3svc"), ServiceState::running);
  EXPECT_EQ(scm->state("pop3svc"), ServiceState::running);
  EXPECT_EQ((*jobs->find(kAdmin, job->id))->down, (Names{"smtpsvc", "antispam"}));
}

TEST_F(AnAgent, DoesNotUndoAStopThatOnlyTookLonger) {
  begin({make_service("a")});
  scm->behave("a", {.hangs_on_stop = true});
  auto wanted = request(Action::stop, {"a"});
  wanted.options.no_progress = 1s;
  const JobPtr job = run(wanted);
  EXPECT_EQ(job->result, JobResult::timed_out);
  EXPECT_EQ(job->restored, Restored::incomplete);
  scm->end("a");
  EXPECT_EQ(run(request(Action::stop, {"a"}))->result, JobResult::unchanged);
  EXPECT_EQ(scm->state("a"), ServiceState::stopped);
}

TEST_F(AnAgent, CallsOffARestartThatTheScmHasPlanned) {
  auto services = std::vector<Service>{make_service("a", {}, ServiceState::stopped)};
  services[0].accepts.stop = true;
  begin(services);
  const JobPtr job = submit(request(Action::stop, {"a"}));
  finished(job->id);
  EXPECT_EQ(scm->sent(), (Names{"stop a"}));
}

TEST_F(AnAgent, RemembersThatAStoppedServiceIsWantedDown) {
  begin({make_service("a", {}, ServiceState::stopped)});
  EXPECT_EQ(run(request(Action::stop, {"a"}))->result, JobResult::unchanged);
  const auto wanted = journal->wanted();
  ASSERT_TRUE(wanted && wanted->size() == 1);
  EXPECT_FALSE(wanted->front().up);
}

TEST_F(AnAgent, StartsWhatADeadlineLeftUnstarted) {
  if (std::filesystem::path::preferred_separator != '/') GTEST_SKIP() << "there is no /bin/sleep";
  policies.services["iisadmin"].after_start = {{"/bin/sleep", "1.2"}};
  begin(exchange_estate());
  auto wanted = request(Action::restart, {"iisadmin"}, Dependents::include);
  wanted.options.deadline = 1s;
  const JobPtr job = run(wanted);
  EXPECT_EQ(job->result, JobResult::timed_out);
  EXPECT_EQ(job->restored, Restored::complete);
  EXPECT_TRUE(job->down.empty());
}

TEST_F(AnAgent, GoesOnWithoutAVerificationThatWasTakenOutOfTheSettings) {
  policies.services["a"].verify = Verify{.http = "", .tcp = "127.0.0.1:1"};
  begin({make_service("a")});
  const JobPtr job = submit(request(Action::restart, {"a"}));
  until([&] { return scm->sent().size() == 2; });
  end();
  policies.services.clear();
  begin_again();
  EXPECT_EQ(finished(job->id)->result, JobResult::succeeded);
}

TEST_F(AnAgent, NeverCountsItsRevisionsBack) {
  begin({make_service("a")});
  scm->behave("a", {.hangs_on_stop = true});
  const JobPtr job = submit(request(Action::stop, {"a"}));
  until([&] { return scm->state("a") == ServiceState::stop_pending; });
  for (std::uint64_t n = 1; n < 20; ++n) {
    scm->change("a", [n](Service& it) { it.checkpoint = n; });
  }
  until([&] { return (*jobs->find(kAdmin, job->id))->steps[0].checkpoint == 19; });
  const auto shown = (*jobs->find(kAdmin, job->id))->revision;
  end();
  begin_again();
  EXPECT_GT((*jobs->find(kAdmin, job->id))->revision, shown);
}

TEST_F(AnAgent, KeepsAQueuedJobInTheScopeOfItsCredential) {
  begin({make_service("a", {"b"}), make_service("b")});
  const Caller narrow{
      {.name = "token:n", .role = Role::operator_, .services = {"a"}, .actions = {}}, "x"};
  scm->behave("a", {.hangs_on_stop = true});
  const JobPtr first = submit(request(Action::stop, {"a"}));
  const auto queued = jobs->submit(narrow, request(Action::restart, {"a"}), std::nullopt);
  ASSERT_TRUE(queued);
  scm->end("b");
  scm->end("a");
  finished(first->id);
  const JobPtr ended = finished(queued->job->id);
  EXPECT_EQ(ended->result, JobResult::failed);
  EXPECT_EQ(ended->error->kind, ErrorKind::plan_changed);
  EXPECT_EQ(ended->error->dependents, Names{"b"}) << "an admin is told";
  const auto told = jobs->find(narrow, queued->job->id);
  ASSERT_TRUE(told);
  EXPECT_EQ((*told)->error->kind, ErrorKind::plan_changed);
  EXPECT_TRUE((*told)->error->dependents.empty());
  EXPECT_EQ((*told)->error->detail.find(" b"), std::string::npos) << (*told)->error->detail;
  const auto page = jobs->list(narrow, {});
  ASSERT_TRUE(page && page->jobs.size() == 2);
  EXPECT_EQ(page->jobs.front()->error, (*told)->error) << "a list tells what the job itself tells";
  EXPECT_EQ(scm->state("b"), ServiceState::stopped);
}

TEST_F(AnAgent, NamesNothingOutsideTheGlobsInARefusal) {
  auto services = std::vector{make_service("shown", {"hidden"}), make_service("hidden"),
                              make_service("ring1", {"ring2"}), make_service("ring2", {"ring1"}),
                              make_service("lame", {"absent"})};
  test::set_state(services, "shown", ServiceState::stopped);
  test::set_state(services, "hidden", ServiceState::stopped);
  test::set_state(services, "lame", ServiceState::stopped);
  test::in(services, "hidden").start_type = StartType::disabled;
  policies.groups = {{"mixed", {"shown", "gone"}}, {"secret", {"hidden", "gone"}}};
  begin(services);
  const Caller narrow{{.name = "token:n",
                       .role = Role::operator_,
                       .services = {"shown", "ring1", "lame"},
                       .actions = {}},
                      "x"};
  for (const char* name : {"shown", "ring1", "lame"}) {
    const auto wanted = request(Action::start, {name});
    const auto refused = jobs->dry_run(narrow, wanted);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().kind, ErrorKind::forbidden) << name;
    for (const char* secret : {"hidden", "ring2", "absent"})
      EXPECT_EQ(refused.error().detail.find(secret), std::string::npos) << refused.error().detail;
    EXPECT_FALSE(refused.error().undisclosed.empty()) << "the trail says more";
    EXPECT_NE(jobs->dry_run(kAdmin, wanted).error().kind, ErrorKind::forbidden) << name;
  }
  JobRequest group = request(Action::stop, {});
  group.group = "secret";
  EXPECT_EQ(refusal(group, narrow), ErrorKind::unknown_group);
  group.group = "mixed";
  const auto mixed = jobs->dry_run(narrow, group);
  ASSERT_TRUE(mixed) << mixed.error().detail << mixed.error().undisclosed;
  EXPECT_TRUE(mixed->plan.warnings.empty()) << "a missing member may be anybody's";
  EXPECT_EQ(jobs->dry_run(kAdmin, group)->plan.warnings.size(), 1U);
}

TEST_F(AnAgent, CountsForACallerWhatItMaySee) {
  begin({make_service("a"), make_service("b")});
  scm->behave("b", {.hangs_on_stop = true});
  const JobPtr running = submit(request(Action::stop, {"b"}));
  const JobPtr queued = submit(request(Action::start, {"b"}));
  until([&] { return jobs->counts().running == 1; });
  const Caller narrow{{.name = "token:n", .role = Role::viewer, .services = {"a"}, .actions = {}},
                      "x"};
  EXPECT_EQ(jobs->counts(narrow).running + jobs->counts(narrow).queued, 0U);
  EXPECT_EQ(jobs->counts(kAdmin).running, 1U);
  EXPECT_EQ(jobs->counts(kAdmin).queued, 1U);
  scm->end("b");
  finished(queued->id);
}

TEST_F(AnAgent, RunsOtherJobsWhileTenHang) {
  std::vector<Service> services{make_service("free")};
  for (int n = 0; n < 10; ++n)
    services.push_back(make_service("hung" + std::to_string(n)));
  begin(services);
  std::vector<JobPtr> hung;
  for (int n = 0; n < 10; ++n) {
    scm->behave("hung" + std::to_string(n), {.hangs_on_stop = true});
    hung.push_back(submit(request(Action::stop, {"hung" + std::to_string(n)})));
  }
  EXPECT_EQ(run(request(Action::restart, {"free"}))->result, JobResult::succeeded);
  for (int n = 0; n < 10; ++n) {
    EXPECT_EQ((*jobs->find(kAdmin, hung[n]->id))->state, JobState::running);
    scm->end("hung" + std::to_string(n));
    EXPECT_EQ(finished(hung[n]->id)->result, JobResult::succeeded);
  }
}

TEST_F(AnAgent, RunsJobsOnOneTreeInOrderOfAcceptance) {
  begin(exchange_estate());
  scm->behave("antispam", {.hangs_on_stop = true});
  const JobPtr first = submit(request(Action::restart, {"antispam"}));
  const JobPtr second = submit(request(Action::restart, {"smtpsvc"}, Dependents::include));
  const JobPtr third = submit(request(Action::stop, {"antispam"}));
  until([&] { return !scm->sent().empty(); });
  EXPECT_EQ((*jobs->find(kAdmin, second->id))->state, JobState::queued);
  scm->behave("antispam", {});
  scm->end("antispam");
  EXPECT_EQ(finished(third->id)->result, JobResult::succeeded);
  EXPECT_EQ(scm->sent(), (Names{"stop antispam", "start antispam", "stop antispam", "stop smtpsvc",
                                "start smtpsvc", "start antispam", "stop antispam"}));
}

TEST_F(AnAgent, EndsAJobWhosePlanGrewWhileItWasQueuedAndTouchesNothing) {
  std::vector<Service> services{make_service("a"), make_service("b", {"a"}), make_service("c")};
  test::set_state(services, "b", ServiceState::stopped);
  begin(services);
  scm->behave("c", {.hangs_on_stop = true});
  const JobPtr before = submit(request(Action::restart, {"a", "c"}));
  until([&] { return scm->sent() == Names{"stop c"}; });
  const JobPtr queued = submit(request(Action::restart, {"a"}));
  scm->run("b");
  scm->end("c");
  finished(before->id);
  const std::size_t controls = scm->sent().size();
  const JobPtr changed = finished(queued->id);
  ASSERT_EQ(changed->result, JobResult::failed);
  EXPECT_EQ(changed->error->kind, ErrorKind::plan_changed);
  EXPECT_EQ(changed->error->dependents, (Names{"b"}));
  EXPECT_TRUE(changed->steps.empty());
  EXPECT_EQ(scm->sent().size(), controls);
  EXPECT_EQ(scm->state("a"), ServiceState::running);
}

TEST_F(AnAgent, PlansASecondRestartAsIfTheFirstWereOver) {
  begin(exchange_estate());
  scm->behave("iisadmin", {.hangs_on_stop = true});
  const JobPtr first = submit(request(Action::restart, {"iisadmin"}, Dependents::include));
  until([&] { return scm->state("iisadmin") == ServiceState::stop_pending; });
  EXPECT_EQ(refusal(request(Action::restart, {"iisadmin"})), ErrorKind::dependents_running);
  const JobPtr second = submit(request(Action::restart, {"iisadmin"}, Dependents::include));
  scm->behave("iisadmin", {});
  scm->end("iisadmin");
  EXPECT_EQ(finished(first->id)->result, JobResult::succeeded);
  EXPECT_EQ(finished(second->id)->result, JobResult::succeeded);
  EXPECT_EQ(scm->sent().size(), 20U);
}

TEST_F(AnAgent, StopsAConsentedDependentThatCameUpAgainBeforeItsTarget) {
  begin(exchange_estate());
  std::atomic<bool> once{false};
  scm->before_control([&](const Control& control) {
    if (control.op == ControlOp::stop && control.service == "smtpsvc" && !once.exchange(true)) {
      scm->run("w3svc");  // a trigger starts it while the tree goes down
    }
  });
  const JobPtr job = run(request(Action::restart, {"iisadmin"}, Dependents::include));
  EXPECT_EQ(job->result, JobResult::succeeded) << (job->error ? job->error->detail : "");
  const Names sent = scm->sent();
  EXPECT_EQ(std::count(sent.begin(), sent.end(), "stop w3svc"), 2);
  EXPECT_LT(std::find(sent.begin(), sent.end(), "stop smtpsvc"),
            std::find(sent.begin(), sent.end(), "stop iisadmin"));
  EXPECT_EQ(scm->state("w3svc"), ServiceState::running);
}

TEST_F(AnAgent, DoesNotStopAServiceUnderADependentThatNobodyConsentedTo) {
  auto services = exchange_estate();
  test::set_state(services, "w3svc", ServiceState::stopped);
  begin(services);
  scm->before_control([&](const Control& control) {
    if (control.op == ControlOp::stop && control.service == "smtpsvc") scm->run("w3svc");
  });
  const JobPtr job = run(request(Action::restart, {"iisadmin"}, Dependents::include));
  EXPECT_EQ(job->result, JobResult::failed);
  EXPECT_EQ(job->error->kind, ErrorKind::dependents_running);
  EXPECT_EQ(job->restored, Restored::complete);
  EXPECT_EQ(scm->state("iisadmin"), ServiceState::running);
  const Names sent = scm->sent();
  EXPECT_EQ(std::count(sent.begin(), sent.end(), "stop iisadmin"), 0);
}

TEST_F(AnAgent, BringsTheOthersBackWhenOneDoesNotComeUp) {
  begin(exchange_estate());
  scm->behave("smtpsvc", {.crashes_on_start = true});
  const JobPtr job = run(request(Action::restart, {"iisadmin"}, Dependents::include));
  EXPECT_EQ(job->result, JobResult::failed);
  EXPECT_EQ(job->error->kind, ErrorKind::start_failed);
  EXPECT_EQ(job->error->service, "smtpsvc");
  EXPECT_EQ(job->error->native_code, 7);
  EXPECT_EQ(job->restored, Restored::incomplete);
  EXPECT_EQ(job->down, (Names{"smtpsvc", "antispam"}));
  EXPECT_EQ(scm->state("pop3svc"), ServiceState::running);
  EXPECT_EQ(scm->state("w3svc"), ServiceState::running);
  const Names sent = scm->sent();
  EXPECT_EQ(std::count(sent.begin(), sent.end(), "start smtpsvc"), 1) << "no second try in hiding";
}

TEST_F(AnAgent, LeavesThingsAsTheyAreIfAskedTo) {
  begin(exchange_estate());
  scm->behave("smtpsvc", {.crashes_on_start = true});
  auto wanted = request(Action::restart, {"iisadmin"}, Dependents::include);
  wanted.options.on_failure = OnFailure::leave;
  const JobPtr job = run(wanted);
  EXPECT_EQ(job->result, JobResult::failed);
  EXPECT_EQ(scm->state("w3svc"), ServiceState::stopped);
  EXPECT_EQ(job->restored, Restored::incomplete);
}

TEST_F(AnAgent, CancelsAQueuedJobAtOnceAndARunningOneBeforeItsNextStep) {
  begin(exchange_estate());
  scm->behave("antispam", {.hangs_on_stop = true});
  const JobPtr running = submit(request(Action::restart, {"smtpsvc"}, Dependents::include));
  const JobPtr queued = submit(request(Action::restart, {"smtpsvc"}, Dependents::include));
  until([&] { return !scm->sent().empty(); });
  const auto cancelled = jobs->cancel(kAdmin, queued->id);
  ASSERT_TRUE(cancelled);
  EXPECT_EQ((*cancelled)->result, JobResult::cancelled);
  EXPECT_EQ((*cancelled)->cancelled_by, "token:admin");
  EXPECT_FALSE(jobs->cancel(kAdmin, queued->id));

  const auto cancelling = jobs->cancel(kAdmin, running->id);
  ASSERT_TRUE(cancelling);
  EXPECT_EQ((*cancelling)->state, JobState::cancelling);
  scm->end("antispam");
  const JobPtr ended = finished(running->id);
  EXPECT_EQ(ended->result, JobResult::cancelled);
  EXPECT_EQ(ended->restored, Restored::complete);
  EXPECT_EQ(scm->state("antispam"), ServiceState::running);
  const Names sent = scm->sent();
  EXPECT_EQ(std::count(sent.begin(), sent.end(), "stop smtpsvc"), 0);
}

TEST_F(AnAgent, HoldsJobsBackUntilTheHoldIsReleased) {
  begin(exchange_estate());
  scm->behave("w3svc", {.hangs_on_stop = true});
  const JobPtr running = submit(request(Action::restart, {"w3svc"}));
  const JobPtr queued = submit(request(Action::stop, {"w3svc"}));
  until([&] { return !scm->sent().empty(); });
  ASSERT_TRUE(jobs->set_hold(kAdmin, true, "maintenance"));
  EXPECT_EQ(refusal(request(Action::restart, {"pop3svc"})), ErrorKind::held);
  scm->behave("w3svc", {});
  scm->end("w3svc");
  EXPECT_EQ(finished(running->id)->result, JobResult::succeeded) << "what runs ends";
  EXPECT_EQ((*jobs->find(kAdmin, queued->id))->state, JobState::queued);
  end();
  begin_again();
  EXPECT_TRUE(jobs->hold().on) << "it survives a restart of the agent";
  EXPECT_EQ((*jobs->find(kAdmin, queued->id))->state, JobState::queued);
  ASSERT_TRUE(jobs->set_hold(kAdmin, false, ""));
  EXPECT_EQ(finished(queued->id)->result, JobResult::succeeded);
}

TEST_F(AnAgent, LetsOnlyItsOwnStopsBeginWhileItDrains) {
  begin({make_service("a"), make_service("b")});
  scm->behave("a", {.hangs_on_stop = true});
  auto late = request(Action::restart, {"a"});
  late.options.no_progress = 1s;
  const JobPtr pending = run(late);
  ASSERT_EQ(pending->restored, Restored::pending);
  scm->behave("b", {.hangs_on_stop = true});
  const JobPtr running = submit(request(Action::restart, {"b"}));
  const JobPtr queued = submit(request(Action::restart, {"b"}));
  until([&] { return scm->state("b") == ServiceState::stop_pending; });
  jobs->drain();
  EXPECT_EQ(refusal(request(Action::restart, {"a"})), ErrorKind::shutting_down);
  scm->behave("b", {});
  scm->end("b");
  scm->end("a");
  EXPECT_EQ(finished(running->id)->result, JobResult::succeeded) << "what runs ends";
  const Caller itself{{.name = "agent", .role = Role::admin, .services = {}, .actions = {}},
                      "local"};
  const auto stop = jobs->submit(itself, request(Action::stop, {"a", "b"}), std::nullopt);
  ASSERT_TRUE(stop) << stop.error().detail;
  EXPECT_EQ(finished(stop->job->id)->result, JobResult::succeeded);
  EXPECT_EQ(scm->state("a"), ServiceState::stopped) << "nothing is brought back";
  EXPECT_EQ(scm->state("b"), ServiceState::stopped);
  end();
  begin_again();
  EXPECT_EQ(finished(queued->id)->result, JobResult::succeeded) << "it waited for the next agent";
}

TEST_F(AnAgent, EndsAJobThatWaitedTooLong) {
  begin({make_service("a")});
  scm->behave("a", {.hangs_on_stop = true});
  const JobPtr first = submit(request(Action::stop, {"a"}));
  auto wanted = request(Action::restart, {"a"});
  wanted.options.queue = 1s;
  const JobPtr second = run(wanted);
  EXPECT_EQ(second->result, JobResult::failed);
  EXPECT_EQ(second->error->kind, ErrorKind::expired);
  scm->end("a");
  finished(first->id);
}

TEST_F(AnAgent, GivesTheSameJobForTheSameKey) {
  begin(exchange_estate());
  const auto wanted = request(Action::restart, {"w3svc"});
  const IdempotencyKey key{"token:admin", "deploy-1", "same"};
  const auto first = jobs->submit(kAdmin, wanted, key);
  ASSERT_TRUE(first);
  finished(first->job->id);
  const auto again = jobs->submit(kAdmin, wanted, key);
  ASSERT_TRUE(again);
  EXPECT_TRUE(again->replayed);
  EXPECT_EQ(again->job->id, first->job->id);
  const auto other =
      jobs->submit(kAdmin, wanted, IdempotencyKey{"token:admin", "deploy-1", "other"});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, ErrorKind::idempotency_mismatch);
  EXPECT_EQ(scm->sent().size(), 2U);
}

TEST_F(AnAgent, RefusesByScopeRoleProtectionDigestAndTheAgentsOwnServices) {
  policies.services["w3svc"].is_protected = true;
  begin(exchange_estate());
  scm->forbid("pop3svc");
  const Caller viewer{{.name = "token:v", .role = Role::viewer, .services = {}, .actions = {}},
                      "x"};
  const Caller narrow{
      {.name = "token:n", .role = Role::operator_, .services = {"smtp*"}, .actions = {}}, "x"};
  const Caller starter{
      {.name = "token:s", .role = Role::operator_, .services = {}, .actions = {"start"}}, "x"};
  EXPECT_EQ(refusal(request(Action::restart, {"smtpsvc"}), viewer), ErrorKind::forbidden);
  EXPECT_EQ(refusal(request(Action::restart, {"w3svc"}), narrow), ErrorKind::forbidden);
  EXPECT_EQ(refusal(request(Action::restart, {"smtpsvc"}, Dependents::include), narrow),
            ErrorKind::forbidden)
      << "a dependent outside the glob counts";
  EXPECT_EQ(refusal(request(Action::stop, {"smtpsvc"}), starter), ErrorKind::forbidden);
  EXPECT_EQ(refusal(request(Action::stop, {"w3svc"})), ErrorKind::reason_required);
  EXPECT_EQ(refusal(request(Action::stop, {"pop3svc"})), ErrorKind::agent_itself);
  EXPECT_EQ(refusal(request(Action::stop, {"nobody"})), ErrorKind::unknown_service);
  auto old = request(Action::restart, {"antispam"});
  old.options.plan_digest = "sha256:0";
  EXPECT_EQ(refusal(old), ErrorKind::plan_mismatch);
  scm->kill_when_stopped("antispam");
  EXPECT_EQ(refusal(request(Action::restart, {"smtpsvc"}, Dependents::include)),
            ErrorKind::control_not_accepted)
      << "a dependent that the SCM would kill counts";
  EXPECT_TRUE(jobs->submit(kAdmin, request(Action::start, {"antispam"}), std::nullopt));
  EXPECT_TRUE(scm->sent().empty());
}

TEST_F(AnAgent, ShowsWhatADryRunWouldAnswerAndDoesNothing) {
  begin(exchange_estate());
  const auto dry = jobs->dry_run(kAdmin, request(Action::restart, {"iisadmin"}));
  ASSERT_TRUE(dry);
  ASSERT_TRUE(dry->refusal);
  EXPECT_EQ(dry->refusal->kind, ErrorKind::dependents_running);
  EXPECT_EQ(dry->plan.goes_down.size(), 5U);
  auto exact = request(Action::restart, {"iisadmin"}, Dependents::include);
  exact.options.plan_digest = dry->plan.digest;
  EXPECT_EQ(run(exact)->result, JobResult::succeeded);
}

TEST_F(AnAgent, RefusesMoreJobsThanTheQueueTakes) {
  policies.jobs.max_queued = 2;
  begin({make_service("a")});
  scm->behave("a", {.hangs_on_stop = true});
  const JobPtr first = submit(request(Action::stop, {"a"}));
  until([&] { return !scm->sent().empty(); });
  submit(request(Action::restart, {"a"}));
  submit(request(Action::restart, {"a"}));
  EXPECT_EQ(refusal(request(Action::restart, {"a"})), ErrorKind::queue_full);
}

TEST_F(AnAgent, TakesItsOwnStopsThoughTheQueueIsFull) {
  policies.jobs.max_queued = 1;
  begin({make_service("a"), make_service("b")});
  scm->behave("a", {.hangs_on_stop = true});
  submit(request(Action::stop, {"a"}));
  until([&] { return !scm->sent().empty(); });
  submit(request(Action::restart, {"a"}));
  jobs->drain();
  const Caller itself{{.name = "agent", .role = Role::admin, .services = {}, .actions = {}},
                      "local"};
  EXPECT_TRUE(jobs->submit(itself, request(Action::stop, {"b"}), std::nullopt));
}

TEST_F(AnAgent, GoesOnAfterARestartWithoutSendingASecondStop) {
  begin(exchange_estate());
  scm->behave("antispam", {.hangs_on_stop = true});
  const JobPtr job = submit(request(Action::restart, {"smtpsvc"}, Dependents::include));
  until([&] { return !scm->sent().empty(); });
  end();
  scm->behave("antispam", {});
  scm->end("antispam");
  begin_again();
  EXPECT_EQ(finished(job->id)->result, JobResult::succeeded);
  EXPECT_EQ(scm->sent(),
            (Names{"stop antispam", "stop smtpsvc", "start smtpsvc", "start antispam"}));
}

TEST_F(AnAgent, AsksAgainWithTheSameTokenAfterARestart) {
  begin({make_service("a")});
  std::vector<ControlToken> tokens;
  scm->before_control([&](const Control& control) { tokens.push_back(control.token); });
  scm->behave("a", {.hangs_on_stop = true});
  const JobPtr job = submit(request(Action::restart, {"a"}));
  until([&] { return scm->sent().size() == 1; });
  end();
  // As if the first one had never arrived.
  scm->change("a", [](Service& it) { it.state = ServiceState::running; });
  scm->behave("a", {});
  begin_again();
  EXPECT_EQ(finished(job->id)->result, JobResult::succeeded);
  ASSERT_GE(tokens.size(), 2U);
  EXPECT_EQ(tokens[0], tokens[1]);
}

TEST_F(AnAgent, DecidesNothingWhileTheScmIsLost) {
  begin({make_service("a")});
  scm->lose(true);
  EXPECT_EQ(refusal(request(Action::restart, {"a"})), ErrorKind::scm_unavailable);
  EXPECT_FALSE(jobs->ready());
  scm->lose(false);
  EXPECT_EQ(run(request(Action::restart, {"a"}))->result, JobResult::succeeded);
}

TEST_F(AnAgent, RunsNoStopWhenABeforeStopHookFails) {
  policies.services["smtpsvc"].before_stop = {{"/bin/false"}};
  begin(exchange_estate());
  const JobPtr job = run(request(Action::restart, {"iisadmin"}, Dependents::include));
  EXPECT_EQ(job->result, JobResult::failed);
  EXPECT_EQ(job->error->kind, ErrorKind::hook_failed);
  EXPECT_EQ(job->error->service, "smtpsvc");
  EXPECT_EQ(job->restored, Restored::not_needed);
  EXPECT_TRUE(job->down.empty());
  EXPECT_TRUE(scm->sent().empty());
}

TEST_F(AnAgent, RecordsWhatServicesAreWantedToBe) {
  begin(exchange_estate());
  run(request(Action::stop, {"antispam"}));
  run(request(Action::restart, {"w3svc"}));
  const auto wanted = journal->wanted();
  ASSERT_TRUE(wanted);
  std::map<std::string, bool> up;
  for (const auto& one : *wanted)
    up[one.service] = one.up;
  EXPECT_EQ(up, (std::map<std::string, bool>{{"antispam", false}, {"w3svc", true}}));
}

TEST_F(AnAgent, AcceptsFromManyThreadsAtOnceAndEndsEachJobOnce) {
  std::vector<Service> services;
  for (int n = 0; n < 8; ++n)
    services.push_back(make_service("s" + std::to_string(n)));
  begin(services);
  std::vector<std::thread> clients;
  std::atomic<int> good{0};
  for (int n = 0; n < 8; ++n) {
    clients.emplace_back([&, n] {
      for (int i = 0; i < 25; ++i) {
        const auto made =
            jobs->submit(kAdmin, request(Action::restart, {"s" + std::to_string(n)}), std::nullopt);
        if (!made) {
          ADD_FAILURE() << made.error().detail;
          continue;
        }
        const auto job = jobs->wait(kAdmin, made->job->id, system_clock().mono() + 20s);
        if (job && (*job)->result == JobResult::succeeded) {
          ++good;
        } else if (job) {
          ADD_FAILURE() << to_string((*job)->state) << ": "
                        << ((*job)->error ? (*job)->error->detail : "without an error");
        } else {
          ADD_FAILURE() << job.error().detail;
        }
      }
    });
  }
  for (auto& client : clients)
    client.join();
  EXPECT_EQ(good, 200);
  EXPECT_EQ(scm->sent().size(), 400U);
}

}  // namespace
}  // namespace noforce
