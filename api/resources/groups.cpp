#include <algorithm>

#include "api/negotiation.hpp"
#include "api/render.hpp"
#include "api/resources/resources.hpp"
#include "core/text.hpp"

namespace noforce::api {
namespace {

// Nothing when the caller may see none of its members.
std::optional<GroupView> view_of(const Context& context, const Picture& picture,
                                 const Group& group) {
  GroupView view{.name = group.name};
  const Principal& principal = context.caller.principal;
  for (const std::string& spelling : group.services) {
    const auto name = context.parts.jobs.resolve(context.caller, spelling);
    const Service* const service = name ? picture.find(*name) : nullptr;
    if (service != nullptr)
      view.services.push_back(service);
    else if (principal.services.empty())
      view.missing.push_back(spelling);
  }
  if (view.services.empty() && !principal.services.empty()) return std::nullopt;
  return view;
}

}  // namespace

Result<Response> list_groups(Context& context) {
  auto format = wanted_format(context.request);
  if (!format) return std::unexpected(format.error());
  const auto picture = context.parts.jobs.picture();
  const auto policies = context.parts.jobs.policies();
  JsonWriter w;
  std::string text;
  w.begin_object().key("items").begin_array();
  for (const Group& group : policies->groups) {
    const auto view = view_of(context, *picture, group);
    if (!view) continue;
    write_group(w, *view);
    text += group_line(*view);
  }
  w.end_array();
  w.key("next_page_token").null();
  w.end_object();
  if (*format == Format::text) return text_response(200, std::move(text));
  return json_response(200, std::move(w).text());
}

Result<Response> get_group(Context& context) {
  auto format = wanted_format(context.request);
  if (!format) return std::unexpected(format.error());
  const auto picture = context.parts.jobs.picture();
  const auto policies = context.parts.jobs.policies();
  const Group* const group = policies->group(context.parameters[0]);
  const auto view = group != nullptr ? view_of(context, *picture, *group) : std::nullopt;
  if (!view)
    return fail(ErrorKind::unknown_group, "There is no group " +
                                              clean_text(context.parameters[0], 60) +
                                              "; GET /v1/groups lists them.");
  if (*format == Format::text) return text_response(200, group_line(*view));
  JsonWriter w;
  write_group(w, *view);
  return json_response(200, std::move(w).text());
}

}  // namespace noforce::api
