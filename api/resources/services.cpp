#include <algorithm>
#include <iterator>

#include "api/input.hpp"
#include "api/negotiation.hpp"
#include "api/render.hpp"
#include "api/resources/resources.hpp"
#include "core/graph.hpp"
#include "core/text.hpp"

namespace noforce::api {
namespace {

// Everything that the views of one answer are made from: one picture, one set of policies.
struct Estate {
  const Context& context;
  PicturePtr picture;
  std::shared_ptr<const Policies> policies;

  explicit Estate(const Context& from)
      : context(from), picture(from.parts.jobs.picture()), policies(from.parts.jobs.policies()) {}

  std::vector<std::string> visible(std::vector<std::string> names) const {
    const Principal& principal = context.caller.principal;
    if (!principal.services.empty())
      std::erase_if(names, [&](const std::string& name) { return !principal.may_see(name); });
    return names;
  }

  ServiceView view(const Service& service) const {
    return {.service = service,
            .depends_on = visible(service.depends_on),
            .dependents = visible(picture->graph->dependents(service.name)),
            .groups = policies->groups_of(service.name),
            .is_protected = policies->of(service.name).is_protected,
            .job = visible_job(context.parts.jobs, context.caller, service.name)};
  }
};

struct ServiceFilter {
  std::optional<ServiceState> state;
  std::string pattern;                            // empty: all
  std::optional<std::vector<std::string>> names;  // of a group; sorted

  bool passes(const Service& service) const {
    if (state && service.state != *state) return false;
    if (!pattern.empty() && !glob_match(pattern, service.name, true) &&
        !glob_match(pattern, service.display_name, true))
      return false;
    return !names || std::binary_search(names->begin(), names->end(), service.name);
  }
};

// Also where the caller may see none of its members.
std::unexpected<Error> unknown_group(const std::string& name) {
  return fail(ErrorKind::unknown_group,
              "There is no group " + clean_text(name, 60) + "; GET /v1/groups lists them.");
}

Result<ServiceFilter> read_filter(const Context& context, const Policies& policies) {
  ServiceFilter filter;
  if (const auto* text = query_value(context.request, "state")) {
    filter.state = service_state_from(*text);
    if (!filter.state)
      return fail(ErrorKind::malformed,
                  "state has to be one of stopped, start_pending, stop_pending, running, "
                  "continue_pending, pause_pending, paused.");
  }
  if (const auto* text = query_value(context.request, "q")) {
    if (text->size() > 256) return fail(ErrorKind::malformed, "q may have at most 256 bytes.");
    filter.pattern = *text;
  }
  if (const auto* text = query_value(context.request, "group")) {
    const Group* const group = policies.group(*text);
    if (group == nullptr) return unknown_group(*text);
    filter.names.emplace();
    for (const std::string& spelling : group->services) {
      if (auto name = context.parts.jobs.resolve(context.caller, spelling))
        filter.names->push_back(std::move(*name));
    }
    if (filter.names->empty() && !context.caller.principal.services.empty())
      return unknown_group(*text);
    std::sort(filter.names->begin(), filter.names->end());
  }
  return filter;
}

}  // namespace

std::optional<std::string> visible_job(const Jobs& jobs, const Caller& caller,
                                       const std::string& service) {
  auto id = jobs.job_of(service);
  if (!id || caller.principal.services.empty()) return id;
  const auto job = jobs.find(caller, *id);
  return job ? id : std::nullopt;
}

Result<Response> list_services(Context& context) {
  const Estate estate(context);
  auto filter = read_filter(context, *estate.policies);
  if (!filter) return std::unexpected(filter.error());
  auto limit = read_limit(context.request);
  if (!limit) return std::unexpected(limit.error());
  auto after = read_page_token(context.request, "s");
  if (!after) return std::unexpected(after.error());
  auto format = wanted_format(context.request);
  if (!format) return std::unexpected(format.error());

  const MonoTime now = context.parts.clock.mono();
  const auto& services = estate.picture->services;
  auto at = services.begin();
  if (*after)
    at = std::upper_bound(services.begin(), services.end(), **after,
                          [](const std::string& name, const auto& s) { return name < s->name; });
  JsonWriter w(256 + std::min(*limit, services.size()) * 512);
  std::string text;
  std::string still;  // what the ETag is over
  std::size_t count = 0;
  std::string last;
  bool more = false;
  w.begin_object().key("items").begin_array();
  for (; at != services.end(); ++at) {
    const Service& service = **at;
    if (!context.caller.principal.may_see(service.name) || !filter->passes(service)) continue;
    if (count == *limit) {
      more = true;
      break;
    }
    ++count;
    last = service.name;
    const ServiceView view = estate.view(service);
    if (*format == Format::text) {
      text += service_line(view, now);
      continue;
    }
    const std::size_t begin = w.size();
    write_service(w, view, now);
    const std::string_view written = std::string_view(w.text()).substr(begin);
    still += weak_etag(written, moving_part(written));
  }
  w.end_array();
  const std::string next = more ? make_page_token("s", last) : std::string();
  if (*format == Format::text) return text_page(std::move(text), next);
  w.key("next_page_token").string_or_null(next);
  w.end_object();
  still += more ? "more" : "end";
  return with_etag(context.request, json_response(200, std::move(w).text()), weak_etag(still));
}

Result<Response> get_service(Context& context) {
  auto name = context.parts.jobs.resolve(context.caller, context.parameters[0]);
  if (!name) return std::unexpected(name.error());
  auto format = wanted_format(context.request);
  if (!format) return std::unexpected(format.error());
  const Estate estate(context);
  const Service* const service = estate.picture->find(*name);
  if (service == nullptr)
    return fail(ErrorKind::unknown_service, "There is no service " + *name + " any more.", *name);
  const MonoTime now = context.parts.clock.mono();
  const ServiceView view = estate.view(*service);
  if (*format == Format::text) return text_response(200, service_line(view, now));
  JsonWriter w(640);
  write_service(w, view, now);
  std::string etag = weak_etag(w.text(), moving_part(w.text()));
  return with_etag(context.request, json_response(200, std::move(w).text()), std::move(etag));
}

}  // namespace noforce::api
