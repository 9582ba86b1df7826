#include <algorithm>
#include <chrono>

#include "api/authentication.hpp"
#include "api/event_text.hpp"
#include "api/input.hpp"
#include "api/negotiation.hpp"
#include "api/render.hpp"
#include "api/resources/resources.hpp"
#include "core/graph.hpp"
#include "core/job_view.hpp"
#include "core/ulid.hpp"

namespace noforce::api {
namespace {

constexpr Seconds kHeartbeat{15};
// How often a stream looks whether its credential still counts and whether a heartbeat is due; all
// of them at the same moment, so that many streams wake the agent no more often than one.
constexpr Seconds kLook{5};
constexpr Milliseconds kReconnect{2'000};

struct EventFilter {
  std::optional<std::string> job;
  std::optional<std::string> service;  // canonical

  bool passes(const Job& candidate) const {
    if (job) return candidate.id == *job;
    if (!service) return true;
    const auto names = [this](const std::vector<std::string>& list) {
      return std::find(list.begin(), list.end(), *service) != list.end();
    };
    return names(candidate.services) || names(candidate.touches);
  }
  bool passes(const Service& candidate) const {
    if (service) return candidate.name == *service;
    return !job;
  }
};

class EventStream final : public BodyStream {
 public:
  EventStream(const Context& context, EventFilter filter, std::uint64_t after)
      : parts_(context.parts),
        caller_(context.caller),
        credential_(context.request),
        filter_(std::move(filter)),
        after_(after),
        last_written_(parts_.clock.mono()) {}

  // What the client gets first: how to come back, and from where.
  void greet(std::string_view first) {
    pending_ = "retry: " + std::to_string(kReconnect.count()) + "\n";
    pending_ += position_text(parts_.events.id(after_));
    pending_ += first;
  }

  bool next(std::string& out) override {
    if (!pending_.empty()) {
      out += pending_;
      pending_.clear();
      return true;
    }
    const EventFeed::Batch batch = parts_.events.next(after_, Milliseconds{0});
    // In this order: nothing that came since the revocation is told.
    if (!is_still_allowed()) {
      out += comment_text("the credential is no longer valid");
      return false;
    }
    if (batch.gap) {
      const std::uint64_t resume =
          batch.events.empty() ? batch.last : batch.events.front().sequence - 1;
      out += gap_text(parts_.events.id(resume));
    }
    for (const Event& event : batch.events)
      append(out, event);
    after_ = batch.last;
    const MonoTime now = parts_.clock.mono();
    if (out.empty() && now - last_written_ >= kHeartbeat)
      out += position_text(parts_.events.id(after_)) + comment_text("still here");
    if (!out.empty()) last_written_ = now;
    return !batch.closed;
  }

  MonoTime due() const override {
    const auto now = parts_.clock.mono().time_since_epoch();
    return MonoTime((now / kLook + 1) * kLook);
  }

 private:
  // Expiry and revocation end a stream, not only the next request; and what the credential may see
  // by now is what counts.
  bool is_still_allowed() {
    auto owner = credential_.owner(parts_.credentials, parts_.clients);
    if (!owner) return false;
    caller_.principal = std::move(*owner);
    return true;
  }

  void append(std::string& out, const Event& event) {
    if (event.job) {
      if (!filter_.passes(*event.job) || !may_see_job(caller_.principal, *event.job)) return;
      out += event_text("job", parts_.events.id(event.sequence),
                        job_json(*told_to(caller_.principal, event.job), parts_.clock.mono()));
    } else if (event.service) {
      if (!filter_.passes(*event.service) || !caller_.principal.may_see(event.service->name))
        return;
      JsonWriter w(640);
      write_service(w, view_of(*event.service), parts_.clock.mono());
      out += event_text("service", parts_.events.id(event.sequence), w.text());
    }
  }

  // The service as it was, with what surrounds it now.
  ServiceView view_of(const Service& service) const {
    const auto policies = parts_.jobs.policies();
    const auto visible = [this](std::vector<std::string> names) {
      std::erase_if(names, [this](const auto& n) { return !caller_.principal.may_see(n); });
      return names;
    };
    return {.service = service,
            .depends_on = visible(service.depends_on),
            .dependents = visible(parts_.jobs.picture()->graph->dependents(service.name)),
            .groups = policies->groups_of(service.name),
            .is_protected = policies->of(service.name).is_protected,
            .job = visible_job(parts_.jobs, caller_, service.name)};
  }

  const FaceParts& parts_;  // the face outlives its streams
  Caller caller_;
  const Credential credential_;
  const EventFilter filter_;
  std::uint64_t after_;
  MonoTime last_written_;
  std::string pending_;
};

Result<EventFilter> read_filter(const Context& context) {
  EventFilter filter;
  if (const auto* id = query_value(context.request, "job")) {
    auto job = context.parts.jobs.find(context.caller, *id);
    if (!job) return std::unexpected(job.error());
    filter.job = (*job)->id;
  }
  if (const auto* spelling = query_value(context.request, "service")) {
    auto name = context.parts.jobs.resolve(context.caller, *spelling);
    if (!name) return std::unexpected(name.error());
    filter.service = std::move(*name);
  }
  return filter;
}

}  // namespace

Result<Response> stream_events(Context& context) {
  if (!accepts(context.request, "text/event-stream"))
    return fail(ErrorKind::not_acceptable, "Events are given as text/event-stream only.");
  auto filter = read_filter(context);
  if (!filter) return std::unexpected(filter.error());

  const EventFeed& feed = context.parts.events;
  const std::string* resume = context.request.headers.find("Last-Event-ID");
  if (resume == nullptr) resume = query_value(context.request, "last_event_id");
  std::uint64_t after = feed.last();
  std::string first;
  if (resume != nullptr && !resume->empty()) {
    if (const auto sequence = feed.sequence(*resume); sequence && *sequence <= after)
      after = *sequence;
    else
      first = gap_text(feed.id(after));
  } else if (filter->job) {
    // Whoever follows one job gets to know where it is, also when it has ended meanwhile.
    if (auto job = context.parts.jobs.find(context.caller, *filter->job))
      first = event_text("job", feed.id(after), job_json(**job, context.parts.clock.mono()));
  }
  Response response;
  response.content_type = "text/event-stream";
  response.headers.add("Cache-Control", "no-store");
  response.headers.add("X-Content-Type-Options", "nosniff");
  if (context.request.method == "HEAD") return response;
  auto stream = std::make_unique<EventStream>(context, std::move(*filter), after);
  stream->greet(first);
  response.stream = std::move(stream);
  return response;
}

}  // namespace noforce::api
