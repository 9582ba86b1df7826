// A fake SCM, for what a real one cannot be made to do on command: exact interleavings, errors,
// instances that come back. The backends have tests of their own on real processes.
#pragma once

#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/attendant.hpp"
#include "core/scm/port.hpp"
#include "tests/support/estate.hpp"

namespace noforce::test {

// The real attendant, for estates without http verification.
inline std::unique_ptr<Attendant> no_http(AttendantSink& sink) {
  return make_attendant(sink, nullptr);
}

class FakeScm final : public Scm {
 public:
  explicit FakeScm(std::vector<Service> services) : services_(std::move(services)) { publish(); }

  // How a service takes controls; the default does all at once.
  struct Manner {
    bool hangs_on_stop = false;     // stop_pending, for ever
    bool hangs_on_start = false;    // start_pending, for ever
    bool crashes_on_start = false;  // taken, and stopped again with exit code 7
    std::optional<Error> refuses_stop;
  };
  void behave(const std::string& name, Manner manner) {
    const std::lock_guard lock(mutex_);
    manners_[name] = std::move(manner);
  }

  // Changes a service as if it did so by itself, and tells the sink.
  void change(const std::string& name, const std::function<void(Service&)>& how) {
    {
      const std::lock_guard lock(mutex_);
      how(in(services_, name));
      publish();
    }
    tell(name);
  }
  void end(const std::string& name) {  // what hung has ended at last
    change(name, [](Service& it) {
      it.state = ServiceState::stopped;
      it.instance.reset();
      it.accepts = {};
    });
  }
  void run(const std::string& name) {
    change(name, [this](Service& it) { set_running(it); });
  }
  // Called on the thread that submits, before the control is carried out.
  void before_control(std::function<void(const Control&)> hook) { before_ = std::move(hook); }
  void lose(bool lost) {
    {
      const std::lock_guard lock(mutex_);
      complete_ = !lost;
      publish();
    }
    if (sink_ != nullptr) sink_->connection_changed(lost);
  }
  void forbid(const std::string& name) { off_limits_.insert(name); }
  void kill_when_stopped(const std::string& name) { kills_.insert(name); }

  [[nodiscard]] std::vector<std::string> sent() const {  // "stop antispam", in order
    const std::lock_guard lock(mutex_);
    return sent_;
  }
  [[nodiscard]] ServiceState state(const std::string& name) const {
    const PicturePtr picture = snapshot();
    return picture->find(name)->state;
  }

  Result<void> start(ScmSink& sink, Milliseconds) override {
    sink_ = &sink;
    return {};
  }
  void stop() override { sink_ = nullptr; }
  std::optional<std::string> resolve(std::string_view spelling) const override {
    const PicturePtr picture = snapshot();
    const Service* found = picture->find(spelling);
    return found == nullptr ? std::nullopt : std::optional<std::string>(found->name);
  }
  PicturePtr snapshot() const override {
    const std::lock_guard lock(mutex_);
    return picture_;
  }
  void refresh(const std::vector<std::string>&) override {}
  void watch(const std::vector<std::string>&) override {}
  Result<void> prepare(const std::string&, const std::vector<std::string>&) override { return {}; }
  void release(const std::string&) override {}
  std::vector<std::string> plan_warnings(std::string_view) const override { return {}; }
  std::string off_limits(std::string_view service) const override {
    return off_limits_.contains(std::string(service)) ? "That is the agent itself." : "";
  }

  std::optional<Error> stop_refusal(std::string_view service) const override {
    if (!kills_.contains(std::string(service))) return std::nullopt;
    return Error{.kind = ErrorKind::control_not_accepted,
                 .detail = "It would be killed.",
                 .service = std::string(service)};
  }

  void submit(Control control) override {
    if (before_) before_(control);
    Result<void> result;
    {
      const std::lock_guard lock(mutex_);
      sent_.push_back(std::string(to_string(control.op)) + " " + control.service);
      result = carry_out(control, in(services_, control.service));
      publish();
    }
    tell(control.service);
    if (sink_ != nullptr) sink_->completed({control.token, control.service, result});
  }

 private:
  Result<void> carry_out(const Control& control, Service& it) {
    const Manner& manner = manners_[it.name];
    const bool other = control.instance && it.instance && !(*control.instance == *it.instance);
    const bool calls_off = control.op == ControlOp::stop && it.accepts.stop && !it.instance;
    if (control.op != ControlOp::start && !calls_off && (!it.instance || other)) {
      return fail(ErrorKind::not_active, "not that instance", it.name);
    }
    it.last_progress = system_clock().mono();
    switch (control.op) {
      case ControlOp::stop:
        if (manner.refuses_stop) return std::unexpected(*manner.refuses_stop);
        it.state = manner.hangs_on_stop ? ServiceState::stop_pending : ServiceState::stopped;
        if (!manner.hangs_on_stop) {
          it.instance.reset();
          it.accepts = {};
        }
        return {};
      case ControlOp::start:
        if (manner.crashes_on_start) {
          it.state = ServiceState::stopped;
          it.exit = Exit{.code = 7, .service_code = {}};
          return {};
        }
        set_running(it);
        if (manner.hangs_on_start) it.state = ServiceState::start_pending;
        return {};
      case ControlOp::pause:
        it.state = ServiceState::paused;
        return {};
      case ControlOp::resume:
        it.state = ServiceState::running;
        return {};
      case ControlOp::reload:
        return {};
    }
    return {};
  }

  void set_running(Service& it) {
    it.state = ServiceState::running;
    it.accepts = {.stop = true, .pause_continue = true, .reload = false};
    const auto pid = next_pid_++;
    it.instance = Instance{pid, it.name + "#" + std::to_string(pid)};
  }
  void publish() {
    Picture picture = make_picture(services_, ++revision_);
    picture.complete = complete_;
    picture_ = std::make_shared<const Picture>(std::move(picture));
  }
  void tell(const std::string& name) {
    if (sink_ != nullptr) sink_->observed(name);
  }

  mutable std::mutex mutex_;
  std::vector<Service> services_;
  std::map<std::string, Manner> manners_;
  std::vector<std::string> sent_;
  std::set<std::string> off_limits_;
  std::set<std::string> kills_;
  std::function<void(const Control&)> before_;
  PicturePtr picture_;
  ScmSink* sink_ = nullptr;
  std::uint64_t revision_ = 0;
  std::int64_t next_pid_ = 9000;
  bool complete_ = true;
};

}  // namespace noforce::test
