#include "api/problem.hpp"

#include <algorithm>

#include "api/json_writer.hpp"

namespace noforce::api {
namespace {

struct Meaning {
  ErrorKind kind;
  int status;
  std::string_view title;
};

constexpr Meaning kMeanings[] = {
    {ErrorKind::malformed, 422, "The request cannot be understood"},
    {ErrorKind::unauthorized, 401, "A valid credential is needed"},
    {ErrorKind::forbidden, 403, "This credential may not do that"},
    {ErrorKind::not_found, 404, "There is nothing here"},
    {ErrorKind::unknown_service, 404, "Unknown service"},
    {ErrorKind::unknown_group, 404, "Unknown group"},
    {ErrorKind::unknown_job, 404, "Unknown job"},
    {ErrorKind::method_not_allowed, 405, "This method is not for this resource"},
    {ErrorKind::not_acceptable, 406, "No such representation"},
    {ErrorKind::too_large, 413, "The request is too large"},
    {ErrorKind::unsupported_media_type, 415, "The body is not JSON"},
    {ErrorKind::idempotency_mismatch, 422, "The Idempotency-Key belongs to another request"},
    {ErrorKind::rate_limited, 429, "Too many requests"},
    {ErrorKind::dependents_running, 409, "Running services depend on it"},
    {ErrorKind::dependency_cycle, 409, "The services depend on each other in a circle"},
    {ErrorKind::dependency_missing, 409, "A service that is depended on does not exist"},
    {ErrorKind::agent_itself, 409, "The agent does not stop itself"},
    {ErrorKind::service_disabled, 409, "The service is disabled"},
    {ErrorKind::control_not_accepted, 409, "The service does not accept this control now"},
    {ErrorKind::held, 409, "A hold is on"},
    {ErrorKind::already_done, 409, "The job has ended"},
    {ErrorKind::plan_mismatch, 412, "The plan is another one by now"},
    {ErrorKind::reason_required, 422, "A reason is needed"},
    {ErrorKind::queue_full, 429, "Too many jobs are waiting"},
    {ErrorKind::cooldown, 429, "The service is cooling down"},
    {ErrorKind::journal_unavailable, 503, "The journal cannot be written"},
    {ErrorKind::scm_unavailable, 503, "The service control manager cannot be reached"},
    {ErrorKind::shutting_down, 503, "The agent is shutting down"},
    {ErrorKind::internal, 500, "An internal error"},
};

const Meaning* meaning_of(ErrorKind kind) {
  const auto* found = std::find_if(std::begin(kMeanings), std::end(kMeanings),
                                   [kind](const Meaning& m) { return m.kind == kind; });
  return found == std::end(kMeanings) ? nullptr : found;
}

struct FaceMeaning {
  int status;
  std::string_view code;
  std::string_view title;
};

constexpr FaceMeaning kFaceMeanings[] = {
    {400, "bad_request", "This is not proper HTTP"},
    {414, "uri_too_long", "The URL is too long"},
    {417, "expectation_failed", "Expectations are not met here"},
    {421, "misdirected", "This is not the host that was meant"},
    {431, "header_too_large", "The request's header is too large"},
    {501, "not_implemented", "Not implemented"},
    {503, "overloaded", "The agent has no room for more"},
    {505, "http_version", "Unknown HTTP version"},
};

// When to ask again, where the error itself does not say.
std::optional<int> default_retry_after(int status) {
  if (status == 429) return 2;
  if (status == 503) return 5;
  return std::nullopt;
}

}  // namespace

// Kinds that live in jobs only are no answers to requests; one that gets here is our mistake.
int status_of(ErrorKind kind) {
  const Meaning* meaning = meaning_of(kind);
  return meaning != nullptr ? meaning->status : 500;
}

std::string_view title_of(ErrorKind kind) {
  const Meaning* meaning = meaning_of(kind);
  return meaning != nullptr ? meaning->title : "The service control manager's answer";
}

Problem to_problem(const Error& error) {
  Problem problem{.status = status_of(error.kind),
                  .code = std::string(to_string(error.kind)),
                  .title = std::string(title_of(error.kind)),
                  .detail = error.detail,
                  .service = error.service,
                  .native_code = error.native_code,
                  .native_name = error.native_name,
                  .dependents = error.dependents,
                  .retry_after_s = error.retry_after_s};
  // Core's sentences may begin with a name; what begins with a word begins with a capital here.
  if (!problem.detail.empty() && error.service.empty() && problem.detail[0] >= 'a' &&
      problem.detail[0] <= 'z')
    problem.detail[0] = static_cast<char>(problem.detail[0] - 'a' + 'A');
  if (!problem.retry_after_s) problem.retry_after_s = default_retry_after(problem.status);
  return problem;
}

Problem face_problem(int status, std::string detail) {
  for (const FaceMeaning& meaning : kFaceMeanings) {
    if (meaning.status == status)
      return {.status = status,
              .code = std::string(meaning.code),
              .title = std::string(meaning.title),
              .detail = std::move(detail)};
  }
  return to_problem(Error{.kind = ErrorKind::internal, .detail = std::move(detail)});
}

Response to_response(const Problem& problem) {
  JsonWriter w;
  w.begin_object();
  w.key("type").string("/problems/" + problem.code);
  w.key("title").string(problem.title);
  w.key("status").integer(problem.status);
  w.key("code").string(problem.code);
  w.key("detail").string(problem.detail);
  w.key("service").string_or_null(problem.service);
  w.key("native_code").integer(problem.native_code);
  w.key("native_name").string_or_null(problem.native_name);
  w.key("dependents").strings(problem.dependents);
  w.end_object();

  Response response;
  response.status = problem.status;
  response.content_type = "application/problem+json";
  response.body = std::move(w).text();
  response.body += '\n';
  response.headers.add("Cache-Control", "no-store");
  response.headers.add("X-Content-Type-Options", "nosniff");
  if (problem.retry_after_s)
    response.headers.add("Retry-After", std::to_string(*problem.retry_after_s));
  return response;
}

}  // namespace noforce::api
