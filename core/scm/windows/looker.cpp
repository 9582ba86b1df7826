#include "core/scm/windows/looker.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "core/log.hpp"
#include "core/scm/windows/configuration.hpp"

namespace noforce::windows {
namespace {

constexpr std::string_view kComponent = "windows";
constexpr Milliseconds kFirstRetry{100};
constexpr Milliseconds kLongestRetry{5'000};
constexpr std::uint32_t kManagerRights = right::manager_connect | right::manager_enumerate;

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
      controls_(*this, inventory_, notebook_, crew_, clock),
      processes_(*calls_) {}

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
  controls_.look_at_repeated();
  publish();
}

MonoTime Looker::next_due() const {
  if (!manager_) return retry_at_;
  MonoTime due = std::min(round_at_, controls_.next_due());
  for (const auto& [name, entry] : inventory_.entries())
    due = std::min(due, entry.due);
  return due;
}

void Looker::hear(const Woken& woken) {
  const MonoTime now = clock_.mono();
  for (const auto& name : woken.services) {
    Entry* entry = inventory_.find(name);
    if (entry == nullptr) continue;
    entry->armed = false;
    entry->due = now;
  }
  for (const auto pid : woken.processes) {
    for (auto& [name, entry] : inventory_.entries()) {
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
    controls_.give_up(*token, std::move(error));
  }
}

void Looker::serve(Request& request) {
  if (auto* control = std::get_if<Control>(&request)) controls_.submit(std::move(*control));
  if (auto* done = std::get_if<Carried>(&request)) controls_.carried(*done);
  if (auto* ask = std::get_if<Prepare>(&request)) prepare(*ask);
  if (auto* free = std::get_if<Release>(&request)) release(free->job);
  if (auto* watch = std::get_if<Watch>(&request)) {
    attention_.watch(watch->services);
    for (const auto& name : attention_.watched())
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
  inventory_.set_group_order(calls_->group_order());
  round();
  if (!manager_) return;
  retry_delay_ = Milliseconds{0};
  const bool again = std::exchange(told_lost_, false);
  const bool first = !std::exchange(ever_complete_, true);
  if (first) (void)inventory_.take_inventory_changed();
  dirty_ = dirty_ || first || again;
  publish();
  if (again) outlets_.sink->connection_changed(false);
  if (first) outlets_.ready({});
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
  for (auto& [name, entry] : inventory_.entries()) {
    entry.armed = false;
    entry.unnotified = false;
    if (is_close(name, entry)) entry.due = now;
  }
}

void Looker::lost(Code code) {
  Error error = error_of(code, "the service manager", "a connection");
  error.kind = code == code::access_denied ? ErrorKind::access_denied : ErrorKind::scm_unavailable;
  error.service.clear();
  if (!told_lost_) log_warning(kComponent, error.detail);
  if (!ever_complete_ && code == code::access_denied) outlets_.ready(std::unexpected(error));
  manager_.reset();
  calls_->forget_services();
  for (auto& [name, entry] : inventory_.entries())
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
    if (inventory_.find(one.name) != nullptr) continue;
    Entry& entry = inventory_.add(one);
    if (const auto runs = notebook_.runs().find(one.name); runs != notebook_.runs().end()) {
      entry.followed.remember(runs->second);
    }
    shape = true;
    (void)read_configuration(one.name);
    inventory_.touch(one.name);
  }
  shape = inventory_.keep_only(there) || shape;
  if (shape || depends_on_unknown_) rebuild_graph();
  if (shape) {
    // Many configurations take their time, and the statuses are from before them.
    listed = calls_->list_services(manager_);
    if (!listed) return lost(listed.error());
  }
  for (const auto& one : *listed) {
    if (Entry* entry = inventory_.find(one.name); entry != nullptr) {
      take(*entry, one.status);
    } else {
      round_at_ = clock_.mono();  // it came in between
    }
  }
  processes_.keep_only(inventory_.pids());
  if (!shape) read_some_configurations();
}

void Looker::look_due() {
  const MonoTime now = clock_.mono();
  std::vector<std::string> due;
  for (const auto& [name, entry] : inventory_.entries()) {
    if (entry.due <= now) due.push_back(name);
  }
  for (const auto& name : due)
    look(name);
}

// Watched first and looked at then: what happens in between is not lost.
void Looker::look(const std::string& name) {
  Entry* entry = inventory_.find(name);
  if (entry == nullptr || !manager_) return;
  entry->due = MonoTime::max();
  if (is_close(name, *entry)) arm(name, *entry);
  if (!manager_) return;
  const auto status = status_of(name);
  if (status) return take(*entry, *status);
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
  const StatusRecord status = processes_.hold(told, [&] { return status_of(name); });
  if (entry.followed.take(status, sight_of(entry, status))) inventory_.touch(name);
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
  if (status.pid != 0) sight.named = processes_.look(status.pid);
  // Whom the service no longer names is not looked for by number: only its handle tells of it.
  const std::uint32_t known = entry.followed.process();
  if (known != 0 && known != status.pid) sight.last = processes_.look(known);
  const std::uint32_t pid = status.pid != 0 ? status.pid : known;
  if (pid != 0) sight.others_run_there = inventory_.others_run_in(pid, entry);
  return sight;
}

bool Looker::is_close(const std::string& name, const Entry& entry) const {
  return attention_.is_on(name) || controls_.is_open_for(name) ||
         is_pending(entry.followed.service().state);
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

void Looker::listen_to(const std::string& name) {
  if (Entry* entry = inventory_.find(name); entry != nullptr) arm(name, *entry);
}

// ---- configuration

// True when the graph has to be drawn anew.
bool Looker::read_configuration(const std::string& name) {
  Entry* entry = inventory_.find(name);
  if (entry == nullptr || !manager_) return false;
  auto read = query_configuration(*calls_, manager_, name, entry->configuration);
  if (!read) return false;  // the round tells
  return inventory_.take(*entry, std::move(*read));
}

// The manager does not say when a configuration changed: a few are read again each round.
void Looker::read_some_configurations() {
  const auto& entries = inventory_.entries();
  bool other = false;
  auto it = entries.lower_bound(next_configuration_);
  for (std::size_t n = 0; n < std::min(kConfigsARound, entries.size()); ++n) {
    if (it == entries.end()) it = entries.begin();
    other = read_configuration(it->first) || other;
    ++it;
  }
  next_configuration_ = it == entries.end() ? std::string() : it->first;
  if (other) rebuild_graph();
}

void Looker::read_all_configurations() {
  bool other = false;
  for (const auto& [name, entry] : inventory_.entries())
    other = read_configuration(name) || other;
  if (other) rebuild_graph();
}

void Looker::read_drivers() {
  if (const auto drivers = calls_->list_drivers(manager_)) inventory_.set_drivers(*drivers);
}

void Looker::rebuild_graph() {
  auto nodes = inventory_.nodes();
  depends_on_unknown_ = inventory_.has_unknown(nodes);
  if (depends_on_unknown_ && manager_) {
    read_drivers();  // it may be a driver that was installed since
    nodes = inventory_.nodes();
    depends_on_unknown_ = inventory_.has_unknown(nodes);
  }
  inventory_.draw(std::move(nodes));
}

// ---- out

void Looker::prepare(const Prepare& prepare) {
  attention_.prepare(prepare.job, prepare.services);
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
  if (!attention_.release(job)) return;
  calls_->forget_services();
  for (auto& [name, entry] : inventory_.entries()) {
    entry.armed = false;
    if (is_close(name, entry)) entry.due = clock_.mono();
  }
}

void Looker::publish() {
  if (ever_complete_ && (dirty_ || inventory_.looks_different())) {
    dirty_ = false;
    outlets_.publish(inventory_.picture(!told_lost_), inventory_.facts());
    if (inventory_.take_inventory_changed()) outlets_.sink->inventory_changed();
    for (const auto& name : inventory_.take_changed())
      outlets_.sink->observed(name);
  }
  for (auto& completion : controls_.take_completions())
    outlets_.sink->completed(std::move(completion));
}

}  // namespace noforce::windows
