#include "core/job_json.hpp"

#include <concepts>
#include <exception>
#include <limits>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/names.hpp"
#include "core/text.hpp"

namespace noforce {
namespace {

using Json = nlohmann::json;

// A field that does not fit; ends in job_from_json.
class BadField : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

template <typename T>
constexpr bool is_optional = false;
template <typename T>
constexpr bool is_optional<std::optional<T>> = true;
template <typename T>
constexpr bool is_vector = false;
template <typename T>
constexpr bool is_vector<std::vector<T>> = true;
template <typename T>
constexpr bool is_duration = false;
template <typename R, typename P>
constexpr bool is_duration<std::chrono::duration<R, P>> = true;

// The fields of each record, in one place for both directions. `v` is called with a name and a
// reference for each.
template <typename V, typename T>
  requires std::same_as<std::remove_const_t<T>, Instance>
void fields(V& v, T& instance) {
  v("pid", instance.pid);
  v("key", instance.key);
}

template <typename V, typename T>
  requires std::same_as<std::remove_const_t<T>, Error>
void fields(V& v, T& error) {
  v("kind", error.kind);
  v("detail", error.detail);
  v("service", error.service);
  v("native_code", error.native_code);
  v("native_name", error.native_name);
  v("dependents", error.dependents);
  v("effect", error.effect);
  v("retry_after_s", error.retry_after_s);
}

template <typename V, typename T>
  requires std::same_as<std::remove_const_t<T>, Step>
void fields(V& v, T& step) {
  v("service", step.service);
  v("operation", step.operation);
  v("hook", step.hook);
  v("before", step.before);
  v("restoring", step.restoring);
  v("state", step.state);
  v("result", step.result);
  v("started_at", step.started_at);
  v("begun_ms", step.begun);
  v("finished_at", step.finished_at);
  v("duration_ms", step.duration);
  v("pid_before", step.pid_before);
  v("pid_after", step.pid_after);
  v("checkpoint", step.checkpoint);
  v("wait_hint_ms", step.wait_hint);
  v("since_progress_ms", step.since_progress);
  v("status_text", step.status_text);
  v("attempts", step.attempts);
  v("target", step.target);
  v("error", step.error);
}

template <typename V, typename T>
  requires std::same_as<std::remove_const_t<T>, Found>
void fields(V& v, T& found) {
  v("service", found.service);
  v("state", found.state);
  v("instance", found.instance);
}

template <typename V, typename T>
  requires std::same_as<std::remove_const_t<T>, JobOptions>
void fields(V& v, T& options) {
  v("dependents", options.dependents);
  v("on_failure", options.on_failure);
  v("deadline_s", options.deadline);
  v("no_progress_s", options.no_progress);
  v("queue_s", options.queue);
  v("reason", options.reason);
  v("plan_digest", options.plan_digest);
}

template <typename V, typename T>
  requires std::same_as<std::remove_const_t<T>, Job>
void fields(V& v, T& job) {
  v("id", job.id);
  v("action", job.action);
  v("services", job.services);
  v("group", job.group);
  v("options", job.options);
  v("requested_by", job.requested_by);
  v("parent", job.parent);
  v("plan_digest", job.plan_digest);
  v("consented", job.consented);
  v("scope", job.scope);
  v("touches", job.touches);
  v("state", job.state);
  v("result", job.result);
  v("restored", job.restored);
  v("down", job.down);
  v("created_at", job.created_at);
  v("started_at", job.started_at);
  v("finished_at", job.finished_at);
  v("duration_ms", job.duration);
  v("steps", job.steps);
  v("found", job.found);
  v("warnings", job.warnings);
  v("error", job.error);
  v("cancelled_by", job.cancelled_by);
  v("accepted_ms", job.accepted);
  v("accepted_boot", job.accepted_boot);
  v("begun_ms", job.begun);
  v("deadline_ms", job.deadline);
  v("boot", job.boot);
  v("revision", job.revision);
}

constexpr auto effect_names = names_of<Effect>(Effect::unknown, {
                                                                    {Effect::none, "none"},
                                                                    {Effect::done, "done"},
                                                                    {Effect::unknown, "unknown"},
                                                                });

std::string_view name_of(Effect effect) {
  return effect_names.text(effect);
}
template <typename E>
std::string_view name_of(E value) {
  return to_string(value);
}

template <typename E>
std::optional<E> enum_from(std::string_view text);
template <>
std::optional<Effect> enum_from(std::string_view text) {
  return effect_names.value(text);
}
template <>
std::optional<ErrorKind> enum_from(std::string_view text) {
  return error_kind_from(text);
}
template <>
std::optional<Operation> enum_from(std::string_view text) {
  return operation_from(text);
}
template <>
std::optional<StepState> enum_from(std::string_view text) {
  return step_state_from(text);
}
template <>
std::optional<StepResult> enum_from(std::string_view text) {
  return step_result_from(text);
}
template <>
std::optional<ServiceState> enum_from(std::string_view text) {
  return service_state_from(text);
}
template <>
std::optional<Dependents> enum_from(std::string_view text) {
  return dependents_from(text);
}
template <>
std::optional<OnFailure> enum_from(std::string_view text) {
  return on_failure_from(text);
}
template <>
std::optional<Action> enum_from(std::string_view text) {
  return action_from(text);
}
template <>
std::optional<JobState> enum_from(std::string_view text) {
  return job_state_from(text);
}
template <>
std::optional<JobResult> enum_from(std::string_view text) {
  return job_result_from(text);
}
template <>
std::optional<Restored> enum_from(std::string_view text) {
  return restored_from(text);
}

// Writing --------------------------------------------------------------------------------------

template <typename T>
Json to_json_value(const T& value);

// What is empty is left out: reading it gives the same.
class Write {
 public:
  explicit Write(Json& out) : out_(out) {}

  template <typename T>
  void operator()(const char* name, const T& value) {
    if constexpr (is_optional<T>) {
      if (value) out_[name] = to_json_value(*value);
    } else if constexpr (is_vector<T> || std::same_as<T, std::string>) {
      if (!value.empty()) out_[name] = to_json_value(value);
    } else {
      out_[name] = to_json_value(value);
    }
  }

 private:
  Json& out_;
};

template <typename T>
Json to_json_value(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return name_of(value);
  } else if constexpr (is_vector<T>) {
    Json array = Json::array();
    for (const auto& element : value)
      array.push_back(to_json_value(element));
    return array;
  } else if constexpr (is_duration<T>) {
    return value.count();
  } else if constexpr (std::same_as<T, WallTime> || std::same_as<T, MonoTime>) {
    return std::chrono::floor<Milliseconds>(value.time_since_epoch()).count();
  } else if constexpr (std::integral<T> || std::same_as<T, std::string>) {
    return value;
  } else {
    Json object = Json::object();
    Write write(object);
    fields(write, value);
    return object;
  }
}

// Reading --------------------------------------------------------------------------------------

template <typename T>
void read_value(const Json& in, T& value);

class Read {
 public:
  explicit Read(const Json& in) : in_(in) {
    if (!in.is_object()) throw BadField("is not an object");
  }

  template <typename T>
  void operator()(const char* name, T& value) {
    const auto found = in_.find(name);
    if (found == in_.end() || found->is_null()) return;
    try {
      read_value(*found, value);
    } catch (const BadField& problem) {
      throw BadField(std::string(name) + " " + problem.what());
    }
  }

 private:
  const Json& in_;
};

template <typename T>
T read_integer(const Json& in) {
  if (in.is_number_unsigned()) {
    const auto value = in.get<std::uint64_t>();
    if (std::in_range<T>(value)) return static_cast<T>(value);
  } else if (in.is_number_integer()) {
    const auto value = in.get<std::int64_t>();
    if (std::in_range<T>(value)) return static_cast<T>(value);
  }
  throw BadField("is not a whole number in its range");
}

// Bounded, so that nobody who reckons with it leaves the range of any clock.
template <typename Duration>
Duration read_duration(const Json& in, std::chrono::years most) {
  const Duration value{read_integer<std::int64_t>(in)};
  if (value > most || value < -most) throw BadField("is not a whole number in its range");
  return value;
}
constexpr std::chrono::years kLongest{100};      // a duration, or a machine's time since its boot
constexpr std::chrono::years kFarthest{10'000};  // a date

const std::string& read_string(const Json& in) {
  if (!in.is_string()) throw BadField("is not a string");
  return in.get_ref<const std::string&>();
}

template <typename T>
void read_value(const Json& in, T& value) {
  if constexpr (is_optional<T>) {
    read_value(in, value.emplace());
  } else if constexpr (std::is_enum_v<T>) {
    const auto known = enum_from<T>(read_string(in));
    if (!known) throw BadField("has the unknown value '" + clean_text(read_string(in), 80) + "'");
    value = *known;
  } else if constexpr (is_vector<T>) {
    if (!in.is_array()) throw BadField("is not a list");
    value.clear();
    value.reserve(in.size());
    for (const Json& element : in)
      read_value(element, value.emplace_back());
  } else if constexpr (is_duration<T>) {
    value = read_duration<T>(in, kLongest);
  } else if constexpr (std::same_as<T, WallTime>) {
    value = WallTime{read_duration<Milliseconds>(in, kFarthest)};
  } else if constexpr (std::same_as<T, MonoTime>) {
    value = MonoTime{read_duration<Milliseconds>(in, kLongest)};
  } else if constexpr (std::same_as<T, bool>) {
    if (!in.is_boolean()) throw BadField("is not true or false");
    value = in.get<bool>();
  } else if constexpr (std::integral<T>) {
    value = read_integer<T>(in);
  } else if constexpr (std::same_as<T, std::string>) {
    value = read_string(in);
  } else {
    Read read(in);
    fields(read, value);
  }
}

// Without these there is no job to speak of.
void require_identity(const Json& in, const Job& job) {
  for (const char* const name : {"id", "action", "state", "created_at"}) {
    if (!in.contains(name)) throw BadField(std::string(name) + " is missing");
  }
  if (job.id.empty()) throw BadField("id is empty");
}

}  // namespace

std::string job_to_json(const Job& job) {
  return to_json_value(job).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<Job> job_from_json(std::string_view text) {
  try {
    const Json in = Json::parse(text);
    Job job;
    read_value(in, job);
    require_identity(in, job);
    return job;
  } catch (const std::exception& problem) {
    return fail(ErrorKind::journal_unavailable,
                "a job's record in the journal cannot be read: " + clean_text(problem.what(), 300));
  }
}

}  // namespace noforce
