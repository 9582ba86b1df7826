#include "api/face.hpp"

#include <array>
#include <mutex>
#include <shared_mutex>

#include "api/authentication.hpp"
#include "api/context.hpp"
#include "api/input.hpp"
#include "api/problem.hpp"
#include "api/resources/resources.hpp"
#include "core/log.hpp"
#include "core/text.hpp"

namespace noforce::api {
namespace {

constexpr auto none = Access::none;
constexpr auto viewer = Access::viewer;
constexpr auto operator_ = Access::operator_;
constexpr auto admin = Access::admin;

// clang-format off
constexpr std::array kRoutes{
    Route{"GET", "/healthz", "getHealth", none, Body::none, "", get_health},
    Route{"GET", "/readyz", "getReadiness", none, Body::none, "", get_readiness},
    Route{"GET", "/openapi.yaml", "getContractYaml", none, Body::none, "", get_contract_yaml},
    Route{"GET", "/openapi.json", "getContractJson", none, Body::none, "", get_contract_json},
    Route{"GET", "/v1/agent", "getAgent", viewer, Body::none, "", get_agent},
    Route{"GET", "/v1/services", "listServices", viewer, Body::none,
          "state q group limit page_token", list_services},
    Route{"GET", "/v1/services/{name}", "getService", viewer, Body::none, "", get_service},
    Route{"POST", "/v1/services/{name}/{action}", "controlService", operator_, Body::optional_json,
          kControlQuery, control_service},
    Route{"GET", "/v1/groups", "listGroups", viewer, Body::none, "", list_groups},
    Route{"GET", "/v1/groups/{name}", "getGroup", viewer, Body::none, "", get_group},
    Route{"POST", "/v1/groups/{name}/{action}", "controlGroup", operator_, Body::optional_json,
          kControlQuery, control_group},
    Route{"POST", "/v1/jobs", "createJob", operator_, Body::json, kJobQuery, create_job},
    Route{"GET", "/v1/jobs", "listJobs", viewer, Body::none,
          "state result action service since limit page_token", list_jobs},
    Route{"GET", "/v1/jobs/{id}", "getJob", viewer, Body::none, "wait", get_job},
    Route{"POST", "/v1/jobs/{id}/cancel", "cancelJob", operator_, Body::none, "wait strict",
          cancel_job},
    Route{"GET", "/v1/events", "streamEvents", viewer, Body::none, "job service last_event_id",
          stream_events},
    Route{"GET", "/v1/audit", "listAudit", admin, Body::none,
          "principal event since limit page_token", list_audit},
    Route{"GET", "/v1/hold", "getHold", viewer, Body::none, "", get_hold},
    Route{"PUT", "/v1/hold", "setHold", admin, Body::optional_json, "on reason", set_hold},
    Route{"POST", "/v1/hold", "putOnHold", admin, Body::optional_json, "on reason", set_hold},
};
// clang-format on

Response not_routed(const Request& request, const Router::Match& match) {
  if (!match.path_known)
    return to_response(
        to_problem(Error{.kind = ErrorKind::not_found,
                         .detail = "There is nothing at " + clean_text(request.path, 120) +
                                   "; GET /openapi.yaml says what there is."}));
  if (request.method == "OPTIONS") {
    Response response;
    response.status = 204;
    response.headers.add("Allow", match.allow);
    return response;
  }
  Response response = to_response(to_problem(Error{
      .kind = ErrorKind::method_not_allowed,
      .detail = clean_text(request.method, 20) + " does not work here; " + match.allow + " do."}));
  response.headers.add("Allow", match.allow);
  return response;
}

// A dry run changes nothing: whoever may look may ask for it.
Result<Access> needed_access(const Request& request, const Route& route) {
  if (route.access != Access::operator_ || query_value(request, "dry_run") == nullptr)
    return route.access;
  auto dry = query_flag(request, "dry_run");
  if (!dry) return std::unexpected(dry.error());
  return *dry ? Access::viewer : route.access;
}

// The trail and the hold know no services: nothing of them can be left to a part of the machine.
bool is_narrowed(const Principal& principal) {
  return !principal.services.empty() || !principal.actions.empty();
}

Result<void> check_body(const Request& request, const Route& route) {
  if (route.body == Body::none && !request.body.empty())
    return fail(ErrorKind::malformed, "This takes no body; leave it out.");
  if (route.body == Body::json && request.body.empty())
    return fail(ErrorKind::malformed,
                "This needs a body, as in -H 'Content-Type: application/json' -d "
                "'{\"action\":\"restart\",\"services\":[\"w3svc\"]}'.");
  return {};
}

}  // namespace

class Face::Impl {
 public:
  explicit Impl(FaceParts parts)
      : parts_(std::move(parts)),
        router_(kRoutes),
        denials_(parts_.journal, parts_.clock),
        hosts_(std::make_shared<const std::vector<std::string>>(parts_.hosts)) {}

  Response handle(const Request& request) {
    try {
      denials_.flush_due();
      return answer(request);
    } catch (const std::exception& error) {
      log_error("api", request.method + " " + clean_text(request.path, 120) +
                           " failed inside: " + error.what());
    } catch (...) {
      log_error("api", request.method + " " + clean_text(request.path, 120) + " failed inside");
    }
    return to_response(
        to_problem(Error{.kind = ErrorKind::internal,
                         .detail = "Something failed inside the agent; its log says more."}));
  }

  void set_hosts(std::vector<std::string> hosts) {
    auto next = std::make_shared<const std::vector<std::string>>(std::move(hosts));
    const std::unique_lock lock(hosts_mutex_);
    hosts_ = std::move(next);
  }

 private:
  std::shared_ptr<const std::vector<std::string>> hosts() const {
    const std::shared_lock lock(hosts_mutex_);
    return hosts_;
  }

  Response answer(const Request& request) {
    if (!is_host_ours(request, *hosts()))
      return to_response(face_problem(
          421,
          "This agent does not go by the name in the Host field; use one of those that its "
          "certificate names."));
    Router::Match match = router_.find(request.method, request.segments);
    if (match.route == nullptr) return not_routed(request, match);
    Context context{.request = request,
                    .parts = parts_,
                    .route = *match.route,
                    .caller = {.principal = {}, .address = address_of(request)},
                    .parameters = std::move(match.parameters)};
    bool by_certificate = false;
    if (match.route->access != Access::none) {
      const Credential credential(request);
      auto principal = credential.owner(parts_.credentials, parts_.clients);
      if (!principal) return denied(context, principal.error());
      context.caller.principal = std::move(*principal);
      by_certificate = credential.kind() == Credential::Kind::certificate;
    }
    auto response = perform(context, by_certificate);
    if (response) return std::move(*response);
    const Error& error = response.error();
    if (error.kind == ErrorKind::forbidden && !error.audited)
      denials_.record(context.caller.principal.name, context.caller.address, error.kind,
                      std::string(context.route.id) + ": " +
                          (error.undisclosed.empty() ? error.detail : error.undisclosed),
                      false);
    Response problem = to_response(to_problem(error));
    if (problem.status == 401) problem.headers.add("WWW-Authenticate", "Bearer realm=\"noforce\"");
    return problem;
  }

  Result<Response> perform(Context& context, bool by_certificate) {
    const Route& route = context.route;
    if (by_certificate) {
      if (auto checked = check_no_foreign_page(context.request); !checked)
        return std::unexpected(checked.error());
    }
    const auto needed = needed_access(context.request, route);
    if (!needed) return std::unexpected(needed.error());
    if (const auto role = role_of(*needed); role && !context.caller.principal.has(*role))
      return std::unexpected(forbidden(context, *role));
    if (*needed == Access::admin && is_narrowed(context.caller.principal))
      return fail(ErrorKind::forbidden,
                  context.caller.principal.name +
                      " is narrowed to some services or actions; this is about the whole machine. "
                      "Use an admin's credential that is not narrowed.");
    if (auto checked = check_query(context.request, route.query); !checked)
      return std::unexpected(checked.error());
    if (auto checked = check_body(context.request, route); !checked)
      return std::unexpected(checked.error());
    return route.operation(context);
  }

  static std::string address_of(const Request& request) {
    return request.is_local ? std::string("local") : request.peer;
  }

  // 401, or 429 for who has failed too often of late; a good credential is never refused for it.
  Response denied(const Context& context, const Error& error) {
    if (error.kind != ErrorKind::unauthorized) return to_response(to_problem(error));
    const std::string& address = context.caller.address;
    const bool flooding = denials_.is_flooding(address);
    denials_.record("anonymous", address, error.kind,
                    std::string(context.route.id) + ": " + error.detail.substr(0, 200), true);
    if (flooding)
      return to_response(
          to_problem(Error{.kind = ErrorKind::rate_limited,
                           .detail = "Too many requests without a valid credential came from " +
                                     address + "; wait a little, and see to the credential.",
                           .retry_after_s = 10}));
    Response response = to_response(to_problem(error));
    const bool sent_one = context.request.headers.find("Authorization") != nullptr;
    response.headers.add("WWW-Authenticate",
                         sent_one ? "Bearer realm=\"noforce\", error=\"invalid_token\""
                                  : "Bearer realm=\"noforce\"");
    return response;
  }

  Error forbidden(const Context& context, Role needed) {
    const Principal& principal = context.caller.principal;
    Error error{.kind = ErrorKind::forbidden,
                .detail = principal.name + " has the role " +
                          std::string(to_string(principal.role)) + "; this needs " +
                          std::string(to_string(needed)) + ". Ask an admin for such a credential."};
    return error;
  }

  const FaceParts parts_;
  const Router router_;
  Denials denials_;
  mutable std::shared_mutex hosts_mutex_;
  std::shared_ptr<const std::vector<std::string>> hosts_;  // guarded by hosts_mutex_
};

Face::Face(FaceParts parts) : impl_(std::make_unique<Impl>(std::move(parts))) {}
Face::~Face() = default;

Response Face::handle(const Request& request) {
  return impl_->handle(request);
}

void Face::set_hosts(std::vector<std::string> hosts) {
  impl_->set_hosts(std::move(hosts));
}

std::span<const Route> Face::routes() {
  return kRoutes;
}

}  // namespace noforce::api
