#include "core/scm/windows/looker.hpp"

#include <algorithm>
#include <utility>

#include "core/graph.hpp"
#include "core/log.hpp"
#include "core/scm/windows/warnings.hpp"

namespace noforce::windows {
namespace {

constexpr std::string_view kComponent = "windows";
constexpr Milliseconds kFirstRetry{100};
constexpr Milliseconds kLongestRetry{5'000};
constexpr int kMostTakeovers = 4;  // of a pid within one look
constexpr std::uint32_t kManagerRights = right::manager_connect | right::manager_enumerate;

std::string asked_for(ControlOp op) {
  return "`" + std::string(to_string(op)) + "`";
}

// What the manager's answer means for this control once the service was looked at: a stop that came
// while another one is under way has joined it.
bool joined(ControlOp op, Code code, const Service& service) {
  return op == ControlOp::stop && code == code::cannot_accept &&
         (service.state == ServiceState::stop_pending || service.state == ServiceState::stopped);
}

// False: it was broken off, and what that was stands in the log.
template <typename Part>
bool guard(const Part& part) {
  try {
    part();
    return true;
  } catch (const std::exception& failure) {
    log_error(kComponent, std::string("a part of its work was lost: ") + failure.what());
    return false;
  }
}

bool has_unknown(const std::vector<Graph::Node>& nodes, const Configuration& known) {
  return std::any_of(nodes.begin(), nodes.end(), [&](const auto& node) {
    return std::any_of(node.depends_on.begin(), node.depends_on.end(),
                       [&](const auto& name) { return !known.contains(name); });
  });
}

// The answer of `query` about a service, or why that could not be opened.
template <typename Query>
auto ask(const Answer<ServiceHandle>& service, const Query& query) -> decltype(query(*service)) {
  if (!service) return std::unexpected(service.error());
  return query(*service);
}

}  // namespace

Looker::Looker(std::shared_ptr<Calls> calls, std::filesystem::path notes, Outlets outlets,
               Mailbox& mailbox, const Clock& clock)
    : calls_(std::move(calls)),
      outlets_(std::move(outlets)),
      mailbox_(mailbox),
      clock_(clock),
      notebook_(std::move(notes)),
      crew_(
          calls_, [this](Carried carried) { mailbox_.post(std::move(carried)); }, clock),
      graph_(std::make_shared<const Graph>()),
      facts_(std::make_shared<const ServiceFacts>()) {}

void Looker::run() {
  while (!leaving_) {
    guard([this] { look_around(); });
    guard([this] { hear(calls_->wait(next_due())); });
    guard([this] { serve_mailbox(); });
  }
  crew_.dismiss();
  calls_->forget_services();
  processes_.clear();
  manager_.reset();
}

void Looker::look_around() {
  if (!manager_ && clock_.mono() >= retry_at_) connect();
  if (manager_ && clock_.mono() >= round_at_) round();
  if (manager_) look_due();
  look_at_repeated();
  publish();
}

MonoTime Looker::next_due() const {
  if (!manager_) return retry_at_;
  MonoTime due = round_at_;
  for (const auto& [name, entry] : entries_)
    due = std::min(due, entry.due);
  for (const auto& one : repeated_)
    due = std::min(due, one.until);
  return due;
}

void Looker::hear(const Woken& woken) {
  const MonoTime now = clock_.mono();
  for (const auto& name : woken.services) {
    const auto found = entries_.find(name);
    if (found == entries_.end()) continue;
    found->second.armed = false;
    found->second.due = now;
  }
  for (const auto pid : woken.processes) {
    for (auto& [name, entry] : entries_) {
      if (entry.followed.process() == pid || entry.followed.status().pid == pid) entry.due = now;
    }
  }
}

// Each request by itself: one that fails takes none of the others with it, the end least of all, and
// leaves nobody waiting.
void Looker::serve_mailbox() {
  for (auto& request : mailbox_.take()) {
    if (std::holds_alternative<Leave>(request)) leaving_ = true;
    std::optional<ControlToken> token;  // somebody waits for its answer
    std::string service;
    if (const auto* control = std::get_if<Control>(&request)) {
      token = control->token;
      service = control->service;
    } else if (const auto* done = std::get_if<Carried>(&request)) {
      token = done->order.token;
      service = done->order.service;
    }
    if (guard([&] { serve(request); })) continue;
    Error error{.kind = ErrorKind::internal,
                .detail = "the agent failed while it asked the service manager; its log tells more",
                .service = service};
    if (const auto* ask = std::get_if<Prepare>(&request)) ask->reply->give(std::unexpected(error));
    if (const auto* again = std::get_if<LookAgain>(&request)) tell(*again);
    if (!token) continue;
    error.effect = Effect::unknown;  // how far it came is not known
    under_way_.erase(*token);
    refuse(*token, std::move(error));
  }
}

void Looker::serve(Request& request) {
  if (auto* control = std::get_if<Control>(&request)) submit(std::move(*control));
  if (auto* done = std::get_if<Carried>(&request)) carried(*done);
  if (auto* ask = std::get_if<Prepare>(&request)) prepare(*ask);
  if (auto* free = std::get_if<Release>(&request)) release(free->job);
  if (auto* watch = std::get_if<Watch>(&request)) {
    watched_ = {watch->services.begin(), watch->services.end()};
    for (const auto& name : watched_)
      look(name);
  }
  if (auto* again = std::get_if<LookAgain>(&request)) {
    if (again->services.empty()) round_at_ = clock_.mono();
    bool other = false;
    for (const auto& name : again->services) {
      other = read_configuration(name) || other;
      look(name);
    }
    if (other) rebuild_graph();
    if (again->done) publish();
    tell(*again);
  }
}

void Looker::tell(const LookAgain& again) {
  if (again.done) again.done->give(true);
}

// ---- the manager

void Looker::connect() {
  retry_at_ = clock_.mono() + kFirstRetry;  // also where what follows is broken off
  auto manager = calls_->open_manager(kManagerRights);
  if (!manager) return lost(manager.error());
  manager_ = std::move(*manager);
  read_drivers();
  group_order_ = calls_->group_order();
  round();
  if (!manager_) return;
  retry_delay_ = Milliseconds{0};
  const bool again = std::exchange(told_lost_, false);
  const bool first = !std::exchange(ever_complete_, true);
  if (first) inventory_changed_ = false;
  dirty_ = dirty_ || first || again;
  publish();
  if (again) outlets_.sink->connection_changed(false);
  if (first) outlets_.ready({});
}

void Looker::lost(Code code) {
  Error error = error_of(code, "the service manager", "a connection");
  error.kind = code == code::access_denied ? ErrorKind::access_denied : ErrorKind::scm_unavailable;
  error.service.clear();
  if (!told_lost_) log_warning(kComponent, error.detail);
  if (!ever_complete_ && code == code::access_denied) outlets_.ready(std::unexpected(error));
  manager_.reset();
  calls_->forget_services();
  for (auto& [name, entry] : entries_)
    entry.armed = false;
  retry_delay_ = std::clamp(retry_delay_ * 2, kFirstRetry, kLongestRetry);
  retry_at_ = clock_.mono() + retry_delay_;
  if (!ever_complete_ || std::exchange(told_lost_, true)) return;
  dirty_ = true;
  publish();
  outlets_.sink->connection_changed(true);
}

// ---- looking

void Looker::round() {
  round_at_ = clock_.mono() + kRound;
  auto listed = calls_->list_services(manager_);
  if (!listed) return lost(listed.error());
  bool shape = false;
  std::set<std::string> there;
  for (const auto& one : *listed) {
    there.insert(one.name);
    if (entries_.contains(one.name)) continue;
    Entry& entry = entries_.emplace(one.name, Entry(one.name)).first->second;
    entry.configured.config.display_name = one.display_name;
    if (const auto runs = notebook_.runs().find(one.name); runs != notebook_.runs().end()) {
      entry.followed.remember(runs->second);
    }
    shape = true;
    (void)read_configuration(one.name);
    changed_.insert(one.name);
  }
  for (auto it = entries_.begin(); it != entries_.end();) {
    const bool gone = !there.contains(it->first);
    if (gone) changed_.insert(it->first);
    shape = shape || gone;
    it = gone ? entries_.erase(it) : std::next(it);
  }
  if (shape || depends_on_unknown_) rebuild_graph();
  if (shape) {
    // Many configurations take their time, and the statuses are from before them.
    listed = calls_->list_services(manager_);
    if (!listed) return lost(listed.error());
  }
  for (const auto& one : *listed) {
    if (const auto found = entries_.find(one.name); found != entries_.end()) {
      take(found->second, one.status);
    } else {
      round_at_ = clock_.mono();  // it came in between
    }
  }
  drop_processes();
  if (!shape) read_some_configurations();
}

void Looker::look_due() {
  const MonoTime now = clock_.mono();
  std::vector<std::string> due;
  for (const auto& [name, entry] : entries_) {
    if (entry.due <= now) due.push_back(name);
  }
  for (const auto& name : due)
    look(name);
}

// Watched first and looked at then: what happens in between is not lost.
void Looker::look(const std::string& name) {
  const auto found = entries_.find(name);
  if (found == entries_.end() || !manager_) return;
  Entry& entry = found->second;
  entry.due = MonoTime::max();
  if (is_close(name, entry)) arm(name, entry);
  if (!manager_) return;
  const auto status = status_of(name);
  if (status) return take(entry, *status);
  if (means_lost(status.error())) return lost(status.error());
  round_at_ = clock_.mono();  // it is gone, or may not be asked alone: the round tells
  if (status.error() == code::access_denied) round_at_ += kUnnotifiedLook;
}

Answer<StatusRecord> Looker::status_of(const std::string& name) {
  const auto service = calls_->open_service(manager_, name, right::query_status);
  if (!service) return std::unexpected(service.error());
  return calls_->query_status(*service);
}

void Looker::take(Entry& entry, const StatusRecord& told) {
  const std::string& name = entry.followed.service().name;
  const StatusRecord status = with_its_process(name, told);
  if (entry.followed.take(status, sight_of(entry, status))) changed_.insert(name);
  if (entry.followed.runs().count > 0) notebook_.remember(name, entry.followed.runs());
  const MonoTime now = clock_.mono();
  MonoTime due = MonoTime::max();
  if (const auto again = entry.followed.look_again()) due = now + *again;
  const bool close = is_close(name, entry);
  // Armed at the next look, which is at once, so that nothing is missed in between.
  if (close && !entry.armed && !entry.unnotified) due = now;
  if (close && entry.unnotified) due = std::min(due, now + kUnnotifiedLook);
  entry.due = due;
}

Sight Looker::sight_of(const Entry& entry, const StatusRecord& status) {
  Sight sight{.now = clock_.mono(), .wall = clock_.wall()};
  if (status.pid != 0) sight.named = process_of(status.pid);
  // Whom the service no longer names is not looked for by number: only its handle tells of it.
  const std::uint32_t known = entry.followed.process();
  if (known != 0 && known != status.pid) sight.last = process_of(known);
  const std::uint32_t pid = status.pid != 0 ? status.pid : known;
  if (pid != 0) {
    sight.others_run_there = std::any_of(entries_.begin(), entries_.end(), [&](const auto& other) {
      const StatusRecord& its = other.second.followed.status();
      return &other.second != &entry && its.pid == pid && its.state != state::stopped;
    });
  }
  return sight;
}

// The status, with the process that it names open. A pid can be another process's by the time that it is
// opened, and is nobody else's from then on: it is the service's if the service still names it.
StatusRecord Looker::with_its_process(const std::string& name, StatusRecord status) {
  for (int tries = 0; tries < kMostTakeovers && status.pid != 0; ++tries) {
    if (!open_process(status.pid)) return status;
    const auto again = status_of(name);
    if (!again) return status;
    if (again->pid == status.pid) return *again;
    processes_.erase(status.pid);
    status = *again;
  }
  return status;
}

// True when something came to be known of whoever has this number now.
bool Looker::open_process(std::uint32_t pid) {
  Process& process = processes_[pid];
  if (process.handle) return false;
  process.seen.pid = pid;
  auto opened = calls_->open_process(pid);
  if (!opened) {
    // 87: there is no such process.
    process.seen.held = false;
    process.seen.ended = opened.error() == code::invalid_parameter;
    return process.seen.ended;
  }
  process.handle = std::move(*opened);
  process.seen = {.pid = pid, .held = true};
  if (const auto created = calls_->creation_time(process.handle)) process.seen.created = *created;
  if (calls_->watch_process(process.handle, pid) != code::success) {
    log_debug(kComponent, "the end of process " + std::to_string(pid) + " is seen by looking only");
  }
  return true;
}

ProcessSeen Looker::process_of(std::uint32_t pid) {
  const auto found = processes_.find(pid);
  if (found == processes_.end()) return {.pid = pid};
  Process& process = found->second;
  if (process.handle && !process.seen.ended) {
    process.seen.exit_code = calls_->exit_code(process.handle);
    process.seen.ended = process.seen.exit_code.has_value();
  }
  return process.seen;
}

void Looker::drop_processes() {
  std::set<std::uint32_t> used;
  for (const auto& [name, entry] : entries_) {
    used.insert(entry.followed.process());
    used.insert(entry.followed.status().pid);
  }
  std::erase_if(processes_, [&](const auto& it) { return !used.contains(it.first); });
}

bool Looker::is_close(const std::string& name, const Entry& entry) const {
  if (watched_.contains(name) || is_pending(entry.followed.service().state)) return true;
  const auto is_it = [&](const auto& it) { return it.second == name; };
  if (std::any_of(under_way_.begin(), under_way_.end(), is_it)) return true;
  const auto repeats = [&](const Repeated& it) { return it.control.service == name; };
  if (std::any_of(repeated_.begin(), repeated_.end(), repeats)) return true;
  return std::any_of(prepared_.begin(), prepared_.end(), [&](const auto& job) {
    return std::find(job.second.begin(), job.second.end(), name) != job.second.end();
  });
}

void Looker::arm(const std::string& name, Entry& entry) {
  if (entry.armed) return;
  const Code failed = calls_->watch_service(manager_, name, entry.followed.status().state);
  entry.armed = failed == code::success;
  entry.unnotified = !entry.armed;
  if (failed == code::notify_lagging && clock_.mono() - lagged_at_ > kRound) {
    lagged_at_ = clock_.mono();
    log_info(kComponent, number_and_name(failed) + "; the service manager is opened anew");
    return reopen();
  }
  if (means_lost(failed)) lost(failed);
}

// "Close the handle to the SCM, open a new handle, and call this function again"
// (NotifyServiceStatusChange). At once: what is asked of this thread meanwhile finds no outage. What
// was missed is seen by the round.
void Looker::reopen() {
  manager_.reset();
  calls_->forget_services();
  auto manager = calls_->open_manager(kManagerRights);
  if (!manager) return lost(manager.error());
  manager_ = std::move(*manager);
  const MonoTime now = clock_.mono();
  round_at_ = now;
  for (auto& [name, entry] : entries_) {
    entry.armed = false;
    entry.unnotified = false;
    if (is_close(name, entry)) entry.due = now;
  }
}

// ---- configuration

bool Looker::read_configuration(const std::string& name) {
  const auto found = entries_.find(name);
  if (found == entries_.end() || !manager_) return false;
  Entry& entry = found->second;
  // A right that is refused must not cost what the other one shows.
  const auto open = [&](std::uint32_t rights) {
    return calls_->open_service(manager_, name, rights);
  };
  const auto both = open(right::query_config | right::enumerate_dependents);
  const bool denied = !both && both.error() == code::access_denied;
  if (!both && !denied) return false;  // it is gone, or the manager is lost: the round tells
  const auto to_config = denied ? open(right::query_config) : Answer<ServiceHandle>();
  const auto to_list = denied ? open(right::enumerate_dependents) : Answer<ServiceHandle>();
  const auto& service = denied ? to_config : both;

  ConfiguredService configured = entry.configured;
  std::vector<std::string> unread;
  const auto missing = [&](Unread what, Code code) {
    if (auto warning = unread_warning(what, code)) unread.push_back(std::move(*warning));
  };
  auto config = ask(service, [&](const auto& it) { return calls_->query_config(it, name); });
  if (config) {
    configured.config = std::move(*config);
  } else {
    missing(entry.config_read ? Unread::config_again : Unread::config, config.error());
  }
  auto dependents =
      ask(denied ? to_list : both, [&](const auto& it) { return calls_->list_dependents(it); });
  if (dependents) {
    configured.dependents = std::move(*dependents);
  } else {
    missing(Unread::dependents, dependents.error());
  }
  std::vector<std::string> facts;
  if (config) {
    if (const auto triggers = calls_->query_triggers(*service)) {
      facts = trigger_warnings(name, *triggers);
    } else {
      missing(Unread::triggers, triggers.error());
    }
    if (const auto recovery = calls_->query_recovery(*service)) {
      for (auto& warning : recovery_warnings(name, *recovery))
        facts.push_back(std::move(warning));
    } else {
      missing(Unread::recovery, recovery.error());
    }
  }
  entry.config_read = entry.config_read || config;
  if (facts != entry.facts) changed_.insert(name);  // its plans read differently
  const bool other = configured.config != entry.configured.config ||
                     configured.dependents != entry.configured.dependents || facts != entry.facts ||
                     unread != entry.unread;
  entry.configured = std::move(configured);
  entry.facts = std::move(facts);
  entry.unread = std::move(unread);
  return other;
}

// The manager does not say when a configuration changed: a few are read again each round.
void Looker::read_some_configurations() {
  bool other = false;
  auto it = entries_.lower_bound(next_configuration_);
  for (std::size_t n = 0; n < std::min(kConfigsARound, entries_.size()); ++n) {
    if (it == entries_.end()) it = entries_.begin();
    other = read_configuration(it->first) || other;
    ++it;
  }
  next_configuration_ = it == entries_.end() ? std::string() : it->first;
  if (other) rebuild_graph();
}

void Looker::read_drivers() {
  const auto drivers = calls_->list_drivers(manager_);
  if (!drivers) return;
  drivers_.clear();
  for (const auto& name : *drivers)
    drivers_.insert(folded(name));
}

void Looker::rebuild_graph() {
  Configuration configuration;
  auto facts = std::make_shared<ServiceFacts>();
  for (const auto& [name, entry] : entries_) {
    configuration.emplace(name, entry.configured);
    if (!entry.facts.empty()) facts->emplace(name, entry.facts);
  }
  facts_ = std::move(facts);
  auto nodes = nodes_of(configuration, drivers_, group_order_);
  depends_on_unknown_ = has_unknown(nodes, configuration);
  if (depends_on_unknown_ && manager_) {
    read_drivers();  // it may be a driver that was installed since
    nodes = nodes_of(configuration, drivers_, group_order_);
    depends_on_unknown_ = has_unknown(nodes, configuration);
  }
  for (const auto& node : nodes) {
    Entry& entry = entries_.at(node.name);
    const Service before = entry.followed.service();
    entry.followed.describe(entry.configured.config, node.depends_on, entry.unread);
    if (!(before == entry.followed.service())) changed_.insert(node.name);
  }
  auto graph = std::make_shared<const Graph>(std::move(nodes));
  if (*graph == *graph_) return;
  graph_ = std::move(graph);
  inventory_changed_ = true;
}

// ---- controls

void Looker::submit(Control control) {
  const auto same = [&](const Repeated& it) { return it.control.token == control.token; };
  if (under_way_.contains(control.token) || std::any_of(repeated_.begin(), repeated_.end(), same)) {
    return;  // its answer is to come
  }
  if (manager_) look(control.service);
  // A known token first, also while the manager is lost: what went out is never told as unsent.
  if (const Note* note = notebook_.find(control.token)) {
    if (note->answer) {
      return answer(control.token, control.op, control.service, *note->answer);
    }
    if (!manager_) {
      repeated_.push_back({std::move(control), clock_.mono()});
      return;
    }
    return repeat(std::move(control), *note);
  }
  if (!manager_) {
    return refuse(control.token,
                  error_of(code::server_unavailable, control.service, asked_for(control.op)));
  }
  const auto found = entries_.find(control.service);
  if (found == entries_.end()) {
    return answer(control.token, control.op, control.service, code::does_not_exist);
  }
  const Service& service = found->second.followed.service();
  const bool other =
      control.op != ControlOp::start && (!control.instance || service.instance != control.instance);
  if (other) return answer(control.token, control.op, control.service, code::not_active);
  send(std::move(control));
}

// The note stands on disk before the control goes out.
void Looker::send(Control control) {
  const auto found = entries_.find(control.service);
  if (found == entries_.end()) {
    return answer(control.token, control.op, control.service, code::does_not_exist);
  }
  const bool noted = notebook_.add({.token = control.token,
                                    .op = control.op,
                                    .service = control.service,
                                    .key = control.instance ? control.instance->key : std::string(),
                                    .sent_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                                                   clock_.mono().time_since_epoch())
                                                   .count(),
                                    .answer = {}});
  if (!noted && control.op != ControlOp::start) {
    Error error;
    error.kind = ErrorKind::busy;
    error.service = control.service;
    error.detail = control.service + " was not asked for " + asked_for(control.op) +
                   ": the agent cannot note it in its state directory first. Look whether its disk "
                   "is full.";
    return refuse(control.token, std::move(error));
  }
  under_way_.emplace(control.token, control.service);
  look(control.service);  // heard from now on
  crew_.send({.token = control.token,
              .op = control.op,
              .service = control.service,
              .pid = control.op == ControlOp::start ? 0 : found->second.followed.process(),
              .comment = std::move(control.comment)});
}

void Looker::repeat(Control control, const Note& note) {
  const auto found = entries_.find(control.service);
  const Service* service = found == entries_.end() ? nullptr : &found->second.followed.service();
  const Repeat what = decide_repeat(note, service, clock_.mono());
  switch (what.what) {
    case Repeat::Do::answer:
      notebook_.answer(control.token, what.code);
      return answer(control.token, control.op, control.service, what.code);
    case Repeat::Do::send:
      return send(std::move(control));
    case Repeat::Do::wait:
      repeated_.push_back({std::move(control), what.until});
      if (found != entries_.end()) arm(found->first, found->second);
  }
}

void Looker::look_at_repeated() {
  if (repeated_.empty() || !manager_) return;
  for (auto& one : std::exchange(repeated_, {})) {
    if (const Note* note = notebook_.find(one.control.token)) {
      const Note copy = *note;
      repeat(std::move(one.control), copy);
    }
  }
}

void Looker::carried(const Carried& carried) {
  const Order& order = carried.order;
  notebook_.answer(order.token, carried.code);
  if (carried.code == code::dependents_running) {
    // Somebody hangs on it that the configuration did not show: what the manager says now counts.
    bool other = false;
    for (const auto& [name, entry] : entries_)
      other = read_configuration(name) || other;
    if (other) rebuild_graph();
  }
  if (manager_) look(order.service);
  under_way_.erase(order.token);
  answer(order.token, order.op, order.service, carried.code);
}

void Looker::answer(const ControlToken& token, ControlOp op, const std::string& service,
                    Code code) {
  const auto found = entries_.find(service);
  const bool good = code == code::success ||
                    (found != entries_.end() && joined(op, code, found->second.followed.service()));
  if (good) {
    completions_.push_back({.token = token, .service = service, .result = {}});
    return;
  }
  Error error = error_of(code, service, asked_for(op));
  if (code == code::dependents_running) {
    auto hanging = graph_->all_dependents({service});
    std::erase_if(hanging, [this](const std::string& name) {
      const auto it = entries_.find(name);
      return it == entries_.end() || !is_up(it->second.followed.service().state);
    });
    if (auto order = graph_->start_order(hanging)) hanging.assign(order->rbegin(), order->rend());
    error.dependents = std::move(hanging);
  }
  refuse(token, std::move(error));
}

void Looker::refuse(const ControlToken& token, Error error) {
  const std::string service = error.service;
  completions_.push_back(
      {.token = token, .service = service, .result = std::unexpected(std::move(error))});
}

// ---- out

void Looker::prepare(const Prepare& prepare) {
  auto& all = prepared_[prepare.job];
  all.insert(all.end(), prepare.services.begin(), prepare.services.end());
  if (!manager_) {
    prepare.reply->give(std::unexpected(
        error_of(code::server_unavailable, "the service manager", "what a stop needs")));
    return;
  }
  for (const auto& name : prepare.services)
    look(name);  // opens its process, and asks to hear of it
  prepare.reply->give({});
}

// Who is no longer looked at closely is no longer held open: a service that is cannot be deleted.
void Looker::release(const std::string& job) {
  if (prepared_.erase(job) == 0) return;
  calls_->forget_services();
  for (auto& [name, entry] : entries_) {
    entry.armed = false;
    if (is_close(name, entry)) entry.due = clock_.mono();
  }
}

void Looker::publish() {
  if (ever_complete_ && (dirty_ || !changed_.empty() || inventory_changed_)) {
    dirty_ = false;
    auto picture = std::make_shared<Picture>();
    picture->revision = ++revision_;
    picture->complete = !told_lost_;
    picture->services.reserve(entries_.size());
    for (const auto& [name, entry] : entries_)
      picture->services.push_back(std::make_shared<const Service>(entry.followed.service()));
    picture->graph = graph_;
    outlets_.publish(std::move(picture), facts_);
    if (std::exchange(inventory_changed_, false)) outlets_.sink->inventory_changed();
    for (const auto& name : std::exchange(changed_, {}))
      outlets_.sink->observed(name);
  }
  for (auto& completion : std::exchange(completions_, {}))
    outlets_.sink->completed(std::move(completion));
}

}  // namespace noforce::windows
