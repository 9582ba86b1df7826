// Requests through the whole face: table, credentials, handlers, jobs and journal. The SCM alone
// is a fake.
#include "api/face.hpp"

#include <stdexcept>
#include <thread>

#include "api/contract.hpp"
#include "core/ulid.hpp"
#include "tests/api/face_fixture.hpp"

namespace noforce::api {
namespace {

using namespace std::chrono_literals;
using test::AFace;
using Json = nlohmann::json;
using Names = std::vector<std::string>;

Names names_of(const Json& items, const char* field = "name") {
  Names names;
  for (const Json& item : items)
    names.push_back(item.at(field));
  return names;
}

// The door ---------------------------------------------------------------------------------------

TEST_F(AFace, AnswersTheOpenRoutesToAnybody) {
  EXPECT_EQ(ask("", "GET", "/healthz").status, 200);
  EXPECT_EQ(ask("", "GET", "/readyz").status, 200);
  EXPECT_EQ(ask("", "GET", "/openapi.yaml").body, contract_yaml());
  EXPECT_EQ(ask("", "GET", "/openapi.json").body, contract_json());
  scm->lose(true);
  EXPECT_EQ(refusal(ask("", "GET", "/readyz")), "503 scm_unavailable");
  EXPECT_EQ(ask("", "GET", "/healthz").status, 200);
}

TEST_F(AFace, HoldsEveryRouteAgainstEveryRole) {
  const std::array<std::pair<std::string, int>, 4> callers{
      {{"", 0}, {viewer, 1}, {oper, 2}, {admin, 3}}};
  for (const Route& route : Face::routes()) {
    std::string path(route.pattern);
    for (const auto& [from, to] :
         {std::pair{"{name}", "nobody"}, {"{action}", "restart"}, {"{id}", "nothing"}}) {
      if (const auto at = path.find(from); at != std::string::npos)
        path.replace(at, std::string(from).size(), to);
    }
    for (const auto& [secret, rank] : callers) {
      const int status =
          ask(secret, std::string(route.method), path, {}, {{"Accept", "image/none"}}).status;
      const std::string what =
          std::string(route.id) + " as " + std::to_string(rank) + ": " + std::to_string(status);
      const int needed = static_cast<int>(route.access);
      if (needed > 0 && rank == 0)
        EXPECT_EQ(status, 401) << what;
      else if (rank < needed)
        EXPECT_EQ(status, 403) << what;
      else
        EXPECT_TRUE(status != 401 && status != 403) << what;
    }
  }
}

TEST_F(AFace, TellsAMissingCredentialFromABrokenOne) {
  const Response none = ask("", "GET", "/v1/agent");
  EXPECT_EQ(refusal(none), "401 unauthorized");
  EXPECT_EQ(header(none, "WWW-Authenticate"), "Bearer realm=\"noforce\"");
  const Response broken = ask("nf_" + std::string(43, 'A'), "GET", "/v1/agent");
  EXPECT_EQ(refusal(broken), "401 unauthorized");
  EXPECT_EQ(header(broken, "WWW-Authenticate"),
            "Bearer realm=\"noforce\", error=\"invalid_token\"");
  ASSERT_TRUE(credentials->revoke("viewer", "local:root"));
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/agent")), "401 unauthorized");
}

TEST_F(AFace, SlowsDownWhoFailsTooOftenAndNobodyElse) {
  for (int i = 0; i < 20; ++i)
    EXPECT_EQ(ask("", "GET", "/v1/agent").status, 401);
  const Response slowed = ask("", "GET", "/v1/agent");
  EXPECT_EQ(refusal(slowed), "429 rate_limited");
  EXPECT_NE(header(slowed, "Retry-After"), "(none)");
  EXPECT_EQ(ask(viewer, "GET", "/v1/agent").status, 200) << "a good token from the same address";
}

TEST_F(AFace, WritesDenialsIntoTheTrail) {
  ask("", "GET", "/v1/agent");
  ask(viewer, "GET", "/v1/audit");
  const Json rows = json_of(ask(admin, "GET", "/v1/audit?event=denied")).at("items");
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].at("principal"), "token:viewer");
  EXPECT_EQ(rows[0].at("outcome"), "forbidden");
  EXPECT_EQ(rows[1].at("principal"), "anonymous");
  EXPECT_EQ(rows[1].at("address"), "192.0.2.1");
}

TEST_F(AFace, IsNotWhoeverAHostFieldSaysItIs) {
  const Response response = ask(viewer, "GET", "/v1/agent", "", {{"Host", "evil.example"}});
  EXPECT_EQ(refusal(response), "421 misdirected");
  face->set_hosts({"evil.example"});
  EXPECT_EQ(ask(viewer, "GET", "/v1/agent", "", {{"Host", "evil.example"}}).status, 200);
}

TEST_F(AFace, RefusesPathsAndMethodsThatItDoesNotHave) {
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/nothing")), "404 not_found");
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/jobs/")), "404 not_found");
  EXPECT_EQ(refusal(ask(viewer, "GET", "/V1/jobs")), "404 not_found");
  const Response wrong = ask(viewer, "DELETE", "/v1/jobs");
  EXPECT_EQ(refusal(wrong), "405 method_not_allowed");
  EXPECT_EQ(header(wrong, "Allow"), "POST, GET, HEAD, OPTIONS");
  EXPECT_EQ(ask(viewer, "TRACE", "/v1/jobs").status, 405);
  const Response options = ask("", "OPTIONS", "/v1/jobs");
  EXPECT_EQ(options.status, 204);
  EXPECT_EQ(header(options, "Access-Control-Allow-Origin"), "(none)");
  EXPECT_EQ(ask(viewer, "HEAD", "/v1/services").status, 200);
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/services?stat=running")), "422 malformed");
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/services", "{}")), "422 malformed");
}

// Fails where a handler asks for the time.
class BrokenClock final : public Clock {
 public:
  MonoTime mono() const override {
    if (broken) throw std::runtime_error("secret of the inside");
    return system_clock().mono();
  }
  WallTime wall() const override { return system_clock().wall(); }
  bool broken = false;
};

TEST_F(AFace, GivesNothingAwayWhenItFailsInside) {
  BrokenClock clock;
  Face broken({.jobs = *jobs,
               .credentials = *credentials,
               .journal = *journal,
               .events = *events,
               .hosts = {"agent.example"},
               .clock = clock});
  clock.broken = true;
  const Response response = broken.handle(
      test::make_request("GET", "/v1/services/w3svc", {{"Authorization", "Bearer " + viewer}}));
  clock.broken = false;
  EXPECT_EQ(refusal(response), "500 internal");
  EXPECT_EQ(response.body.find("secret"), std::string::npos);
}

// Services and groups ----------------------------------------------------------------------------

TEST_F(AFace, ShowsAService) {
  const Response response = ask(viewer, "GET", "/v1/services/w3svc");
  ASSERT_EQ(response.status, 200);
  const Json service = json_of(response);
  EXPECT_EQ(service.at("state"), "running");
  EXPECT_EQ(service.at("depends_on"), Json({"iisadmin"}));
  EXPECT_EQ(service.at("groups"), Json({"iis"}));
  EXPECT_EQ(service.at("protected"), false);
  policies.services["w3svc"].is_protected = true;
  jobs->replace_policies(policies);
  EXPECT_EQ(json_of(ask(viewer, "GET", "/v1/services/w3svc")).at("protected"), true);
  EXPECT_EQ(refusal(ask(oper, "POST", "/v1/services/w3svc/restart")), "422 reason_required");
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/services/nobody")), "404 unknown_service");
  EXPECT_TRUE(ask(viewer, "GET", "/v1/services/w3svc", "", {{"Accept", "text/plain"}})
                  .body.starts_with("running w3svc pid="));
}

TEST_F(AFace, AnswersNotModifiedUntilAServiceChanges) {
  const std::string etag = header(ask(viewer, "GET", "/v1/services/w3svc"), "ETag");
  const Fields has{{"If-None-Match", etag}};
  EXPECT_EQ(ask(viewer, "GET", "/v1/services/w3svc", "", has).status, 304);
  const std::string list = header(ask(viewer, "GET", "/v1/services"), "ETag");
  scm->end("w3svc");
  EXPECT_EQ(ask(viewer, "GET", "/v1/services/w3svc", "", has).status, 200);
  EXPECT_EQ(ask(viewer, "GET", "/v1/services", "", {{"If-None-Match", list}}).status, 200);
}

TEST_F(AFace, PagesAndFiltersServices) {
  const Json all = json_of(ask(viewer, "GET", "/v1/services"));
  EXPECT_EQ(names_of(all.at("items")),
            (Names{"antispam", "iisadmin", "pop3svc", "smtpsvc", "w3svc"}));
  EXPECT_TRUE(all.at("next_page_token").is_null());
  Names paged;
  std::string token;
  do {
    const Json page = json_of(ask(viewer, "GET", "/v1/services?limit=2" + token));
    for (const std::string& name : names_of(page.at("items")))
      paged.push_back(name);
    token = page.at("next_page_token").is_null()
                ? ""
                : "&page_token=" + page.at("next_page_token").get<std::string>();
  } while (!token.empty());
  EXPECT_EQ(paged, names_of(all.at("items")));

  const auto listed = [&](const char* query) {
    return names_of(json_of(ask(viewer, "GET", std::string("/v1/services?") + query)).at("items"));
  };
  scm->end("smtpsvc");
  EXPECT_EQ(listed("state=stopped"), Names{"smtpsvc"});
  EXPECT_EQ(listed("q=*SVC&state=running"), (Names{"pop3svc", "w3svc"}));
  EXPECT_EQ(listed("q=world*"), Names{"w3svc"});
  EXPECT_EQ(listed("group=iis"), (Names{"iisadmin", "w3svc"}));
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/services?group=x")), "404 unknown_group");
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/services?state=up")), "422 malformed");
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/services?limit=0")), "422 malformed");
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/services?page_token=xyz")), "422 malformed");
}

TEST_F(AFace, ShowsGroupsWithWhatIsMissing) {
  const Json group = json_of(ask(viewer, "GET", "/v1/groups/iis"));
  EXPECT_EQ(group.at("services"), Json({"iisadmin", "w3svc"}));
  EXPECT_EQ(group.at("missing"), Json({"ghost"}));
  EXPECT_EQ(group.at("states").at("running"), 2);
  EXPECT_EQ(names_of(json_of(ask(viewer, "GET", "/v1/groups")).at("items")),
            (Names{"iis", "mail"}));
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/groups/x")), "404 unknown_group");
}

TEST_F(AFace, ShowsTheAgent) {
  const Json agent = json_of(ask(oper, "GET", "/v1/agent"));
  EXPECT_EQ(agent.at("version"), "0.1.0");
  EXPECT_EQ(agent.at("ready"), true);
  EXPECT_EQ(agent.at("services").at("total"), 5);
  EXPECT_EQ(agent.at("credential").at("name"), "token:oper");
  EXPECT_EQ(agent.at("credential").at("role"), "operator");
}

// Jobs -------------------------------------------------------------------------------------------

TEST_F(AFace, RestartsAServiceAndWaits) {
  const Response response = ask(oper, "POST", "/v1/services/w3svc/restart?wait=20&reason=deploy+1");
  ASSERT_EQ(response.status, 200) << response.body;
  const Json job = json_of(response);
  EXPECT_EQ(job.at("result"), "succeeded");
  EXPECT_EQ(job.at("requested_by"), "token:oper");
  EXPECT_EQ(job.at("reason"), "deploy 1");
  EXPECT_EQ(job.at("forced"), false);
  EXPECT_EQ(header(response, "Location"), "/v1/jobs/" + job.at("id").get<std::string>());
  EXPECT_EQ(header(response, "Noforce-Job-Result"), "succeeded");
  EXPECT_EQ(header(response, "Retry-After"), "(none)");
  EXPECT_EQ(scm->sent(), (Names{"stop w3svc", "start w3svc"}));
}

TEST_F(AFace, AsksForConsentAndNamesWhoGoesDown) {
  const Response refused = ask(oper, "POST", "/v1/services/iisadmin/restart");
  EXPECT_EQ(refusal(refused), "409 dependents_running");
  Names down = json_of(refused).at("dependents");
  std::sort(down.begin(), down.end());
  EXPECT_EQ(down, (Names{"antispam", "pop3svc", "smtpsvc", "w3svc"}));
  EXPECT_TRUE(scm->sent().empty());
  const Response done = ask(oper, "POST", "/v1/jobs?wait=20",
                            R"({"action":"restart","services":["iisadmin"],
                                "dependents":"include","reason":"because"})");
  ASSERT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(json_of(done).at("result"), "succeeded");
}

TEST_F(AFace, PlansWithoutDoing) {
  const Response response = ask(viewer, "POST", "/v1/services/iisadmin/stop?dry_run=1");
  ASSERT_EQ(response.status, 200) << response.body;
  const Json plan = json_of(response);
  EXPECT_EQ(plan.at("goes_down").size(), 5U);
  EXPECT_EQ(plan.at("needs_consent"), true);
  EXPECT_EQ(refusal(ask(viewer, "POST", "/v1/services/iisadmin/stop?dry_run=0")), "403 forbidden");
  EXPECT_EQ(json_of(ask(oper, "POST", "/v1/services/iisadmin/stop?dry_run=1"))
                .at("would_answer")
                .at("code"),
            "dependents_running");
  EXPECT_TRUE(scm->sent().empty());
  EXPECT_TRUE(json_of(ask(viewer, "GET", "/v1/jobs")).at("items").empty());
  const std::string digest = plan.at("digest");
  EXPECT_EQ(refusal(ask(oper, "POST", "/v1/services/w3svc/stop?plan_digest=" + digest)),
            "412 plan_mismatch");
}

TEST_F(AFace, AnswersBeforeTheEndWhenItIsNotAskedToWait) {
  scm->behave("w3svc", {.hangs_on_stop = true});
  const Response response = ask(oper, "POST", "/v1/services/w3svc/stop");
  ASSERT_EQ(response.status, 202) << response.body;
  const std::string id = json_of(response).at("id");
  EXPECT_EQ(header(response, "Retry-After"), "1");
  const Response waited = ask(oper, "GET", "/v1/jobs/" + id, "", {{"Prefer", "wait=1"}});
  EXPECT_EQ(waited.status, 200);
  EXPECT_EQ(json_of(waited).at("state"), "running");
  EXPECT_EQ(header(waited, "Preference-Applied"), "wait=1");
  EXPECT_EQ(header(waited, "Noforce-Job-Result"), "running");
  const Response line = ask(oper, "GET", "/v1/jobs/" + id, "", {{"Accept", "text/plain"}});
  EXPECT_TRUE(line.body.starts_with("running stop w3svc ")) << line.body;
  EXPECT_EQ(json_of(ask(viewer, "GET", "/v1/services/w3svc")).at("job"), id);
  scm->end("w3svc");
  EXPECT_EQ(json_of(ask(oper, "GET", "/v1/jobs/" + id + "?wait=20")).at("result"), "succeeded");
}

TEST_F(AFace, AnswersAWaitThatIsCutShortWithTheJobAsItIs) {
  scm->behave("w3svc", {.hangs_on_stop = true});
  const Response waiting = face->handle(test::make_request(
      "POST", "/v1/services/w3svc/stop?wait=60", {{"Authorization", "Bearer " + oper}}));
  ASSERT_TRUE(waiting.later);
  EXPECT_FALSE(waiting.later->look(false));
  const auto answer = waiting.later->look(true);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 202);
  scm->end("w3svc");
}

TEST_F(AFace, IsStrictOnDemand) {
  EXPECT_EQ(ask(oper, "POST", "/v1/services/w3svc/start?strict=1").status, 200) << "unchanged";
  scm->behave("w3svc", {.hangs_on_stop = true});
  const Response late = ask(oper, "POST", "/v1/services/w3svc/stop?strict=1&wait=1");
  EXPECT_EQ(late.status, 424);
  EXPECT_EQ(json_of(late).at("state"), "running") << "the job is the body";
  scm->end("w3svc");
  EXPECT_EQ(refusal(ask(oper, "POST", "/v1/services/iisadmin/stop?strict=1")),
            "409 dependents_running");
}

TEST_F(AFace, CancelsAJob) {
  scm->behave("w3svc", {.hangs_on_stop = true});
  const std::string id = json_of(ask(oper, "POST", "/v1/services/w3svc/restart")).at("id");
  const std::string waiting = json_of(ask(oper, "POST", "/v1/services/w3svc/restart")).at("id");
  const Response queued = ask(oper, "POST", "/v1/jobs/" + waiting + "/cancel?wait=5");
  EXPECT_EQ(queued.status, 200) << queued.body;
  EXPECT_EQ(json_of(queued).at("result"), "cancelled");
  EXPECT_EQ(json_of(queued).at("cancelled_by"), "token:oper");
  EXPECT_EQ(refusal(ask(oper, "POST", "/v1/jobs/" + waiting + "/cancel")), "409 already_done");
  const Response running = ask(oper, "POST", "/v1/jobs/" + id + "/cancel");
  EXPECT_EQ(running.status, 202) << running.body;
  EXPECT_EQ(json_of(running).at("state"), "cancelling");
  scm->end("w3svc");
  EXPECT_EQ(json_of(ask(oper, "GET", "/v1/jobs/" + id + "?wait=20")).at("result"), "cancelled");
}

TEST_F(AFace, GivesTheSameJobForTheSameKey) {
  const Fields key{{"Idempotency-Key", "\"deploy-1\""}};
  const Response first = ask(oper, "POST", "/v1/services/w3svc/restart?deadline_s=60", "", key);
  const std::string id = json_of(first).at("id");
  const Response again = ask(oper, "POST", "/v1/services/w3svc/restart?wait=20&strict=1",
                             R"({"deadline_s":60})", {{"Idempotency-Key", "deploy-1"}});
  EXPECT_EQ(json_of(again).at("id"), id) << "wait and strict are no part of the request";
  EXPECT_EQ(header(again, "Idempotency-Replayed"), "true");
  EXPECT_EQ(refusal(ask(oper, "POST", "/v1/services/w3svc/restart?deadline_s=61", "", key)),
            "422 idempotency_mismatch");
  EXPECT_NE(json_of(ask(admin, "POST", "/v1/services/w3svc/restart?wait=20", "", key)).at("id"), id)
      << "another credential's key";
  EXPECT_EQ(
      refusal(ask(oper, "POST", "/v1/services/w3svc/restart", "", {{"Idempotency-Key", "a b"}})),
      "422 malformed");
}

TEST_F(AFace, ReadsJobRequestsStrictly) {
  const auto post = [&](const std::string& body) {
    return refusal(ask(oper, "POST", "/v1/jobs", body));
  };
  EXPECT_EQ(post(""), "422 malformed");
  EXPECT_EQ(post("{}"), "422 malformed");
  EXPECT_EQ(post(R"({"action":"restart"})"), "422 malformed");
  EXPECT_EQ(post(R"({"action":"restart","services":["w3svc"],"group":"iis"})"), "422 malformed");
  EXPECT_EQ(post(R"({"action":"restart","services":["w3svc"],"deadline":1})"), "422 malformed");
  EXPECT_EQ(post(R"({"action":"restart","services":["nobody"]})"), "404 unknown_service");
  EXPECT_EQ(post(R"({"action":"restart","group":"nobody"})"), "404 unknown_group");
  EXPECT_EQ(refusal(ask(oper, "POST", "/v1/jobs", "action=restart",
                        {{"Content-Type", "application/x-www-form-urlencoded"}})),
            "415 unsupported_media_type");
  EXPECT_EQ(refusal(ask(oper, "POST", "/v1/services/w3svc/explode")), "404 not_found");
  EXPECT_TRUE(scm->sent().empty());
}

TEST_F(AFace, RestartsAGroup) {
  const Response response =
      ask(oper, "POST", "/v1/groups/iis/restart?wait=20&dependents=include", R"({"reason":"x"})");
  ASSERT_EQ(response.status, 200) << response.body;
  const Json job = json_of(response);
  EXPECT_EQ(job.at("group"), "iis");
  EXPECT_EQ(job.at("services"), Json({"iisadmin", "w3svc"}));
  EXPECT_EQ(json_of(ask(viewer, "POST", "/v1/groups/iis/stop?dry_run=1")).at("warnings").size(), 1U)
      << "ghost is in the group and not on the machine";
  EXPECT_EQ(refusal(ask(oper, "POST", "/v1/groups/nobody/restart")), "404 unknown_group");
}

TEST_F(AFace, PagesJobsWithoutGapsWhileNewOnesArrive) {
  Names made;
  for (int i = 0; i < 7; ++i)
    made.insert(made.begin(),
                json_of(ask(oper, "POST", "/v1/services/w3svc/start?wait=20")).at("id"));
  Names paged;
  std::string token;
  do {
    const Json page = json_of(ask(viewer, "GET", "/v1/jobs?limit=3" + token));
    for (const std::string& id : names_of(page.at("items"), "id"))
      paged.push_back(id);
    token = page.at("next_page_token").is_null()
                ? ""
                : "&page_token=" + page.at("next_page_token").get<std::string>();
    ask(oper, "POST", "/v1/services/w3svc/start?wait=20");
  } while (!token.empty());
  EXPECT_EQ(paged, made);
  EXPECT_EQ(
      json_of(ask(viewer, "GET", "/v1/jobs?service=w3svc&action=start&result=unchanged&state=done"))
          .at("items")
          .size(),
      10U);
  EXPECT_TRUE(
      json_of(ask(viewer, "GET", "/v1/jobs?since=2100-01-01T00:00:00Z")).at("items").empty());
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/jobs?result=great")), "422 malformed");
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/jobs/nothing")), "404 unknown_job");
}

TEST_F(AFace, AnswersNotModifiedForAJobThatHasNotChanged) {
  const std::string id = json_of(ask(oper, "POST", "/v1/services/w3svc/restart?wait=20")).at("id");
  const std::string etag = header(ask(viewer, "GET", "/v1/jobs/" + id), "ETag");
  const Response again = ask(viewer, "GET", "/v1/jobs/" + id, "", {{"If-None-Match", etag}});
  EXPECT_EQ(again.status, 304);
  EXPECT_EQ(header(again, "Noforce-Job-Result"), "succeeded");
}

TEST_F(AFace, ShowsANarrowedCredentialOnlyWhatIsItsOwn) {
  const std::string narrow = token("narrow", Role::operator_, {"smtp*", "antispam"}, {"restart"});
  EXPECT_EQ(names_of(json_of(ask(narrow, "GET", "/v1/services")).at("items")),
            (Names{"antispam", "smtpsvc"}));
  const Json smtp = json_of(ask(narrow, "GET", "/v1/services/smtpsvc"));
  EXPECT_EQ(smtp.at("depends_on"), Json::array()) << "iisadmin is not to be seen";
  EXPECT_EQ(smtp.at("dependents"), Json({"antispam"}));
  EXPECT_EQ(refusal(ask(narrow, "GET", "/v1/services/w3svc")), "404 unknown_service");
  EXPECT_EQ(json_of(ask(narrow, "GET", "/v1/agent")).at("services").at("total"), 2);
  EXPECT_EQ(names_of(json_of(ask(narrow, "GET", "/v1/groups")).at("items")), Names{"mail"});
  EXPECT_EQ(refusal(ask(narrow, "GET", "/v1/groups/iis")), "404 unknown_group");
  EXPECT_EQ(refusal(ask(narrow, "POST", "/v1/services/smtpsvc/stop")), "403 forbidden");
  const std::string foreign =
      json_of(ask(oper, "POST", "/v1/services/w3svc/restart?wait=20")).at("id");
  EXPECT_EQ(refusal(ask(narrow, "GET", "/v1/jobs/" + foreign)), "404 unknown_job");
  EXPECT_TRUE(json_of(ask(narrow, "GET", "/v1/jobs")).at("items").empty());
  EXPECT_EQ(ask(narrow, "POST", "/v1/services/smtpsvc/restart?wait=20&dependents=include").status,
            200);
}

// Hold and audit ---------------------------------------------------------------------------------

TEST_F(AFace, IsPutOnHoldFromAnywhereAndReleasedOnTheMachineOnly) {
  EXPECT_EQ(json_of(ask(viewer, "GET", "/v1/hold")).at("on"), false);
  EXPECT_EQ(refusal(ask(oper, "PUT", "/v1/hold")), "403 forbidden");
  const Json hold = json_of(ask(admin, "PUT", "/v1/hold", R"({"reason":"storage moves"})"));
  EXPECT_EQ(hold.at("on"), true);
  EXPECT_EQ(hold.at("by"), "token:admin");
  EXPECT_EQ(refusal(ask(oper, "POST", "/v1/services/w3svc/restart")), "409 held");
  const Response released = ask(admin, "PUT", "/v1/hold", R"({"on":false})");
  EXPECT_EQ(refusal(released), "403 forbidden");
  EXPECT_NE(json_of(released).at("detail").get<std::string>().find("noforce hold off"),
            std::string::npos);
  Request local = test::make_request("PUT", "/v1/hold?on=no");
  local.is_local = true;
  local.local_user = "root";
  EXPECT_EQ(face->handle(local).status, 200);
  EXPECT_EQ(json_of(ask(viewer, "GET", "/v1/hold")).at("on"), false);
  EXPECT_EQ(json_of(ask(admin, "POST", "/v1/hold?reason=again")).at("reason"), "again");
}

TEST_F(AFace, PagesTheAuditTrail) {
  for (int i = 0; i < 3; ++i)
    ask(oper, "POST", "/v1/services/w3svc/start?wait=20");
  std::vector<std::uint64_t> numbers;
  std::string token;
  do {
    const Json page = json_of(ask(admin, "GET", "/v1/audit?limit=2" + token));
    for (const Json& row : page.at("items"))
      numbers.push_back(row.at("number"));
    token = page.at("next_page_token").is_null()
                ? ""
                : "&page_token=" + page.at("next_page_token").get<std::string>();
  } while (!token.empty());
  ASSERT_GE(numbers.size(), 6U);
  for (std::size_t i = 0; i < numbers.size(); ++i)
    EXPECT_EQ(numbers[i], numbers.size() - i);
  EXPECT_EQ(refusal(ask(admin, "GET", "/v1/audit?page_token=YTE6eA")), "422 malformed");
  for (const Json& row : json_of(ask(admin, "GET", "/v1/audit?principal=token:oper")).at("items"))
    EXPECT_EQ(row.at("principal"), "token:oper");
}

// Events -----------------------------------------------------------------------------------------

// Reads a stream until `text` came, for at most some seconds.
std::string read_until(Response& response, const std::string& text) {
  std::string all;
  const MonoTime until = system_clock().mono() + 20s;
  while (all.find(text) == std::string::npos && system_clock().mono() < until) {
    std::string piece;
    const bool more = response.stream->next(piece);
    if (piece.empty()) std::this_thread::sleep_for(1ms);
    all += piece;
    if (!more) return all + "(end)";
  }
  return all;
}

TEST_F(AFace, StreamsWhatHappens) {
  Response stream = ask(viewer, "GET", "/v1/events");
  ASSERT_EQ(stream.status, 200);
  EXPECT_EQ(stream.content_type, "text/event-stream");
  ask(oper, "POST", "/v1/services/w3svc/restart?wait=20");
  const std::string seen = read_until(stream, R"("result":"succeeded","forced")");
  EXPECT_NE(seen.find("event: service\ndata: {\"name\":\"w3svc\""), std::string::npos);
  EXPECT_NE(seen.find("event: job\ndata: {\"id\""), std::string::npos);
}

TEST_F(AFace, ResumesAStreamWithoutAGapOrSaysSo) {
  Response first = ask(viewer, "GET", "/v1/events");
  ask(oper, "POST", "/v1/services/w3svc/restart?wait=20");
  const std::string seen = read_until(first, "\n\nid: ");
  const auto at = seen.find("id: ");
  const std::string id = seen.substr(at + 4, seen.find('\n', at) - at - 4);
  Response resumed = ask(viewer, "GET", "/v1/events", "", {{"Last-Event-ID", id}});
  const std::string again = read_until(resumed, R"("result":"succeeded","forced")");
  EXPECT_EQ(again.find("event: gap"), std::string::npos);
  Response foreign = ask(viewer, "GET", "/v1/events?last_event_id=01ARZ3NDEKTSV4RRFFQ69G5FAV-3");
  EXPECT_NE(read_until(foreign, "event: gap").find("event: gap"), std::string::npos);
  events->close();
  EXPECT_TRUE(read_until(resumed, "never").ends_with("(end)"));
}

TEST_F(AFace, FiltersAndNarrowsStreams) {
  const std::string narrow = token("narrow", Role::viewer, {"smtp*"});
  Response own = ask(narrow, "GET", "/v1/events");
  Response smtp = ask(viewer, "GET", "/v1/events?service=smtpsvc");
  ask(oper, "POST", "/v1/services/w3svc/restart?wait=20");
  scm->change("smtpsvc", [](Service& service) { service.checkpoint = 77; });
  for (Response* stream : {&own, &smtp}) {
    const std::string seen = read_until(*stream, "\"checkpoint\":77");
    EXPECT_EQ(seen.find("w3svc"), std::string::npos) << seen;
    EXPECT_NE(seen.find("smtpsvc"), std::string::npos) << seen;
  }
  const std::string id = json_of(ask(oper, "POST", "/v1/services/w3svc/start?wait=20")).at("id");
  Response late = ask(viewer, "GET", "/v1/events?job=" + id);
  EXPECT_NE(read_until(late, id).find("\"state\":\"done\""), std::string::npos)
      << "also a job that has ended before";
  EXPECT_EQ(refusal(ask(narrow, "GET", "/v1/events?job=" + id)), "404 unknown_job");
  EXPECT_EQ(refusal(ask(viewer, "GET", "/v1/events", "", {{"Accept", "text/html"}})),
            "406 not_acceptable");
}

TEST_F(AFace, EndsAStreamWithItsCredential) {
  Response stream = ask(viewer, "GET", "/v1/events");
  read_until(stream, "id: ");
  ASSERT_TRUE(credentials->revoke("viewer", "local:root"));
  EXPECT_TRUE(read_until(stream, "never").ends_with("(end)"));
}

}  // namespace
}  // namespace noforce::api
