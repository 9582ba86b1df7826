#include <algorithm>
#include <array>
#include <chrono>
#include <functional>

#include <nlohmann/json.hpp>

#include "api/authentication.hpp"
#include "api/input.hpp"
#include "api/negotiation.hpp"
#include "api/problem.hpp"
#include "api/render.hpp"
#include "api/resources/resources.hpp"
#include "core/digest.hpp"
#include "core/text.hpp"
#include "core/ulid.hpp"

namespace noforce::api {
namespace {

using Json = nlohmann::json;

constexpr std::int64_t kWeek = 7 * 24 * 3600;
constexpr std::string_view kActions = "stop start restart reload pause continue";

// What a job can be asked with, in the body or the query; those before kFirstOption only name it.
constexpr std::array kJobFields{
    FieldSpec{"action", FieldType::text, 1, 16, kActions},
    FieldSpec{"services", FieldType::texts, 1, 256},
    FieldSpec{"group", FieldType::text, 1, 256},
    FieldSpec{"dependents", FieldType::text, 1, 16, "refuse include"},
    FieldSpec{"on_failure", FieldType::text, 1, 16, "restore leave"},
    FieldSpec{"deadline_s", FieldType::integer, 1, kWeek},
    FieldSpec{"no_progress_s", FieldType::integer, 1, kWeek},
    FieldSpec{"queue_s", FieldType::integer, 1, kWeek},
    FieldSpec{"reason", FieldType::text, 0, 4096},
    FieldSpec{"plan_digest", FieldType::text, 1, 128},
};
constexpr std::size_t kFirstOption = 3;
constexpr std::span kControlFields = std::span(kJobFields).subspan(kFirstOption);

JobOptions options_from(const Json& fields, JobOptions options) {
  const auto text = [&](const char* name) { return fields.at(name).get<std::string>(); };
  const auto seconds = [&](const char* name) {
    return Seconds{fields.at(name).get<std::int64_t>()};
  };
  if (fields.contains("dependents"))
    options.dependents = dependents_from(text("dependents")).value_or(options.dependents);
  if (fields.contains("on_failure"))
    options.on_failure = on_failure_from(text("on_failure")).value_or(options.on_failure);
  if (fields.contains("deadline_s")) options.deadline = seconds("deadline_s");
  if (fields.contains("no_progress_s")) options.no_progress = seconds("no_progress_s");
  if (fields.contains("queue_s")) options.queue = seconds("queue_s");
  if (fields.contains("reason")) options.reason = clean_text(text("reason"), 500);
  if (fields.contains("plan_digest")) options.plan_digest = text("plan_digest");
  return options;
}

Result<std::optional<IdempotencyKey>> key_of(const Context& context, const Json& fields) {
  auto key = idempotency_key(context.request.headers);
  if (!key) return std::unexpected(key.error());
  if (!*key) return std::nullopt;
  return IdempotencyKey{.credential = context.caller.principal.name,
                        .key = **key,
                        .fingerprint = sha256_hex(context.request.method + "\n" +
                                                  context.request.path + "\n" + fields.dump())};
}

using Rendering =
    std::function<Response(const FaceParts& parts, const Request& request, const Job& job)>;

// The answer of a request that waits for its job's end.
class AtTheEnd final : public LaterAnswer {
 public:
  AtTheEnd(const Context& context, JobPtr job, Seconds patience, Rendering render)
      : parts_(context.parts),
        credential_(context.request),
        request_(context.request),
        caller_(context.caller),
        job_(std::move(job)),
        until_(context.parts.clock.mono() + patience),
        render_(std::move(render)) {
    request_.headers.forget("Authorization");
    std::string().swap(request_.body);  // nobody asks for it any more
  }

  std::optional<Response> look(bool at_last) override {
    // A credential that is gone, or may do less by now, is told no more.
    auto owner = credential_.owner(parts_.credentials, parts_.clients);
    if (!owner) return refusal(owner.error());
    caller_.principal = std::move(*owner);
    auto seen = parts_.jobs.find(caller_, job_->id);
    if (!seen) return refusal(seen.error());
    job_ = std::move(*seen);
    if (job_->state != JobState::done && !at_last) return std::nullopt;
    return render_(parts_, request_, *job_);
  }
  MonoTime due() const override { return until_; }

 private:
  static Response refusal(const Error& error) {
    Response response = to_response(to_problem(error));
    if (response.status == 401)
      response.headers.add("WWW-Authenticate", "Bearer realm=\"noforce\", error=\"invalid_token\"");
    return response;
  }

  const FaceParts& parts_;  // the face outlives its answers
  const Credential credential_;
  Request request_;
  Caller caller_;
  JobPtr job_;
  const MonoTime until_;
  const Rendering render_;
};

// The job as it is now where it is done or nobody wants to wait for it; else at its end.
Response now_or_at_the_end(const Context& context, JobPtr job, Seconds patience, Rendering render) {
  if (job->state == JobState::done || patience <= Seconds{0})
    return render(context.parts, context.request, *job);
  Response response;
  response.later = std::make_unique<AtTheEnd>(context, std::move(job), patience, std::move(render));
  return response;
}

void add_preference(Response& response, const Waiting& waiting) {
  if (waiting.preference)
    response.headers.add("Preference-Applied", "wait=" + std::to_string(waiting.patience.count()));
}

Response job_response(const FaceParts& parts, const Job& job, int status, Format format) {
  Response response = format == Format::text
                          ? text_response(status, job_line(job, parts.clock.wall()))
                          : json_response(status, job_json(job, parts.clock.mono()));
  response.headers.add("Noforce-Job-Result", std::string(result_or_state(job)));
  return response;
}

// The answer to a request that made, or took part in, a job: 200 done, 202 not yet, 424 strict.
Response accepted_response(const FaceParts& parts, const Job& job, const Waiting& waiting,
                           Format format) {
  const bool done = job.state == JobState::done;
  const bool good = done && job.result && is_good(*job.result);
  const int status = waiting.strict && !good ? 424 : done ? 200 : 202;
  Response response = job_response(parts, job, status, format);
  response.headers.add("Location", "/v1/jobs/" + job.id);
  if (!done) response.headers.add("Retry-After", "1");
  add_preference(response, waiting);
  return response;
}

Result<Response> submit(Context& context, const JobRequest& request, const Json& fields) {
  auto format = wanted_format(context.request);
  if (!format) return std::unexpected(format.error());
  auto dry = query_flag(context.request, "dry_run");
  if (!dry) return std::unexpected(dry.error());
  Jobs& jobs = context.parts.jobs;
  auto waiting = read_waiting(context.request, jobs.policies()->jobs.max_wait);
  if (!waiting) return std::unexpected(waiting.error());
  auto key = key_of(context, fields);
  if (!key) return std::unexpected(key.error());
  if (*dry) {
    auto run = jobs.dry_run(context.caller, request);
    if (!run) return std::unexpected(run.error());
    return *format == Format::text ? text_response(200, dry_run_text(*run))
                                   : json_response(200, dry_run_json(*run));
  }
  auto submission = jobs.submit(context.caller, request, *key);
  if (!submission) return std::unexpected(submission.error());
  return now_or_at_the_end(context, submission->job, waiting->patience,
                           [waiting = *waiting, format = *format, replayed = submission->replayed](
                               const FaceParts& parts, const Request&, const Job& job) {
                             Response response = accepted_response(parts, job, waiting, format);
                             if (replayed) response.headers.add("Idempotency-Replayed", "true");
                             return response;
                           });
}

Result<Action> action_in_path(std::string_view text) {
  if (const auto action = action_from(text)) return *action;
  return fail(ErrorKind::not_found, "There is no action " + clean_text(text, 40) +
                                        "; there are stop, start, restart, reload, pause and "
                                        "continue.");
}

Result<JobFilter> read_filter(const Context& context) {
  JobFilter filter;
  const Request& request = context.request;
  if (const auto* text = query_value(request, "state")) {
    filter.state = job_state_from(*text);
    if (!filter.state)
      return fail(ErrorKind::malformed,
                  "state has to be one of queued, running, cancelling, done.");
  }
  if (const auto* text = query_value(request, "result")) {
    filter.result = job_result_from(*text);
    if (!filter.result)
      return fail(ErrorKind::malformed,
                  "result has to be one of succeeded, unchanged, failed, timed_out, cancelled, "
                  "interrupted.");
  }
  if (const auto* text = query_value(request, "action")) {
    filter.action = action_from(*text);
    if (!filter.action)
      return fail(ErrorKind::malformed,
                  "action has to be one of stop, start, restart, reload, pause, continue.");
  }
  if (const auto* text = query_value(request, "service")) {
    auto name = context.parts.jobs.resolve(context.caller, *text);
    if (!name) return std::unexpected(name.error());
    filter.service = std::move(*name);
  }
  auto since = query_time(request, "since");
  if (!since) return std::unexpected(since.error());
  filter.since = *since;
  auto limit = read_limit(request);
  if (!limit) return std::unexpected(limit.error());
  filter.limit = *limit;
  auto before = read_page_token(request, "j");
  if (!before) return std::unexpected(before.error());
  if (*before && !is_ulid(**before))
    return fail(ErrorKind::malformed,
                "page_token is not one that this list gave out; begin again without it.");
  filter.before = *before;
  return filter;
}

}  // namespace

Result<Response> create_job(Context& context) {
  auto fields = read_fields(context.request, kJobFields);
  if (!fields) return std::unexpected(fields.error());
  if (!fields->contains("action"))
    return fail(ErrorKind::malformed,
                "action is missing; it is one of stop, start, restart, reload, pause, continue.");
  if (fields->contains("services") == fields->contains("group"))
    return fail(ErrorKind::malformed,
                "Name either services, as in \"services\":[\"w3svc\"], or a group; not both.");
  JobRequest request;
  request.action = action_from(fields->at("action").get<std::string>()).value_or(Action::restart);
  if (fields->contains("services"))
    request.services = fields->at("services").get<std::vector<std::string>>();
  else
    request.group = fields->at("group").get<std::string>();
  request.options = options_from(*fields, context.parts.jobs.defaults());
  return submit(context, request, *fields);
}

Result<Response> control_service(Context& context) {
  auto action = action_in_path(context.parameters[1]);
  if (!action) return std::unexpected(action.error());
  auto fields = read_fields(context.request, kControlFields);
  if (!fields) return std::unexpected(fields.error());
  const JobRequest request{.action = *action,
                           .services = {std::string(context.parameters[0])},
                           .group = std::nullopt,
                           .options = options_from(*fields, context.parts.jobs.defaults())};
  return submit(context, request, *fields);
}

Result<Response> control_group(Context& context) {
  auto action = action_in_path(context.parameters[1]);
  if (!action) return std::unexpected(action.error());
  auto fields = read_fields(context.request, kControlFields);
  if (!fields) return std::unexpected(fields.error());
  const JobRequest request{.action = *action,
                           .services = {},
                           .group = std::string(context.parameters[0]),
                           .options = options_from(*fields, context.parts.jobs.defaults())};
  return submit(context, request, *fields);
}

Result<Response> list_jobs(Context& context) {
  auto filter = read_filter(context);
  if (!filter) return std::unexpected(filter.error());
  auto format = wanted_format(context.request);
  if (!format) return std::unexpected(format.error());
  auto page = context.parts.jobs.list(context.caller, std::move(*filter));
  if (!page) return std::unexpected(page.error());
  if (*format == Format::text) {
    std::string text;
    for (const JobPtr& job : page->jobs)
      text += job_line(*job, context.parts.clock.wall());
    return text_page(std::move(text), page->more ? make_page_token("j", page->next_before) : "");
  }
  const MonoTime now = context.parts.clock.mono();
  JsonWriter w(256 + page->jobs.size() * 2048);
  std::string still;
  w.begin_object().key("items").begin_array();
  for (const JobPtr& job : page->jobs) {
    write_job(w, *job, now);
    still += job_etag(*job);
  }
  w.end_array();
  // A page may be short, or empty, and not be the last: a narrowed credential's jobs can lie far apart.
  const bool more = page->more;
  w.key("next_page_token").string_or_null(more ? make_page_token("j", page->next_before) : "");
  w.end_object();
  still += more ? "more" : "end";
  return with_etag(context.request, json_response(200, std::move(w).text()), weak_etag(still));
}

Result<Response> get_job(Context& context) {
  auto format = wanted_format(context.request);
  if (!format) return std::unexpected(format.error());
  auto waiting = read_waiting(context.request, context.parts.jobs.policies()->jobs.max_wait);
  if (!waiting) return std::unexpected(waiting.error());
  auto found = context.parts.jobs.find(context.caller, context.parameters[0]);
  if (!found) return std::unexpected(found.error());
  return now_or_at_the_end(context, std::move(*found), waiting->patience,
                           [waiting = *waiting, format = *format](
                               const FaceParts& parts, const Request& request, const Job& job) {
                             Response response = job_response(parts, job, 200, format);
                             add_preference(response, waiting);
                             if (format == Format::text) return response;
                             return with_etag(request, std::move(response), job_etag(job));
                           });
}

Result<Response> cancel_job(Context& context) {
  auto format = wanted_format(context.request);
  if (!format) return std::unexpected(format.error());
  auto waiting = read_waiting(context.request, context.parts.jobs.policies()->jobs.max_wait);
  if (!waiting) return std::unexpected(waiting.error());
  auto cancelled = context.parts.jobs.cancel(context.caller, context.parameters[0]);
  if (!cancelled) return std::unexpected(cancelled.error());
  return now_or_at_the_end(context, std::move(*cancelled), waiting->patience,
                           [waiting = *waiting, format = *format](const FaceParts& parts,
                                                                  const Request&, const Job& job) {
                             return accepted_response(parts, job, waiting, format);
                           });
}

}  // namespace noforce::api
