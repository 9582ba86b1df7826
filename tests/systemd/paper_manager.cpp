#include "tests/systemd/paper_manager.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <utility>

#include "core/fd.hpp"
#include "core/scm/systemd/names.hpp"

namespace noforce::systemd::testing {
namespace {

Value text(const std::string& text) {
  return Value(text);
}

Value dictionary(const Facts& facts) {
  Value::List entries;
  for (const auto& [name, value] : facts)
    entries.emplace_back(Value::List{text(name), value});
  return Value(std::move(entries));
}

}  // namespace

Facts running_service(const std::string& id, const std::string& invocation) {
  return {{"Id", text(id)},
          {"Names", Value(Value::List{text(id)})},
          {"Description", text("The service " + id)},
          {"LoadState", text("loaded")},
          {"ActiveState", text("active")},
          {"SubState", text("running")},
          {"UnitFileState", text("enabled")},
          {"InvocationID", text(invocation)},
          {"MainPID", Value(std::uint64_t{4711})},
          {"KillMode", text("control-group")},
          {"SendSIGKILL", Value(true)},
          {"TimeoutStopUSec", Value(std::uint64_t{2'000'000})},
          {"Job", Value(Value::List{Value(std::uint64_t{0}), text("/")})}};
}

Facts harmless_service(const std::string& id, const std::string& invocation) {
  Facts facts = running_service(id, invocation);
  facts["TimeoutStopUSec"] = Value(UINT64_MAX);
  return facts;
}

class PaperManager::PaperWire final : public Wire {
 public:
  PaperWire(PaperManager& manager, OnSignal on_signal)
      : manager_(manager),
        on_signal_(std::move(on_signal)),
        wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

  ~PaperWire() override {
    const std::scoped_lock lock(manager_.mutex_);
    if (manager_.wire_ == this) manager_.wire_ = nullptr;
  }

  void call(Call call, OnReply on_reply) override {
    auto reply = manager_.reply_to(call);
    const std::scoped_lock lock(manager_.mutex_);
    if (!reply) {
      withheld_.push_back(std::move(on_reply));
      return;
    }
    queue_.push_back(
        [on_reply = std::move(on_reply), reply = std::move(*reply)] { on_reply(reply); });
    wake();
  }

  bool process() override {
    std::uint64_t count = 0;
    (void)!::read(wake_.get(), &count, sizeof count);
    for (;;) {
      std::function<void()> next;
      {
        const std::scoped_lock lock(manager_.mutex_);
        if (queue_.empty()) break;
        next = std::move(queue_.front());
        queue_.pop_front();
      }
      next();
    }
    bool gone = false;
    {
      const std::scoped_lock lock(manager_.mutex_);
      gone = is_cut_;
    }
    if (!gone) return true;
    for (const auto& on_reply : std::exchange(withheld_, {})) {
      on_reply(
          std::unexpected(CallError{.message = "gone", .number = 104, .unknown_effect = true}));
    }
    return false;
  }

  int descriptor() const override { return wake_.get(); }
  short events() const override { return POLLIN; }
  std::optional<MonoTime> due() const override { return std::nullopt; }

  // With the manager's lock held.
  void queue(Signal signal) {
    queue_.push_back([this, signal = std::move(signal)] { on_signal_(signal); });
    wake();
  }
  void cut() {
    is_cut_ = true;
    wake();
  }

 private:
  void wake() const {
    const std::uint64_t one = 1;
    (void)!::write(wake_.get(), &one, sizeof one);
  }

  PaperManager& manager_;
  OnSignal on_signal_;
  Fd wake_;
  std::deque<std::function<void()>> queue_;
  std::vector<OnReply> withheld_;
  bool is_cut_ = false;
};

PaperManager::PaperManager() = default;

OpenWire PaperManager::open() {
  return [this](OnSignal on_signal) -> Result<std::unique_ptr<Wire>> {
    auto wire = std::make_unique<PaperWire>(*this, std::move(on_signal));
    const std::scoped_lock lock(mutex_);
    if (refuses_) return fail(ErrorKind::scm_unavailable, "the manager of paper is away");
    wire_ = wire.get();
    return wire;
  };
}

void PaperManager::put(const std::string& unit, Facts facts) {
  const std::scoped_lock lock(mutex_);
  units_[unit] = std::move(facts);
}

void PaperManager::change(const std::string& unit, const Facts& facts, bool silently) {
  const std::scoped_lock lock(mutex_);
  for (const auto& [name, value] : facts)
    units_[unit][name] = value;
  if (silently || wire_ == nullptr) return;
  for (const char* interface :
       {"org.freedesktop.systemd1.Service", "org.freedesktop.systemd1.Unit"}) {
    wire_->queue({.path = object_path(unit),
                  .interface = std::string(kPropertiesInterface),
                  .member = "PropertiesChanged",
                  .arguments = {text(interface), dictionary(facts), Value(Value::List{})}});
  }
}

void PaperManager::answer(const std::string& member, Answer answer) {
  const std::scoped_lock lock(mutex_);
  answers_[member] = std::move(answer);
}

void PaperManager::signal(Signal signal) {
  const std::scoped_lock lock(mutex_);
  if (wire_ != nullptr) wire_->queue(std::move(signal));
}

void PaperManager::cut(bool refuse_new) {
  const std::scoped_lock lock(mutex_);
  refuses_ = refuse_new;
  if (wire_ != nullptr) wire_->cut();
}

void PaperManager::accept_again() {
  const std::scoped_lock lock(mutex_);
  refuses_ = false;
}

std::vector<std::string> PaperManager::orders() const {
  const std::scoped_lock lock(mutex_);
  return orders_;
}

int PaperManager::count(const std::string& member) const {
  const std::scoped_lock lock(mutex_);
  return static_cast<int>(std::ranges::count(calls_, member));
}

std::optional<CallReply> PaperManager::reply_to(const Call& call) {
  Answer special;
  {
    const std::scoped_lock lock(mutex_);
    calls_.push_back(call.member);
    const bool changes = call.member == "Reload" || call.member.ends_with("Unit");
    if (changes) {
      std::string order = call.member;
      for (const auto& argument : call.arguments)
        order += " " + argument;
      orders_.push_back(std::move(order));
    }
    const auto found = answers_.find(call.member);
    if (found != answers_.end()) special = found->second;
  }
  if (special) return special(call);
  const std::scoped_lock lock(mutex_);
  if (call.member == "ListUnits") {
    Value::List rows;
    for (const auto& [name, facts] : units_) {
      rows.emplace_back(Value::List{text(name), text(""), text("loaded"), facts.at("ActiveState"),
                                    facts.at("SubState"), text(""), text(object_path(name)),
                                    facts.at("Job").at(0), text(""), text("/")});
    }
    return CallReply(Value::List{Value(std::move(rows))});
  }
  if (call.member == "GetAll") {
    const auto unit = unit_of_path(call.path);
    const auto found = unit ? units_.find(*unit) : units_.end();
    if (found == units_.end()) {
      return std::unexpected(CallError{
          .name = "org.freedesktop.systemd1.NoSuchUnit", .message = "no such unit", .number = 2});
    }
    return CallReply(Value::List{dictionary(found->second)});
  }
  if (call.member.ends_with("Unit")) {
    const std::uint64_t job = next_job_++;
    return CallReply(Value::List{text("/org/freedesktop/systemd1/job/" + std::to_string(job))});
  }
  return CallReply(Value::List{});
}

}  // namespace noforce::systemd::testing
