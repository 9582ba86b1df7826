#include <algorithm>
#include <array>

#include "api/render.hpp"

namespace noforce::api {
namespace {

constexpr std::string_view kMoving = "\"since_progress_ms\":";

std::optional<Milliseconds> since_progress(const Service& service, MonoTime now) {
  if (!is_pending(service.state)) return std::nullopt;
  return std::max(Milliseconds{0},
                  std::chrono::duration_cast<Milliseconds>(now - service.last_progress));
}

}  // namespace

void write_service(JsonWriter& w, const ServiceView& view, MonoTime now) {
  const Service& service = view.service;
  w.begin_object();
  w.key("name").string(service.name);
  w.key("display_name").string(service.display_name.empty() ? service.name : service.display_name);
  w.key("state").string(to_string(service.state));
  if (service.instance && service.instance->pid > 0)
    w.key("pid").integer(service.instance->pid);
  else
    w.key("pid").null();
  w.key("start_type").string(to_string(service.start_type));
  w.key("accepts").begin_array();
  if (service.accepts.stop) w.string("stop");
  if (service.accepts.pause_continue) w.string("pause_continue");
  if (service.accepts.reload) w.string("reload");
  w.end_array();
  w.key("checkpoint").integer(static_cast<std::int64_t>(service.checkpoint));
  w.key("wait_hint_ms").integer(service.wait_hint.count());
  w.key("since_progress_ms").milliseconds(since_progress(service, now));
  w.key("status_text").string_or_null(service.status_text);
  w.key("exit");
  if (service.exit) {
    w.begin_object();
    w.key("code").integer(service.exit->code);
    w.key("service_code").integer(service.exit->service_code);
    w.end_object();
  } else {
    w.null();
  }
  if (service.since == WallTime{})
    w.key("since").null();
  else
    w.key("since").time(service.since);
  w.key("depends_on").strings(view.depends_on);
  w.key("dependents").strings(view.dependents);
  w.key("groups").strings(view.groups);
  w.key("protected").boolean(view.is_protected);
  w.key("job").string_or_null(view.job.value_or(""));
  w.key("warnings").strings(service.warnings);
  w.end_object();
}

std::string_view moving_part(std::string_view service_json) {
  // Names and texts are escaped, so no string can hold these quotes.
  const auto at = service_json.find(kMoving);
  if (at == std::string_view::npos) return {};
  const auto begin = at + kMoving.size();
  return service_json.substr(begin, service_json.find(',', begin) - begin);
}

std::string service_line(const ServiceView& view, MonoTime now) {
  const Service& service = view.service;
  std::string line;
  line.append(to_string(service.state)).append(" ").append(service.name).append(" pid=");
  line += service.instance && service.instance->pid > 0 ? std::to_string(service.instance->pid)
                                                        : std::string("-");
  line.append(" since=");
  line += service.since == WallTime{} ? std::string("-") : to_rfc3339(service.since);
  line.append(" job=").append(view.job.value_or("-"));
  if (const auto since = since_progress(service, now))
    line.append(" last_progress=").append(seconds_text(*since));
  if (!service.status_text.empty()) line.append(" status=").append(service.status_text);
  return line + '\n';
}

void write_group(JsonWriter& w, const GroupView& view) {
  constexpr std::array kStates{
      ServiceState::stopped, ServiceState::start_pending,    ServiceState::stop_pending,
      ServiceState::running, ServiceState::continue_pending, ServiceState::pause_pending,
      ServiceState::paused};
  w.begin_object();
  w.key("name").string(view.name);
  w.key("services").begin_array();
  for (const Service* service : view.services)
    w.string(service->name);
  w.end_array();
  w.key("missing").strings(view.missing);
  w.key("states").begin_object();
  for (const ServiceState state : kStates) {
    w.key(to_string(state))
        .integer(std::count_if(view.services.begin(), view.services.end(),
                               [state](const Service* s) { return s->state == state; }));
  }
  w.end_object();
  w.end_object();
}

std::string group_line(const GroupView& view) {
  const auto running =
      std::count_if(view.services.begin(), view.services.end(),
                    [](const Service* s) { return s->state == ServiceState::running; });
  std::string line = view.name + " running=" + std::to_string(running) + "/" +
                     std::to_string(view.services.size() + view.missing.size()) + " services=";
  bool first = true;
  for (const Service* service : view.services) {
    line.append(first ? "" : ",").append(service->name);
    first = false;
  }
  if (first) line += '-';
  return line + '\n';
}

}  // namespace noforce::api
