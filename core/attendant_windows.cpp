#include <windows.h>
// After windows.h, which it needs.
#include <winsock2.h>

#include <algorithm>
#include <exception>
#include <list>
#include <thread>
#include <utility>

#include "core/attendant.hpp"
#include "core/hook_process_windows.hpp"
#include "core/http_probes.hpp"
#include "core/log.hpp"
#include "core/tcp_probe.hpp"
#include "core/thread_safety.hpp"

namespace noforce {
namespace {

// Whether the connection was made or failed within `left`. By select, which tells of a failure among its
// exceptions; WSAPoll tells of none before Windows 10 2004.
bool is_settled(int fd, Milliseconds left) {
  const auto socket = static_cast<SOCKET>(fd);
  fd_set made{.fd_count = 1, .fd_array = {socket}};
  fd_set failed = made;
  timeval time{.tv_sec = static_cast<long>(left.count() / 1'000),
               .tv_usec = static_cast<long>(left.count() % 1'000 * 1'000)};
  return ::select(0, nullptr, &made, &failed, &time) > 0;
}

// Waits for the answer of one address after the other; verify_failed with what was wrong.
Result<void> ask_by_tcp(const std::string& target, Milliseconds timeout) {
  auto probe = TcpProbe::to(target);
  if (!probe) return fail(ErrorKind::verify_failed, probe.error().detail);
  const MonoTime until = std::chrono::steady_clock::now() + timeout;
  for (bool answered = probe->begin(); !answered;) {
    const auto left = std::chrono::ceil<Milliseconds>(until - std::chrono::steady_clock::now());
    if (left <= Milliseconds{0} || !is_settled(probe->fd(), left)) {
      return fail(ErrorKind::verify_failed,
                  "no answer on " + target + " within " + in_seconds(timeout));
    }
    answered = probe->go_on();
  }
  const int problem = probe->problem();
  if (problem == 0) return {};
  Error error;
  error.kind = ErrorKind::verify_failed;
  error.detail = "no answer on " + target + ": " + socket_error_text(problem);
  error.native_code = problem;
  error.native_name = socket_error_name(problem);
  return std::unexpected(std::move(error));
}

// A thread a hook, which waits for it, and a few for the probes.
class WindowsAttendant final : public Attendant {
 public:
  WindowsAttendant(AttendantSink& sink, HttpProbe http)
      : sink_(sink),
        has_http_(static_cast<bool>(http)),
        http_(std::move(http)),
        tcp_(ask_by_tcp),
        stop_(::CreateEventW(nullptr, TRUE, FALSE, nullptr)) {}
  ~WindowsAttendant() override { WindowsAttendant::stop(); }

  void run_hook(const ControlToken& token, const std::string& service, const HookCommand& command,
                Milliseconds timeout) override {
    const MutexLock lock(mutex_);
    if (stopping_) return;
    join_ended();
    Hook& hook = hooks_.emplace_back();
    hook.thread = std::thread([this, &hook, token, service, command, timeout] {
      try {
        attend(token, service, command, timeout);
      } catch (const std::exception& problem) {
        log_error("attendant", problem.what());
      }
      const MutexLock ending(mutex_);
      hook.ended = true;
    });
  }

  void probe(const ControlToken& token, const std::string& service, const Verify& verify,
             Milliseconds timeout) override {
    const auto then = [this, token](Result<void> result) { answer(token, std::move(result)); };
    if (!verify.http.empty() && has_http_) {
      http_.ask(verify.http, service, timeout, then);
    } else if (!verify.tcp.empty()) {
      tcp_.ask(verify.tcp, service, timeout, then);
    } else {
      // Answers come from a thread of ours, never from within the call.
      refusals_.ask(verify.http, service, timeout, then);
    }
  }

  void stop() override {
    std::list<Hook> hooks;
    {
      const MutexLock lock(mutex_);
      stopping_ = true;
      hooks.swap(hooks_);
    }
    ::SetEvent(stop_.get());
    http_.stop();
    tcp_.stop();
    refusals_.stop();
    for (Hook& hook : hooks)
      hook.thread.join();
  }

 private:
  struct Hook {
    std::thread thread;
    bool ended = false;
  };

  void join_ended() NOFORCE_REQUIRES(mutex_) {
    hooks_.remove_if([](Hook& hook) {
      if (hook.ended) hook.thread.join();
      return hook.ended;
    });
  }

  void attend(const ControlToken& token, const std::string& service, const HookCommand& command,
              Milliseconds timeout) {
    auto process = HookProcess::start(command, token.job, service);
    if (!process) {
      process.error().service = service;
      answer(token, std::unexpected(std::move(process.error())));
      return;
    }
    const MonoTime until = std::chrono::steady_clock::now() + timeout;
    bool answered = false;
    while (!is_stopping()) {
      const auto left = std::chrono::ceil<Milliseconds>(until - std::chrono::steady_clock::now());
      // One that was given up is read on, so that it can print and end.
      if (process->wait(answered ? Milliseconds(1000) : left, stop_)) {
        if (!answered) answer(token, process->result(service));
        return;
      }
      if (!answered && std::chrono::steady_clock::now() >= until) {
        give_up(token, service, *process, timeout);
        answered = true;
      }
    }
  }

  void give_up(const ControlToken& token, const std::string& service, const HookProcess& process,
               Milliseconds timeout) {
    const bool asked = process.ask_to_end();
    answer(token,
           std::unexpected(process.report().failed(
               service,
               "ran for longer than " + in_seconds(timeout) +
                   (asked ? "; it got Ctrl-Break and is left to end by itself"
                          : "; it could not be asked to end, and is left to end by itself"))));
  }

  bool is_stopping() {
    const MutexLock lock(mutex_);
    return stopping_;
  }

  void answer(const ControlToken& token, Result<void> result) {
    if (is_stopping()) return;
    sink_.attended(token, std::move(result));
  }

  static Result<void> refuse(const std::string&, Milliseconds) {
    return fail(ErrorKind::verify_failed,
                "this agent was built without a way to ask by HTTP; verify by tcp");
  }

  AttendantSink& sink_;
  const bool has_http_;
  HttpProbes http_;
  HttpProbes tcp_;
  HttpProbes refusals_{refuse};
  const WindowsHandle stop_;
  Mutex mutex_;
  std::list<Hook> hooks_ NOFORCE_GUARDED_BY(mutex_);
  bool stopping_ NOFORCE_GUARDED_BY(mutex_) = false;
};

}  // namespace

std::unique_ptr<Attendant> make_attendant(AttendantSink& sink, HttpProbe http) {
  return std::make_unique<WindowsAttendant>(sink, std::move(http));
}

}  // namespace noforce
