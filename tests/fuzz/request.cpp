// A whole request, as it stands on the wire: through the face to the plan of a dry run, or to
// whatever else its route answers. Nothing is started or stopped: what would make a job is asked as
// a dry run.
#include <algorithm>
#include <string>

#include <nlohmann/json.hpp>

#include "api/face.hpp"
#include "api/input.hpp"
#include "api/server/head.hpp"
#include "core/text.hpp"
#include "tests/fuzz/support/answer.hpp"
#include "tests/fuzz/support/fuzz.hpp"
#include "tests/fuzz/support/house.hpp"

namespace noforce::fuzz {
namespace {

using Json = nlohmann::json;

House& house() {
  static House made;
  return made;
}

bool names_a_job_to_be(const api::Request& request) {
  return request.method == "POST" &&
         (request.path == "/v1/jobs" ||
          (request.segments.size() == 4 && request.segments[3] != "cancel"));
}

// A dry run is asked for in the query; whatever else stands there stays.
void ask_dry(api::Request& request) {
  const auto no = [](const std::string& v) { return v == "0" || v == "no" || v == "false"; };
  bool said = false;
  for (api::Field& parameter : request.query) {
    if (parameter.name != "dry_run") continue;
    said = true;
    if (no(parameter.value)) parameter.value = "1";
  }
  if (!said) request.query.push_back({"dry_run", "1"});
}

Json json_of(const api::Response& response) {
  return Json::parse(response.body, nullptr, false);
}

bool is_in(const Json& list, const Json& name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

// The same question gets the same plan, also when it names the plan that it got.
void check_plan(api::Request request, const api::Response& response) {
  if (response.status != 200 || response.content_type != "application/json") return;
  const Json plan = json_of(response);
  expect(plan.contains("digest") && plan.contains("would_answer"), "a dry run shows a plan",
         response.body);
  const auto digest = plan["digest"].get<std::string>();
  expect(digest.starts_with("sha256:") && digest.size() == 71, "a plan has its digest", digest);
  for (const Json& step : plan["steps"]) {
    if (step["operation"] == "stop")
      expect(is_in(plan["goes_down"], step["service"]) || plan["action"] != "restart",
             "what is stopped is said to go down", response.body);
  }
  expect(json_of(house().face().handle(request))["digest"] == digest, "a plan is stable", digest);

  Json body = request.body.empty() ? Json::object() : Json::parse(request.body);
  body["plan_digest"] = digest;
  request.body = body.dump();
  request.headers.set("Content-Type", "application/json");
  std::erase_if(request.query, [](const api::Field& p) { return p.name == "plan_digest"; });
  const Json again = json_of(house().face().handle(request));
  expect(again["digest"] == digest, "a plan does not depend on what it is held against", digest);
  expect(again["would_answer"]["code"] != "plan_mismatch", "a plan fits itself", digest);
}

// One piece of it: server-sent events, each a few "name: value" lines.
void check_stream(api::BodyStream& stream) {
  std::string text;
  for (int piece = 0; piece < 3 && stream.next(text); ++piece) {
  }
  expect(is_valid_utf8(text), "a stream is UTF-8", text);
  expect(text.empty() || text.ends_with("\n\n"), "a stream ends with a whole event", text);
  Input lines(text);
  while (!lines.empty()) {
    const std::string_view line = lines.line();
    expect(line.empty() || line.starts_with("id: ") || line.starts_with("event: ") ||
               line.starts_with("data: ") || line.starts_with("retry: ") || line.starts_with(": "),
           "a stream is made of events", line);
    if (line.starts_with("data: "))
      expect(Json::accept(line.substr(6)), "an event's data is JSON", line);
  }
}

bool read_request(api::Request& request, std::string_view wire) {
  const api::ServerLimits limits;
  const auto end = wire.find("\r\n\r\n");
  if (end == std::string_view::npos || end + 4 > limits.head_bytes) return false;
  const auto head = api::parse_head(wire.substr(0, end + 4), limits);
  if (!head || !api::set_target(request, head->target)) return false;
  request.method = std::string(head->method);
  for (const auto& [name, value] : head->fields)
    request.headers.add(std::string(name), std::string(value));
  // Content-Length would only keep an input from growing.
  request.body = std::string(wire.substr(end + 4, limits.body_bytes));
  request.peer = "192.0.2.1";
  request.local_address = "192.0.2.2";
  return true;
}

// Who wanted to wait has waited.
api::Response answer_to(const api::Request& request) {
  api::Response response = house().face().handle(request);
  if (!response.later) return response;
  auto at_last = response.later->look(true);
  expect(at_last.has_value(), "there is an answer at last");
  return std::move(*at_last);
}

void fuzz_request(std::string_view input) {
  api::Request request;
  if (!read_request(request, house().fill_in(input))) return;
  const bool dry = names_a_job_to_be(request);
  if (dry) ask_dry(request);
  const api::Response response = answer_to(request);
  expect_well_formed(response);
  expect(house().jobs().counts().queued == 0 && house().jobs().counts().running == 0,
         "a dry run leaves no job");
  if (dry) check_plan(request, response);
  if (response.stream) check_stream(*response.stream);
  if (house().jobs().hold().on) {
    const Caller caller{.principal = {.name = "local:root", .role = Role::admin},
                        .address = "local"};
    expect(house().jobs().set_hold(caller, false, "").has_value(), "a hold can be released");
  }
}

const Registration registered("request", fuzz_request);

}  // namespace
}  // namespace noforce::fuzz
