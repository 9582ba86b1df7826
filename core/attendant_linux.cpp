#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <exception>
#include <list>
#include <span>
#include <thread>
#include <utility>
#include <vector>

#include "core/attendant.hpp"
#include "core/fd.hpp"
#include "core/hook_process_linux.hpp"
#include "core/http_probes.hpp"
#include "core/log.hpp"
#include "core/tcp_probe.hpp"
#include "core/thread_safety.hpp"

namespace noforce {
namespace {

// One thread starts the hooks and looks at all of them and at the TCP probes, by poll: a hook
// that runs for an hour costs two descriptors.
class LinuxAttendant final : public Attendant {
 public:
  LinuxAttendant(AttendantSink& sink, HttpProbe http)
      : sink_(sink),
        has_http_(static_cast<bool>(http)),
        http_(std::move(http)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
        thread_([this] { loop(); }) {}

  ~LinuxAttendant() override { LinuxAttendant::stop(); }

  void run_hook(const ControlToken& token, const std::string& service, const HookCommand& command,
                Milliseconds timeout) override {
    enqueue(
        {.token = token, .service = service, .command = command, .tcp = {}, .timeout = timeout});
  }

  void probe(const ControlToken& token, const std::string& service, const Verify& verify,
             Milliseconds timeout) override {
    if (!verify.http.empty() && has_http_) {
      http_.ask(verify.http, service, timeout,
                [this, token](Result<void> result) { sink_.attended(token, std::move(result)); });
      return;
    }
    enqueue(
        {.token = token, .service = service, .command = {}, .tcp = verify.tcp, .timeout = timeout});
  }

  void stop() override {
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
    }
    wake();
    http_.stop();
    if (thread_.joinable()) thread_.join();
  }

 private:
  // A hook, or a question to `tcp`.
  struct Request {
    ControlToken token;
    std::string service;
    HookCommand command;
    std::string tcp;
    Milliseconds timeout;
  };
  struct RunningHook {
    ControlToken token;
    std::string service;
    HookProcess process;
    Milliseconds timeout;
    MonoTime until;
    bool answered = false;
  };
  struct OpenProbe {
    ControlToken token;
    std::string service;
    TcpProbe connection;
    Milliseconds timeout;
    MonoTime until;
  };

  void enqueue(Request request) {
    {
      const MutexLock lock(mutex_);
      if (stopping_) return;
      requests_.push_back(std::move(request));
    }
    wake();
  }

  void wake() const {
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
  }

  // The thread's own from here on.

  void loop() {
    for (;;) {
      try {
        if (!take_requests()) return;
        const std::size_t hooks = hooks_.size();
        const std::vector<pollfd> polled = wait_for_something();
        const std::span<const pollfd> ready = std::span(polled).subspan(1);
        look_at_hooks(ready.first(2 * hooks));
        look_at_probes(ready.subspan(2 * hooks));
      } catch (const std::exception& problem) {
        log_error("attendant", problem.what());
      }
    }
  }

  // False: stop.
  bool take_requests() {
    std::deque<Request> requests;
    {
      const MutexLock lock(mutex_);
      if (stopping_) return false;
      requests.swap(requests_);
    }
    for (Request& request : requests) {
      if (request.command.empty() && !request.tcp.empty()) {
        begin_probe(request);
      } else if (!request.command.empty()) {
        begin_hook(request);
      } else {
        answer(request.token, fail(ErrorKind::verify_failed,
                                   "this agent was built without a way to ask by HTTP; verify " +
                                       request.service + " by tcp",
                                   request.service));
      }
    }
    return true;
  }

  void begin_hook(Request& request) {
    auto process = HookProcess::start(request.command, request.token.job, request.service);
    if (!process) {
      process.error().service = request.service;
      answer(request.token, std::unexpected(std::move(process.error())));
      return;
    }
    hooks_.push_back({.token = std::move(request.token),
                      .service = std::move(request.service),
                      .process = std::move(*process),
                      .timeout = request.timeout,
                      .until = now() + request.timeout});
  }

  void begin_probe(Request& request) {
    auto connection = TcpProbe::to(request.tcp);
    if (!connection) {
      answer(request.token,
             fail(ErrorKind::verify_failed, connection.error().detail, request.service));
      return;
    }
    OpenProbe probe{.token = std::move(request.token),
                    .service = std::move(request.service),
                    .connection = std::move(*connection),
                    .timeout = request.timeout,
                    .until = now() + request.timeout};
    if (probe.connection.begin()) {
      answer_probe(probe);
    } else {
      probes_.push_back(std::move(probe));
    }
  }

  // One descriptor for waking, two for each hook, one for each probe, in the order of the lists.
  std::vector<pollfd> wait_for_something() {
    std::vector<pollfd> polled;
    polled.push_back({.fd = wake_.get(), .events = POLLIN, .revents = 0});
    MonoTime until = MonoTime::max();
    for (const RunningHook& hook : hooks_) {
      // poll() passes over a negative descriptor.
      polled.push_back({.fd = hook.process.process_fd(), .events = POLLIN, .revents = 0});
      polled.push_back({.fd = hook.process.output_fd(), .events = POLLIN, .revents = 0});
      if (!hook.answered) until = std::min(until, hook.until);
    }
    for (const OpenProbe& probe : probes_) {
      polled.push_back({.fd = probe.connection.fd(), .events = POLLOUT, .revents = 0});
      until = std::min(until, probe.until);
    }
    if (::poll(polled.data(), polled.size(), milliseconds_to(until)) < 0) {
      for (pollfd& each : polled)
        each.revents = 0;
    }
    std::uint64_t count = 0;
    (void)!::read(wake_.get(), &count, sizeof count);
    return polled;
  }

  void look_at_hooks(std::span<const pollfd> ready) {
    for (RunningHook& hook : hooks_) {
      if (ready[1].revents != 0) hook.process.drain();
      if (ready[0].revents != 0) hook.process.reap();
      ready = ready.subspan(2);
      if (hook.answered) continue;
      if (hook.process.ended()) {
        answer(hook.token, hook.process.result(hook.service));
        hook.answered = true;
      } else if (now() >= hook.until) {
        give_up(hook);
      }
    }
    // One that is over leaves; one that runs on, or left a child with its output, is looked after.
    hooks_.remove_if([](const RunningHook& hook) { return hook.process.over(); });
  }

  void give_up(RunningHook& hook) {
    hook.process.ask_to_end();
    hook.answered = true;
    answer(hook.token, std::unexpected(hook.process.report().failed(
                           hook.service, "ran for longer than " + in_seconds(hook.timeout) +
                                             "; it got SIGTERM and is left to end by itself")));
  }

  void look_at_probes(std::span<const pollfd> ready) {
    for (auto probe = probes_.begin(); probe != probes_.end();) {
      const bool answered = ready.front().revents != 0 && probe->connection.go_on();
      ready = ready.subspan(1);
      if (answered) {
        answer_probe(*probe);
        probe = probes_.erase(probe);
      } else if (now() >= probe->until) {
        answer(probe->token,
               fail(ErrorKind::verify_failed,
                    probe->service + " did not answer on " + probe->connection.target() +
                        " within " + in_seconds(probe->timeout),
                    probe->service));
        probe = probes_.erase(probe);
      } else {
        ++probe;
      }
    }
  }

  void answer_probe(const OpenProbe& probe) {
    const int problem = probe.connection.problem();
    if (problem == 0) {
      answer(probe.token, {});
      return;
    }
    Error error;
    error.kind = ErrorKind::verify_failed;
    error.service = probe.service;
    error.detail = probe.service + " does not answer on " + probe.connection.target() + ": " +
                   std::strerror(problem);
    error.native_code = problem;
    if (const char* const name = ::strerrorname_np(problem)) error.native_name = name;
    answer(probe.token, std::unexpected(std::move(error)));
  }

  void answer(const ControlToken& token, Result<void> result) {
    {
      const MutexLock lock(mutex_);
      if (stopping_) return;
    }
    sink_.attended(token, std::move(result));
  }

  static MonoTime now() { return std::chrono::steady_clock::now(); }

  static int milliseconds_to(MonoTime until) {
    if (until == MonoTime::max()) return -1;
    const auto left = std::chrono::ceil<Milliseconds>(until - now());
    return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 3'600'000));
  }

  AttendantSink& sink_;
  const bool has_http_;
  HttpProbes http_;
  const Fd wake_;
  std::list<RunningHook> hooks_;  // these two: the thread's own
  std::list<OpenProbe> probes_;
  Mutex mutex_;
  std::deque<Request> requests_ NOFORCE_GUARDED_BY(mutex_);
  bool stopping_ NOFORCE_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace

std::unique_ptr<Attendant> make_attendant(AttendantSink& sink, HttpProbe http) {
  return std::make_unique<LinuxAttendant>(sink, std::move(http));
}

}  // namespace noforce
