// The attendant does what belongs to a step but is not a control: it runs hooks and asks a
// started service whether it works. Results come back like an SCM's completions.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "core/clock.hpp"
#include "core/error.hpp"
#include "core/policy.hpp"
#include "core/scm/port.hpp"

namespace noforce {

// Called on the attendant's threads; only enqueues.
class AttendantSink {
 public:
  virtual ~AttendantSink() = default;
  virtual void attended(ControlToken token, Result<void> result) = 0;
};

class Attendant {
 public:
  virtual ~Attendant() = default;
  // Runs argv with a clean environment (PATH, NOFORCE_JOB, NOFORCE_SERVICE), in "/", standard
  // input from /dev/null, output captured up to 4 KiB (its last line goes into the error). When
  // `timeout` is over it gets SIGTERM, the result is hook_failed at once, and what is still
  // running is left to end by itself; it is never killed. Non-zero exit: hook_failed with
  // native_code. Never blocks; any thread.
  virtual void run_hook(const ControlToken& token, const std::string& service,
                        const HookCommand& command, Milliseconds timeout) = 0;
  // One question to verify.http or verify.tcp (not the whole wait: the executor asks again),
  // answered within `timeout`: success, or verify_failed with what was wrong. Never blocks.
  virtual void probe(const ControlToken& token, const std::string& service, const Verify& verify,
                     Milliseconds timeout) = 0;
  // No sink call after it returned. Hooks that run are left alone.
  virtual void stop() = 0;
};

// GETs a URL from the settings once: success for 2xx. Given by the house's HTTP face, because
// core knows no HTTP; without it an http verification fails with a sentence.
using HttpProbe = std::function<Result<void>(const std::string& url, Milliseconds timeout)>;

// The real one: a child process a hook, a few threads for the probes (bounded).
[[nodiscard]] std::unique_ptr<Attendant> make_attendant(AttendantSink& sink, HttpProbe http);

// Makes the one that answers to this sink.
using AttendantMaker = std::function<std::unique_ptr<Attendant>(AttendantSink& sink)>;

}  // namespace noforce
