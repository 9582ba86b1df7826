#include "tests/simulation/manager.hpp"

#include <algorithm>
#include <utility>

#include "core/plan.hpp"

namespace noforce::simulation {

namespace {

constexpr Milliseconds kPatienceOfTheManager{20'000};
constexpr Accepts kAcceptsAll{.stop = true, .pause_continue = true, .reload = true};

std::string service_of(const Manager::Message& message) {
  if (const auto* update = std::get_if<Manager::Update>(&message)) return update->service->name;
  return std::get<Completion>(message).service;
}

}  // namespace

void Manager::add(Service service, Manner manner) {
  names_.push_back(service.name);
  if (is_up(service.state)) {
    const auto pid = next_pid_++;
    service.instance = Instance{pid, service.name + "/" + std::to_string(pid)};
    service.accepts = kAcceptsAll;
  }
  const std::string name = service.name;
  kept_[name] = Kept{.service = std::move(service), .manner = manner};
}

void Manager::ready() {
  std::vector<Graph::Node> nodes;
  for (const auto& [name, kept] : kept_)
    nodes.push_back({name, kept.service.depends_on});
  graph_ = std::make_shared<const Graph>(std::move(nodes));
}

PicturePtr Manager::picture() const {
  auto picture = std::make_shared<Picture>();
  picture->revision = revision_;
  picture->graph = graph_;
  picture->complete = true;
  for (const auto& [name, kept] : kept_)
    picture->services.push_back(std::make_shared<const Service>(kept.service));
  return picture;
}

// The connection -----------------------------------------------------------------------------------

void Manager::connect() {
  connected_ = true;
  outbox_.clear();
}

void Manager::disconnect() {
  connected_ = false;
  outbox_.clear();
  // What was on its way: lost from somewhere on, and the rest arrives now or later.
  inbox_.resize(chance_.below(inbox_.size() + 1));
  if (chance_.percent(60)) {
    while (!inbox_.empty())
      take_one();
  }
  outbox_.clear();
}

void Manager::take_one() {
  const Control control = std::move(inbox_.front());
  inbox_.pop_front();
  const std::string& name = control.service;
  Result<void> result;
  const auto known = answered_.find(control.token);
  if (known != answered_.end() && !faults_.forgets_tokens) {
    result = known->second;
  } else {
    result = carry_out(control);
    answered_[control.token] = result;
  }
  tell(name);
  if (connected_) outbox_.push_back(Completion{control.token, name, std::move(result)});
}

Manager::Message Manager::hand_out_one() {
  std::size_t chosen = chance_.below(outbox_.size());
  const std::string service = service_of(outbox_[chosen]);
  for (std::size_t n = 0; n < chosen; ++n) {
    if (service_of(outbox_[n]) != service) continue;
    chosen = n;
    break;
  }
  Message message = std::move(outbox_[chosen]);
  outbox_.erase(outbox_.begin() + static_cast<std::ptrdiff_t>(chosen));
  return message;
}

void Manager::tell(const std::string& service) {
  if (!connected_) return;
  outbox_.push_back(Update{std::make_shared<const Service>(kept_.at(service).service)});
}

void Manager::changed(Kept& kept) {
  ++revision_;
  tell(kept.service.name);
}

void Manager::spare(const std::string& job, const std::vector<std::string>& services) {
  for (const auto& service : services) {
    ledger_.trace(service + " is spared for " + ledger_.number_of(job));
    kept_.at(service).spared_by.insert(job);
  }
}

void Manager::pin(const std::string& service) {
  Kept& kept = kept_.at(service);
  kept.pinned = kept.pinned || !kept.spared_by.empty();
}

void Manager::release(const std::string& job) {
  for (auto& [name, kept] : kept_)
    kept.spared_by.erase(job);
}

// Controls -----------------------------------------------------------------------------------------

Result<void> Manager::carry_out(const Control& control) {
  Kept& kept = kept_.at(control.service);
  Service& it = kept.service;
  const bool calls_off =
      control.op == ControlOp::stop && !it.instance && it.accepts.stop && !control.instance;
  if (!calm_ && chance_.percent(kept.manner.busy_answers)) {
    return fail(ErrorKind::busy, "busy", it.name);
  }
  const bool unknown = !calm_ && chance_.percent(kept.manner.unknown_answers);
  Error lost{.kind = ErrorKind::timeout, .detail = "no answer", .service = it.name};
  lost.effect = Effect::unknown;
  if (unknown && chance_.percent(50)) return std::unexpected(lost);
  Result<void> result;
  if (control.op == ControlOp::start) {
    result = start(kept);
  } else if (calls_off) {
    ++kept.generation;
    it.accepts = {};
    changed(kept);
  } else if (!it.instance || (control.instance && !(*control.instance == *it.instance))) {
    return fail(ErrorKind::not_active, "not that instance", it.name);
  } else if (control.op == ControlOp::stop) {
    result = stop(kept, control);
  } else if (is_pending(it.state) || it.state == ServiceState::stopped) {
    return fail(ErrorKind::busy, "on its way", it.name);
  } else if (control.op != ControlOp::reload) {
    it.state = control.op == ControlOp::pause ? ServiceState::paused : ServiceState::running;
    changed(kept);
  }
  if (result && unknown) return std::unexpected(lost);
  return result;
}

Result<void> Manager::stop(Kept& kept, const Control& control) {
  Service& it = kept.service;
  if (it.state == ServiceState::stop_pending || it.state == ServiceState::stopped) {
    // Joined; but one job has no reason to ask twice, unless the first only called off a restart.
    if (kept.stopped_by == control.token.job && kept.asked_by_name) {
      ledger_.asked_to_stop(it.name, it.instance->key, control.token.job);
    }
    return {};
  }
  if (is_pending(it.state) && !it.accepts.stop) return fail(ErrorKind::busy, "1061", it.name);
  if (!calm_ && chance_.percent(kept.manner.refuses_stop)) {
    return fail(ErrorKind::control_not_accepted, "1052", it.name);
  }
  ledger_.asked_to_stop(it.name, it.instance->key, control.token.job);
  kept.asked_by_name = control.instance.has_value();
  begin_stop(kept, control.token.job, false);
  return {};
}

void Manager::begin_stop(Kept& kept, const std::string& job, bool by_person) {
  Service& it = kept.service;
  ++kept.generation;
  kept.asked_to_stop = true;
  kept.stopped_by = job;
  it.state = ServiceState::stop_pending;
  it.accepts = {};
  it.checkpoint = 0;
  it.last_progress = now_;
  it.wait_hint = kept.manner.wait_hint;
  const bool spared = (kept.pinned || !kept.spared_by.empty()) && !faults_.kills_anyway;
  changed(kept);
  const Milliseconds time = calm_ ? Milliseconds{5} : kept.manner.stops_in;
  if (!spared && !by_person && time > kPatienceOfTheManager) {
    at(kept, kPatienceOfTheManager, [this](Kept& late) {
      ledger_.killed(late.service.name);
      gone(late, DownBy::job);
    });
    return;
  }
  tick(kept, ServiceState::stop_pending);
  at(kept, time, [this](Kept& done) { end_stop(done); });
}

void Manager::end_stop(Kept& kept) {
  Service& it = kept.service;
  it.exit = Exit{.code = !calm_ && chance_.percent(kept.manner.crashes_in_stop) ? 139 : 0,
                 .service_code = {}};
  if (!kept.manner.lingers || calm_) {
    return gone(kept, kept.stopped_by.empty() ? DownBy::person : DownBy::job);
  }
  ++kept.generation;
  it.state = ServiceState::stopped;
  changed(kept);
  at(kept, Milliseconds{300},
     [this](Kept& now) { gone(now, now.stopped_by.empty() ? DownBy::person : DownBy::job); });
}

void Manager::gone(Kept& kept, DownBy by) {
  Service& it = kept.service;
  ++kept.generation;
  it.state = ServiceState::stopped;
  it.instance.reset();
  kept.pinned = false;
  it.accepts = {};
  it.wait_hint = Milliseconds{0};
  const bool back = by == DownBy::itself && kept.manner.restarts_itself;
  if (back) it.accepts.stop = true;
  changed(kept);
  ledger_.went_down(it.name, by, kept.stopped_by);
  kept.asked_to_stop = false;
  kept.stopped_by.clear();
  if (!back) return;
  at(kept, Milliseconds{2'000}, [this](Kept& again) { (void)start(again); });
}

Result<void> Manager::start(Kept& kept) {
  Service& it = kept.service;
  if (it.state == ServiceState::stop_pending ||
      (it.state == ServiceState::stopped && it.instance)) {
    return fail(ErrorKind::busy, "still stopping", it.name);
  }
  if (is_up(it.state)) return fail(ErrorKind::already_running, "1056", it.name);
  if (faults_.loses_starts) return {};
  ++kept.generation;
  const auto pid = next_pid_++;
  it.instance = Instance{pid, it.name + "/" + std::to_string(pid)};
  it.state = ServiceState::start_pending;
  it.accepts = {};
  it.accepts.stop = kept.manner.stoppable_while_pending;
  it.checkpoint = 0;
  it.last_progress = now_;
  it.wait_hint = kept.manner.wait_hint;
  changed(kept);
  tick(kept, ServiceState::start_pending);
  at(kept, calm_ ? Milliseconds{5} : kept.manner.starts_in, [this](Kept& done) { come_up(done); });
  return {};
}

void Manager::come_up(Kept& kept) {
  Service& it = kept.service;
  ++kept.generation;
  if (!calm_ && chance_.percent(kept.manner.fails_to_start)) {
    it.state = ServiceState::stopped;
    it.instance.reset();
    it.accepts = {};
    it.exit = Exit{.code = 7, .service_code = {}};
    changed(kept);
    return ledger_.start_failed(it.name);
  }
  it.state = ServiceState::running;
  it.accepts = kAcceptsAll;
  changed(kept);
  ledger_.trace(it.name + " is up");
  ledger_.came_up(it.name);
}

void Manager::tick(Kept& kept, ServiceState state) {
  if (kept.manner.ticks == Milliseconds{0}) return;
  at(kept, kept.manner.ticks, [this, state](Kept& moving) {
    if (moving.service.state != state) return;
    ++moving.service.checkpoint;
    moving.service.last_progress = now_;
    changed(moving);
    tick(moving, state);
  });
}

// Time ---------------------------------------------------------------------------------------------

// Holds only for the state of things in which it was set.
void Manager::at(Kept& kept, Milliseconds in, std::function<void(Kept&)> what) {
  timers_.emplace(now_ + in, [&kept, generation = kept.generation, what = std::move(what)] {
    if (kept.generation == generation) what(kept);
  });
}

MonoTime Manager::next_timer() const {
  return timers_.empty() ? MonoTime::max() : timers_.begin()->first;
}

void Manager::fire_due() {
  while (!timers_.empty() && timers_.begin()->first <= now_) {
    const auto what = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    what();
  }
}

void Manager::person_does(const std::string& service) {
  Kept& kept = kept_.at(service);
  Service& it = kept.service;
  ledger_.touched_by_person(service);
  ledger_.trace("a person turns to " + service);
  if (it.state == ServiceState::running && chance_.percent(70)) {
    begin_stop(kept, "", true);
  } else if (it.state == ServiceState::running) {
    it.state = ServiceState::paused;
    changed(kept);
  } else if (it.state == ServiceState::stopped) {
    (void)start(kept);
  }
}

void Manager::crash(const std::string& service) {
  Kept& kept = kept_.at(service);
  if (kept.service.state != ServiceState::running) return;
  ledger_.trace(service + " crashes");
  kept.service.exit = Exit{.code = 139, .service_code = {}};
  gone(kept, DownBy::itself);
}

void Manager::reboot(const std::string& ended_boot) {
  timers_.clear();
  inbox_.clear();
  outbox_.clear();
  answered_.clear();
  connected_ = false;
  for (auto& [name, kept] : kept_) {
    kept.spared_by.clear();
    if (is_up(kept.service.state) || kept.service.instance) {
      kept.manner.restarts_itself = false;
      kept.stopped_by = ended_boot;
      gone(kept, DownBy::reboot);
    }
    kept.service.accepts = {};
  }
  timers_.clear();
}

void Manager::calm_down() {
  calm_ = true;
  for (auto& [name, kept] : kept_) {
    kept.manner.ticks = Milliseconds{0};
    ++kept.generation;
    const ServiceState state = kept.service.state;
    const bool ends = state == ServiceState::stop_pending ||
                      (state == ServiceState::stopped && kept.service.instance);
    if (ends) {
      at(kept, Milliseconds{5}, [this](Kept& done) { end_stop(done); });
    } else if (state == ServiceState::start_pending) {
      at(kept, Milliseconds{5}, [this](Kept& done) { come_up(done); });
    } else if (state == ServiceState::stopped && kept.service.accepts.stop) {
      at(kept, Milliseconds{5}, [this](Kept& again) { (void)start(again); });
    }
  }
}

}  // namespace noforce::simulation
