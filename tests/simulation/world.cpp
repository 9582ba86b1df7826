#include "tests/simulation/world.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace noforce::simulation {

namespace {

constexpr Milliseconds kLongestWay{400'000};

const Caller kOperator{
    Principal{.name = "token:one", .role = Role::admin, .services = {}, .actions = {}}, "local"};

}  // namespace

World::World(const Setting& setting)
    : setting_(setting),
      chance_(setting.seed),
      ledger_(setting.tracing),
      manager_(chance_, ledger_, setting.manager),
      disk_(setting.disk) {
  climate_ = {.kills = chance_.percent(65),
              .people = chance_.percent(20),
              .crashes = chance_.percent(25),
              .reboots = chance_.percent(15),
              .full_disk = chance_.percent(25),
              .lost_connections = chance_.percent(30),
              .set_clocks = chance_.percent(30),
              .holds = chance_.percent(15),
              .cancels = chance_.percent(35)};
  manager_.set_time(time_.now);
  make_services();
  make_policies();
  const std::size_t count = 1 + chance_.below(7);
  for (std::size_t n = 0; n < count; ++n) {
    Errand errand{draw_request(), std::nullopt};
    if (chance_.percent(40)) {
      errand.key = IdempotencyKey{kOperator.principal.name, "key-" + std::to_string(n), "print"};
    }
    errands_.push_back(std::move(errand));
  }
}

Manner World::draw_manner() {
  Manner manner;
  const std::size_t kind = chance_.below(10);
  manner.stops_in = kind < 6   ? chance_.between(Milliseconds{0}, Milliseconds{2'000})
                    : kind < 8 ? chance_.between(Milliseconds{2'000}, Milliseconds{60'000})
                               : chance_.between(Milliseconds{60'000}, Milliseconds{2'000'000});
  manner.starts_in = chance_.percent(85)
                         ? chance_.between(Milliseconds{0}, Milliseconds{2'000})
                         : chance_.between(Milliseconds{2'000}, Milliseconds{400'000});
  if (chance_.percent(40)) manner.ticks = chance_.between(Milliseconds{500}, Milliseconds{20'000});
  if (chance_.percent(30))
    manner.wait_hint = chance_.between(Milliseconds{0}, Milliseconds{30'000});
  if (chance_.percent(15)) manner.crashes_in_stop = 50;
  if (chance_.percent(15)) manner.fails_to_start = 30;
  if (chance_.percent(10)) manner.refuses_stop = 50;
  if (chance_.percent(15)) manner.unknown_answers = 30;
  if (chance_.percent(15)) manner.busy_answers = 30;
  manner.lingers = chance_.percent(20);
  manner.restarts_itself = chance_.percent(20);
  manner.stoppable_while_pending = chance_.percent(30);
  return manner;
}

void World::make_services() {
  static const std::array<const char*, 6> kNames{"a", "b", "c", "d", "e", "f"};
  const std::size_t count = 2 + chance_.below(5);
  for (std::size_t n = 0; n < count; ++n) {
    Service service;
    service.name = kNames.at(n);
    service.state = chance_.percent(75)   ? ServiceState::running
                    : chance_.percent(40) ? ServiceState::paused
                                          : ServiceState::stopped;
    for (std::size_t before = 0; before < n; ++before) {
      if (chance_.percent(35)) service.depends_on.emplace_back(kNames.at(before));
    }
    // What something that is up depends on is up.
    if (service.state == ServiceState::stopped || service.depends_on.empty()) {
      at_first_[service.name] = service.state;
    } else {
      const bool possible = std::all_of(
          service.depends_on.begin(), service.depends_on.end(),
          [this](const auto& needed) { return at_first_.at(needed) != ServiceState::stopped; });
      if (!possible) service.state = ServiceState::stopped;
      at_first_[service.name] = service.state;
    }
    manager_.add(std::move(service), draw_manner());
  }
  manager_.ready();
  ledger_.set_graph(manager_.picture()->graph);
}

void World::make_policies() {
  policies_.jobs.queue = Seconds{chance_.percent(90) ? 100'000 : 60};
  for (const auto& name : manager_.names()) {
    Policy policy;
    if (chance_.percent(12)) policy.before_stop.push_back({"/before"});
    if (chance_.percent(12)) policy.after_start.push_back({"/after"});
    if (chance_.percent(12)) {
      policy.verify = Verify{.http = {}, .tcp = "127.0.0.1:1", .within = Seconds{5}, .hold = {}};
      if (chance_.percent(50)) policy.verify->hold = Seconds{2};
    }
    if (!(policy == Policy{})) policies_.services[name] = policy;
  }
  policies_.groups.push_back({"g", {manager_.names()[0], manager_.names().back()}});
}

JobRequest World::draw_request() {
  JobRequest request;
  const std::size_t kind = chance_.below(20);
  request.action = kind < 10   ? Action::restart
                   : kind < 14 ? Action::stop
                   : kind < 17 ? Action::start
                   : kind < 18 ? Action::pause
                   : kind < 19 ? Action::resume
                               : Action::reload;
  if (chance_.percent(15)) {
    request.group = "g";
  } else {
    request.services = {chance_.one_of(manager_.names())};
    if (chance_.percent(25)) request.services.push_back(chance_.one_of(manager_.names()));
  }
  JobOptions& options = request.options;
  options.dependents = chance_.percent(80) ? Dependents::include : Dependents::refuse;
  options.on_failure = chance_.percent(80) ? OnFailure::restore : OnFailure::leave;
  options.deadline = Seconds{chance_.percent(60) ? 600 : 1 + chance_.below(60)};
  options.no_progress = Seconds{chance_.percent(60) ? 120 : 1 + chance_.below(30)};
  options.queue = policies_.jobs.queue;
  return request;
}

// Schedules ----------------------------------------------------------------------------------------

Outcome World::run() {
  const std::size_t length = 40 + chance_.below(400);
  for (std::size_t n = 0; n < length && ledger_.violations().empty(); ++n)
    anything();
  if (ledger_.violations().empty()) calm();
  if (ledger_.violations().empty()) {
    ledger_.judge(*manager_.picture(), disk_.state().jobs, at_first_);
  }
  Outcome outcome{.violations = ledger_.violations(),
                  .trace = ledger_.lines(),
                  .fingerprint = ledger_.fingerprint(),
                  .jobs = disk_.state().jobs.size(),
                  .kills = kills_};
  fuse_.put_out();
  agent_.reset();
  return outcome;
}

template <typename Work>
void World::mortally(const Work& work) {
  try {
    work();
  } catch (const Killed&) {
    ledger_.trace("the agent is killed");
    ++kills_;
    end_agent();
  }
}

void World::anything() {
  if (!agent_) {
    if (chance_.percent(40)) begin_agent();
  }
  if (climate_.kills && chance_.percent(4)) fuse_.set(1 + chance_.below(12));
  const std::size_t kind = chance_.below(100);
  if (kind < 45) {
    deliver();
  } else if (kind < 65) {
    take_turn();
  } else if (kind < 82) {
    let_time_pass(chance_.percent(70));
  } else if (kind < 90) {
    send_job();
  } else if (kind < 93) {
    cancel_job();
  } else {
    mishap();
  }
}

void World::deliver() {
  const bool to_manager = manager_.inbox() != 0 && chance_.percent(40);
  if (to_manager) return manager_.take_one();
  if (agent_ && agent_->attendance->busy() && chance_.percent(20)) {
    return agent_->attendance->end_one(chance_.percent(88));
  }
  if (agent_ && manager_.outbox() != 0) {
    agent_->connection->receive();
    if (chance_.percent(50)) take_turn();
  } else if (manager_.inbox() != 0) {
    manager_.take_one();
  }
}

void World::take_turn() {
  if (!agent_) return;
  mortally([this] { agent_->jobs->turn(); });
  hear_events();
}

void World::let_time_pass(bool to_next_event) {
  MonoTime next =
      std::min(manager_.next_timer(), agent_ ? agent_->jobs->next_turn() : MonoTime::max());
  if (next == MonoTime::max()) next = time_.now + Milliseconds{1'000};
  const MonoTime soon = time_.now + chance_.between(Milliseconds{1}, Milliseconds{200});
  const MonoTime then = std::max(to_next_event ? next : std::min(soon, next), time_.now);
  // Controls and news may be long on their way, and not for ever.
  if (then > last_arrival_ + kLongestWay) {
    while (manager_.inbox() != 0)
      manager_.take_one();
    while (agent_ && manager_.outbox() != 0)
      agent_->connection->receive();
    last_arrival_ = then;
  }
  time_.date += std::chrono::duration_cast<Milliseconds>(then - time_.now);
  time_.now = then;
  manager_.set_time(then);
  manager_.fire_due();
}

void World::send_job() {
  if (!agent_ || errands_.empty()) return;
  const Errand errand = errands_.front();
  errands_.pop_front();
  const bool lives = [&] {
    const std::size_t before = kills_;
    mortally([&] {
      const auto sent = agent_->jobs->submit(kOperator, errand.request, errand.key);
      if (sent) ledger_.accepted(sent->job->id);
    });
    return kills_ == before;
  }();
  if (!lives && errand.key) errands_.push_front(errand);  // no answer: once more with its key
}

void World::cancel_job() {
  if (!agent_ || !climate_.cancels) return;
  std::vector<std::string> open;
  for (const auto& [id, job] : disk_.state().jobs) {
    if (job->state != JobState::done) open.push_back(id);
  }
  if (open.empty()) return;
  const std::string id = chance_.one_of(open);
  ledger_.trace("somebody cancels " + ledger_.number_of(id));
  mortally([&] { (void)agent_->jobs->cancel(kOperator, id); });
}

void World::mishap() {
  switch (chance_.below(8)) {
    case 0:
      if (climate_.people) manager_.person_does(chance_.one_of(manager_.names()));
      return;
    case 1:
      if (climate_.crashes) manager_.crash(chance_.one_of(manager_.names()));
      return;
    case 2:
      if (climate_.reboots && chance_.percent(30)) reboot();
      return;
    case 3:
      if (climate_.full_disk) {
        disk_.set_full(!disk_.full());
        ledger_.trace(disk_.full() ? "the disk is full" : "the disk has room");
      }
      return;
    case 4:
      if (!climate_.lost_connections || !agent_) return;
      ledger_.trace(agent_->connection->lost() ? "the manager is back" : "the manager is lost");
      if (agent_->connection->lost()) {
        agent_->connection->find_again();
      } else {
        agent_->connection->lose();
      }
      return;
    case 5:
      if (!climate_.set_clocks) return;
      time_.date += chance_.between(Milliseconds{-90'000'000}, Milliseconds{90'000'000});
      ledger_.trace("somebody sets the clock");
      return;
    case 6:
      if (!climate_.holds || !agent_) return;
      mortally([this] {
        (void)agent_->jobs->set_hold(kOperator, !agent_->jobs->hold().on, "maintenance");
      });
      return;
    default:
      if (!climate_.kills || !agent_) return;
      ledger_.trace("the agent is killed between two turns");
      ++kills_;
      end_agent();
      return;
  }
}

// Lives --------------------------------------------------------------------------------------------

void World::begin_agent() {
  ledger_.trace("an agent begins");
  fuse_.put_out();
  if (climate_.kills && chance_.percent(10)) fuse_.set(1 + chance_.below(6));
  mortally([this] {
    Agent& it = agent_.emplace();
    it.events = std::make_unique<EventFeed>("epoch" + std::to_string(++agents_));
    it.connection = std::make_unique<Connection>(manager_, disk_, fuse_, ledger_);
    it.journal = std::make_unique<DiskJournal>(disk_, fuse_, ledger_, *it.connection);
    auto jobs = Jobs::start({.journal = *it.journal,
                             .scm = *it.connection,
                             .events = *it.events,
                             .attendant =
                                 [this, &it](AttendantSink& sink) {
                                   auto attendance =
                                       std::make_unique<Attendance>(sink, disk_, fuse_, ledger_);
                                   it.attendance = attendance.get();
                                   return attendance;
                                 },
                             .clock = time_,
                             .boot = "boot " + std::to_string(boots_),
                             .turns = Turns::by_hand},
                            policies_, Milliseconds{0});
    it.jobs = std::move(*jobs);
  });
}

void World::end_agent() {
  fuse_.put_out();
  agent_.reset();
}

void World::reboot() {
  ledger_.trace("the machine reboots");
  end_agent();
  disk_.lose_power(chance_);
  manager_.reboot("boot " + std::to_string(boots_));
  ++boots_;
  time_.now = MonoTime{Milliseconds{1'000}};
  last_arrival_ = time_.now;
  time_.date += Milliseconds{30'000};
  manager_.set_time(time_.now);
}

// Nothing is shown that is not on disk.
void World::hear_events() {
  if (!agent_) return;
  const auto batch = agent_->events->next(agent_->heard, Milliseconds{0});
  agent_->heard = batch.last;
  for (const auto& event : batch.events) {
    if (!event.job) continue;
    const auto kept = disk_.state().jobs.find(event.job->id);
    const bool durable =
        kept != disk_.state().jobs.end() && kept->second->state >= event.job->state &&
        (event.job->state != JobState::done || kept->second->result == event.job->result);
    if (!durable) {
      ledger_.violated(kDurableFirst,
                       ledger_.number_of(event.job->id) + " was shown before it was on disk");
    }
  }
}

// The calm after it --------------------------------------------------------------------------------

bool World::all_is_settled() const {
  if (manager_.inbox() != 0 || manager_.outbox() != 0) return false;
  const auto& jobs = disk_.state().jobs;
  return std::all_of(jobs.begin(), jobs.end(), [](const auto& entry) {
    return entry.second->state == JobState::done && entry.second->restored != Restored::pending;
  });
}

void World::calm() {
  ledger_.trace("all is calm");
  fuse_.put_out();
  climate_ = {};
  disk_.set_full(false);
  manager_.calm_down();
  if (!agent_) begin_agent();
  if (agent_->connection->lost()) agent_->connection->find_again();
  if (agent_->jobs->hold().on) (void)agent_->jobs->set_hold(kOperator, false, "");
  constexpr int kLongEnough = 20'000;
  int quiet = 0;
  for (int n = 0; n < kLongEnough && quiet < 3 && ledger_.violations().empty(); ++n) {
    while (manager_.inbox() != 0)
      manager_.take_one();
    while (manager_.outbox() != 0)
      agent_->connection->receive();
    while (agent_->attendance->busy())
      agent_->attendance->end_one(true);
    take_turn();
    let_time_pass(true);
    quiet = all_is_settled() && manager_.next_timer() == MonoTime::max() ? quiet + 1 : 0;
  }
}

}  // namespace noforce::simulation
