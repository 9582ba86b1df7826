// The SCM port: all that core knows of a service control manager. One class, asynchronous,
// because two of the three SCMs can block a caller for tens of seconds.
//
// Every backend is a *client of an SCM in another process*: a control that was sent lives on
// there, so an agent that comes back looks at what is and goes on. The picture is the truth;
// notifications are wake-ups for looking again. No call here waits for a service.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/error.hpp"
#include "core/service.hpp"

namespace noforce {

enum class ControlOp : std::uint8_t { stop, start, pause, resume, reload };
[[nodiscard]] std::string_view to_string(ControlOp op);

// Names one attempt to send one control, durably: the same token is the same attempt. An SCM that
// sees a token again answers with its first result and does nothing, so that an agent that died
// between sending and hearing can ask again.
struct ControlToken {
  std::string job;  // ULID
  std::uint32_t step = 0;
  std::uint32_t attempt = 0;

  bool operator==(const ControlToken&) const = default;
  auto operator<=>(const ControlToken&) const = default;
};

struct Control {
  ControlOp op = ControlOp::stop;
  std::string service;  // canonical
  // Which instance is meant; set for all but start, and the stop of a stopped service that accepts
  // one (it calls off the restart that its SCM has planned). When that one is no longer there the
  // answer is `not_active` and nothing was sent.
  std::optional<Instance> instance;
  ControlToken token;
  std::string comment;  // for the SCM's own log, where it has one: job id and principal
};

// The SCM's answer to a control: it was taken (not: it is finished), or why not. A backend
// publishes the picture that shows the effect (the pending state, or what came after it) before it
// reports success: a service that is still `stopped` after its start was taken has failed.
struct Completion {
  ControlToken token;
  std::string service;
  Result<void> result;
};

// What a backend tells core. Called on the backend's threads; an implementation only enqueues.
class ScmSink {
 public:
  virtual ~ScmSink() = default;
  // The picture has a newer revision in which this service changed.
  virtual void observed(std::string_view service) = 0;
  virtual void completed(Completion completion) = 0;
  // Services came, went, or changed their dependencies.
  virtual void inventory_changed() = 0;
  // The SCM cannot be reached (`lost`), or can be again. While lost nothing is decided.
  virtual void connection_changed(bool lost) = 0;
};

class Scm {
 public:
  virtual ~Scm() = default;

  // Starts the backend's threads and connects; `sink` outlives this object's stop(). Returns once
  // the first complete picture is there, or an error after at most `patience`.
  [[nodiscard]] virtual Result<void> start(ScmSink& sink, Milliseconds patience) = 0;
  // Disconnects and joins. Services are not touched. No sink call after it returned. Idempotent.
  virtual void stop() = 0;

  // A spelling or alias to the canonical name, as this SCM matches names. Any thread, no I/O.
  [[nodiscard]] virtual std::optional<std::string> resolve(std::string_view spelling) const = 0;
  // Any thread, no I/O, never null.
  [[nodiscard]] virtual PicturePtr snapshot() const = 0;

  // Look again at these, soon; the sink hears of what changed. Any thread.
  virtual void refresh(const std::vector<std::string>& services) = 0;
  // Looks at these now: the picture shows them as they are when it returns. For an SCM that tells of
  // changes by itself there is nothing to do. Executor thread; may take as long as one SCM round.
  virtual void look_now(const std::vector<std::string>& services) { (void)services; }
  // Replaces the set that is looked at closely (a job waits for them). Any thread.
  virtual void watch(const std::vector<std::string>& services) = 0;

  // What must be in place around a stop of these (a drop-in, a process handle), so that nothing
  // below ends them by force. Idempotent; outlives the agent if need be. Executor thread; may take
  // as long as one SCM round.
  [[nodiscard]] virtual Result<void> prepare(const std::string& job,
                                             const std::vector<std::string>& services) = 0;
  // The job no longer needs it. What protects an instance that a stop was submitted for stays until
  // that one is gone, also where the stop is not answered yet. Executor thread.
  virtual void release(const std::string& job) = 0;

  // Sends a control; the answer comes as ScmSink::completed, also when it cannot be sent. Never
  // blocks. Any thread.
  virtual void submit(Control control) = 0;

  // Warnings that belong into a plan which stops or starts this service (triggers, recovery
  // actions, co-hosted services, what the SCM itself would kill). Any thread, no I/O.
  [[nodiscard]] virtual std::vector<std::string> plan_warnings(std::string_view service) const = 0;
  // Why no job may touch this service (it is the agent, its keeper, what they run on); empty: any
  // job may. Any thread, no I/O.
  [[nodiscard]] virtual std::string off_limits(std::string_view service) const = 0;
  // Why no job that takes this service down is accepted, as it is now: the SCM below would end it by
  // force, and may not be kept from that. Any thread, no I/O.
  [[nodiscard]] virtual std::optional<Error> stop_refusal(std::string_view service) const {
    (void)service;
    return std::nullopt;
  }
};

}  // namespace noforce
