#include "core/appraisal.hpp"

#include <algorithm>
#include <chrono>
#include <iterator>
#include <utility>

#include "core/graph.hpp"
#include "core/text.hpp"

namespace noforce {
namespace {

std::set<std::string> services_in(const Plan& plan) {
  std::set<std::string> all(plan.services.begin(), plan.services.end());
  for (const auto& step : plan.steps)
    all.insert(step.service);
  return all;
}

std::string in_words(Action action) {
  switch (action) {
    case Action::stop:
      return "Stopping ";
    case Action::start:
      return "Starting ";
    case Action::restart:
      return "Restarting ";
    case Action::reload:
      return "Reloading ";
    case Action::pause:
      return "Pausing ";
    case Action::resume:
      return "Continuing ";
  }
  return "Changing ";
}

Error dependents_error(const Plan& plan) {
  Error error{.kind = ErrorKind::dependents_running,
              .detail = in_words(plan.action) + list_names(plan.services) + " takes down " +
                        list_names(plan.dependents) + " as well, which " +
                        (plan.dependents.size() == 1 ? "depends" : "depend") +
                        " on it. If that is wanted, send it again with "
                        "dependents=include; dry_run=1 shows the whole plan.",
              .service = plan.services.empty() ? std::string() : plan.services.front()};
  error.dependents = plan.dependents;
  return error;
}

// `service` as the caller spelled it: the answer is the same whether there is one or not.
Error forbidden_service(const Principal& principal, const std::string& service) {
  return Error{.kind = ErrorKind::forbidden,
               .detail = "The credential " + principal.name + " is not good for the service " +
                         service + ", which this job would touch. Ask an admin for one that is.",
               .service = service};
}

Error forbidden_beyond(const Principal& principal, const std::vector<std::string>& hidden) {
  return Error{.kind = ErrorKind::forbidden,
               .detail = "This job would touch services that the credential " + principal.name +
                         " is not good for (their names are in the audit trail). Ask an admin for "
                         "one that is, or to run the job.",
               .undisclosed = "it would touch " + list_names(hidden)};
}

// Of these, what the credential is not good for.
std::vector<std::string> hidden_of(const Principal& principal, const std::set<std::string>& names) {
  std::vector<std::string> hidden;
  std::copy_if(names.begin(), names.end(), std::back_inserter(hidden),
               [&principal](const std::string& name) { return !principal.may_see(name); });
  return hidden;
}

// Everything that a plan for these may speak of, existing or not.
std::set<std::string> surroundings(const Graph& graph, const std::vector<std::string>& names) {
  std::set<std::string> all(names.begin(), names.end());
  for (const auto& name : graph.all_dependents(names))
    all.insert(name);
  const std::vector<std::string> known(all.begin(), all.end());
  for (const auto& name : graph.all_dependencies(known))
    all.insert(name);
  for (const auto& name : std::set(all)) {
    for (const auto& dependency : graph.dependencies(name))
      all.insert(dependency);
  }
  return all;
}

// Why there is no plan, as this caller may be told: a cycle or a missing service may lie outside its
// globs, and so may what is disabled.
Error no_plan(const Principal& principal, const Graph& graph, const std::vector<std::string>& named,
              Error error) {
  if (principal.services.empty()) return error;
  const bool speaks_of_one = error.kind == ErrorKind::service_disabled ||
                             error.kind == ErrorKind::control_not_accepted ||
                             error.kind == ErrorKind::unknown_service;
  if (speaks_of_one && principal.may_see(error.service)) return error;
  const auto hidden = hidden_of(principal, surroundings(graph, named));
  return hidden.empty() ? error : forbidden_beyond(principal, hidden);
}

}  // namespace

Result<void> check_caller(const Caller& caller, Action action) {
  if (!caller.principal.has(Role::operator_)) {
    return fail(ErrorKind::forbidden, "The credential " + caller.principal.name +
                                          " may look but "
                                          "not change anything (role viewer). Ask an admin for one "
                                          "with the role operator.");
  }
  if (!caller.principal.may_do(to_string(action))) {
    return fail(ErrorKind::forbidden, "The credential " + caller.principal.name +
                                          " is not good for the action " +
                                          std::string(to_string(action)) + ".");
  }
  return {};
}

// The picture as it will be when the restarts that have begun are over: what they took down comes
// back. A plan made in the middle of one would else miss what it will take down itself.
PicturePtr Appraiser::expected_picture() const {
  PicturePtr now = scm_.snapshot();
  std::shared_ptr<Picture> expected;
  for (const JobPtr& job : board_.begun()) {
    if (job->action != Action::restart) continue;
    for (const Found& found : job->found) {
      const Service* service = now->find(found.service);
      if (service == nullptr || !counts_as_up(found.state) || counts_as_up(service->state)) {
        continue;
      }
      if (!expected) expected = std::make_shared<Picture>(*now);
      auto& all = expected->services;
      const auto at = std::find_if(
          all.begin(), all.end(), [&found](const auto& one) { return one->name == found.service; });
      Service back = **at;
      back.state = destination(found.state);
      *at = std::make_shared<const Service>(std::move(back));
    }
  }
  if (expected) return expected;
  return now;
}

Result<Appraisal> Appraiser::appraise(const Caller& caller, const JobRequest& request,
                                      std::shared_ptr<const Policies> policies) const {
  Appraisal out;
  out.policies = std::move(policies);
  const PicturePtr picture = expected_picture();
  if (!picture->complete) {
    return fail(ErrorKind::scm_unavailable,
                "The service manager cannot be reached at the moment. Try again shortly.");
  }
  PlanRequest wanted{request.action, {}, request.group};
  std::vector<std::string> warnings;
  auto named = named_services(caller.principal, request, *out.policies, warnings);
  if (!named) return std::unexpected(named.error());
  wanted.services = std::move(*named);
  auto plan = make_plan(wanted, *picture, *out.policies);
  if (!plan) {
    return std::unexpected(
        no_plan(caller.principal, *picture->graph, wanted.services, plan.error()));
  }
  out.plan = std::move(*plan);
  out.plan.warnings.insert(out.plan.warnings.begin(), warnings.begin(), warnings.end());
  const auto touched = services_in(out.plan);
  if (const auto hidden = hidden_of(caller.principal, touched); !hidden.empty()) {
    return std::unexpected(forbidden_beyond(caller.principal, hidden));
  }
  for (const auto& service : touched) {
    for (auto& warning : scm_.plan_warnings(service)) {
      out.plan.warnings.push_back(std::move(warning));
    }
  }
  out.refusal = refusal(caller, request, out, touched);
  return out;
}

Result<std::vector<std::string>> Appraiser::named_services(
    const Principal& principal, const JobRequest& request, const Policies& policies,
    std::vector<std::string>& warnings) const {
  std::vector<std::string> named;
  if (!request.group) {
    for (const auto& spelling : request.services) {
      auto name = resolve(principal, spelling, ErrorKind::forbidden);
      if (!name) return std::unexpected(name.error());
      if (std::find(named.begin(), named.end(), *name) == named.end()) {
        named.push_back(std::move(*name));
      }
    }
    if (named.empty()) {
      return fail(ErrorKind::malformed, "No service is named. Give `services` or a `group`.");
    }
    return named;
  }
  const Group* group = policies.group(*request.group);
  if (group == nullptr || !sees_member(principal, *group)) {
    return fail(ErrorKind::unknown_group, "There is no group named " +
                                              clean_text(*request.group, 100) +
                                              " in the settings. GET /v1/groups lists them.");
  }
  for (const auto& spelling : group->services) {
    if (auto name = scm_.resolve(spelling)) {
      if (std::find(named.begin(), named.end(), *name) == named.end()) named.push_back(*name);
    } else if (principal.may_see(spelling)) {
      warnings.push_back(spelling + " belongs to the group and does not exist here.");
    }
  }
  if (named.empty()) {
    return fail(ErrorKind::unknown_service,
                "No service of the group " + group->name + " exists here.");
  }
  return named;
}

// Whether the group is there for this caller.
bool Appraiser::sees_member(const Principal& principal, const Group& group) const {
  if (principal.services.empty()) return true;
  return std::ranges::any_of(group.services, [&](const std::string& spelling) {
    return resolve(principal, spelling, ErrorKind::unknown_service).has_value();
  });
}

Result<std::string> Appraiser::resolve(const Principal& principal, std::string_view spelling,
                                       ErrorKind when_hidden) const {
  const std::string shown = clean_text(spelling, 100);
  auto name = scm_.resolve(spelling);
  const bool hidden = !principal.may_see(name ? *name : std::string(spelling));
  if (hidden && when_hidden == ErrorKind::forbidden) {
    return std::unexpected(forbidden_service(principal, shown));
  }
  if (hidden || !name) {
    return fail(ErrorKind::unknown_service,
                "There is no service named " + shown + " here. GET /v1/services lists them.",
                shown);
  }
  return *std::move(name);
}

std::optional<Error> Appraiser::refusal(const Caller& caller, const JobRequest& request,
                                        const Appraisal& it,
                                        const std::set<std::string>& touched) const {
  const Plan& plan = it.plan;
  for (const auto& service : touched) {
    if (std::string why = scm_.off_limits(service); !why.empty()) {
      return Error{.kind = ErrorKind::agent_itself, .detail = std::move(why), .service = service};
    }
  }
  for (const auto& service : plan.goes_down) {
    if (auto error = scm_.stop_refusal(service)) return error;
  }
  if (auto error = policy_refusal(caller, request, it, touched)) return error;
  if (request.options.plan_digest && *request.options.plan_digest != plan.digest) {
    return Error{.kind = ErrorKind::plan_mismatch,
                 .detail = "The plan is no longer the one of this plan_digest; it is " +
                           plan.digest + " now. Look at a new dry run."};
  }
  if (plan.needs_consent() && request.options.dependents == Dependents::refuse) {
    return dependents_error(plan);
  }
  return std::nullopt;
}

std::optional<Error> Appraiser::policy_refusal(const Caller& caller, const JobRequest& request,
                                               const Appraisal& it,
                                               const std::set<std::string>& touched) const {
  const Plan& plan = it.plan;
  for (const auto& service : plan.goes_down) {
    if (!it.policies->of(service).is_protected || !request.options.reason.empty()) continue;
    return Error{.kind = ErrorKind::reason_required,
                 .detail = service +
                           " is protected: a job that takes it down needs a reason. "
                           "Send it again with reason=\"...\".",
                 .service = service};
  }
  if (caller.principal.name == kAgentPrincipal) return std::nullopt;
  for (const auto& service : touched) {
    const Seconds cooldown = it.policies->of(service).cooldown;
    if (cooldown == Seconds{0}) continue;
    const auto last = journal_.last_end(service);
    if (!last) return last.error();
    // An end that lies in the future: the clock was set back, and nothing can be concluded.
    if (!*last || clock_.wall() < **last) continue;
    const auto left = **last + cooldown - clock_.wall();
    if (left <= Milliseconds{0}) continue;
    Error error{.kind = ErrorKind::cooldown,
                .detail = service + " was worked on a moment ago and has a cooldown of " +
                          std::to_string(cooldown.count()) + " s. Try again when it is over.",
                .service = service};
    error.retry_after_s = static_cast<int>(std::chrono::ceil<Seconds>(left).count());
    return error;
  }
  return std::nullopt;
}

}  // namespace noforce
