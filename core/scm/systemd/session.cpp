#include "core/scm/systemd/session.hpp"

#include <poll.h>

#include <algorithm>
#include <array>

#include "core/log.hpp"
#include "core/scm/systemd/answers.hpp"
#include "core/scm/systemd/names.hpp"
#include "core/scm/systemd/unit_files.hpp"

namespace noforce::systemd {
namespace {

constexpr std::string_view kUnitInterface = "org.freedesktop.systemd1.Unit";
constexpr int kLooksAtOnce = 4;  // of some milliseconds each: a control waits for no more of them
constexpr Milliseconds kWatchPause{2'000};
constexpr Milliseconds kListPause{60'000};
constexpr Milliseconds kFirstTry{20};
constexpr Milliseconds kLongestTry{1'000};
constexpr Milliseconds kReloadPatience{90'000};  // of 500 units it takes 400 ms, of many more more
constexpr std::size_t kTokensKept = 4096;

Error away() {
  return {.kind = ErrorKind::scm_unavailable,
          .detail = "systemd cannot be reached at the moment; nothing was sent."};
}

}  // namespace

Session::Session(Options options, Outlets outlets, Shared& shared, Mailbox& mailbox,
                 const Clock& clock)
    : options_(std::move(options)),
      outlets_(std::move(outlets)),
      shared_(shared),
      mailbox_(mailbox),
      clock_(clock),
      spared_(*this, options_.files, clock) {}

// The connection ---------------------------------------------------------------------------------

void Session::run() {
  if (auto loaded = spared_.load(options_.begun); !loaded) {
    outlets_.ready->give(std::unexpected(loaded.error()));
  }
  while (!leaving_) {
    if (wire_ == nullptr && clock_.mono() >= connect_at_) connect();
    wait();
    work_off_mailbox();
    if (wire_ == nullptr) continue;
    if (!wire_->process()) {
      lose();
      continue;
    }
    look_some();
    look_at_watched();
    if (complete_) {
      publish();
      sweep_at_ = spared_.sweep();
    }
  }
  wire_.reset();
  // Whoever waits for an answer that cannot come any more.
  outlets_.ready->give(std::unexpected(away()));
}

void Session::connect() {
  auto wire = options_.open([this](const Signal& signal) { hear(signal); });
  if (!wire) {
    ++failures_;
    connect_at_ = clock_.mono() + std::min(kFirstTry * (1 << std::min(failures_, 6)), kLongestTry);
    const MutexLock lock(shared_.mutex);
    shared_.why_lost = wire.error().detail;
    return;
  }
  failures_ = 0;
  wire_ = std::move(*wire);
  is_new_ = true;
  call("Subscribe", {}, [](const CallReply&) {});  // AlreadySubscribed will do
  wire_->call({.interface = std::string(kPropertiesInterface),
               .member = "Get",
               .arguments = {std::string(kManagerInterface), "UnitPath"}},
              [this](const CallReply& reply) {
                if (reply && !reply->empty()) unit_path_ = reply->front().texts();
                list();
              });
}

void Session::lose() {
  wire_.reset();
  const bool was_complete = std::exchange(complete_, false);
  looking_ = 0;
  listing_ = list_again_ = loaded_asked_ = false;
  to_look_.clear();
  queued_.clear();
  halves_.clear();
  jobs_.clear();
  connect_at_ = clock_.mono() + kFirstTry;
  if (!was_complete) return;
  log_warning("systemd", "the connection to systemd is lost; trying again");
  publish();
  outlets_.sink->connection_changed(true);
}

void Session::wait() {
  std::array<pollfd, 2> fds{pollfd{.fd = mailbox_.wake().fd(), .events = POLLIN, .revents = 0},
                            pollfd{.fd = -1, .events = 0, .revents = 0}};
  if (wire_ != nullptr) {
    fds[1].fd = wire_->descriptor();
    fds[1].events = wire_->events();
  }
  const MonoTime due = next_due();
  int timeout = -1;
  if (due != MonoTime::max()) {
    const auto left = std::chrono::ceil<Milliseconds>(due - clock_.mono());
    timeout = static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
  }
  (void)::poll(fds.data(), fds.size(), timeout);
}

MonoTime Session::next_due() const {
  if (wire_ == nullptr) return connect_at_;
  MonoTime due = wire_->due().value_or(MonoTime::max());
  if (complete_) {
    due = std::min(due, list_at_);
    if (!watched_.empty()) due = std::min(due, watch_at_);
    if (sweep_at_) due = std::min(due, *sweep_at_);
  }
  return due;
}

void Session::work_off_mailbox() {
  for (auto& request : mailbox_.take())
    std::visit([this](auto& one) { serve(std::move(one)); }, request);
}

void Session::call(std::string member, std::vector<std::string> arguments, Wire::OnReply on_reply) {
  Call call{.member = std::move(member), .arguments = std::move(arguments)};
  if (call.member == "Reload") call.patience = kReloadPatience;
  wire_->call(std::move(call), std::move(on_reply));
}

// What there is ------------------------------------------------------------------------------------

void Session::list() {
  list_at_ = clock_.mono() + kListPause;
  if (listing_) {
    list_again_ = true;
    return;
  }
  listing_ = true;
  call("ListUnits", {}, [this](const CallReply& reply) {
    listing_ = false;
    if (reply && !reply->empty()) take_list(reply);
    if (std::exchange(list_again_, false)) list();
    look_some();
  });
}

// Asks for each unit that is new, whose files have changed, or that is not as the list has it.
void Session::take_list(const CallReply& reply) {
  const UnitFiles files = UnitFiles::in(unit_path_);
  const bool is_new = std::exchange(is_new_, false);
  std::set<std::string> found;
  std::vector<std::string> wanted;
  const MutexLock lock(shared_.mutex);
  // name, description, load, active, sub, following, path, job id, job type, job path
  for (const auto& row : reply->front().list()) {
    const std::string& name = row.at(0).text();
    found.insert(name);
    const Unit* unit = shared_.units.find(name);
    const bool is_as_known = unit != nullptr && unit->is().active_state == row.at(3).text() &&
                             unit->is().sub_state == row.at(4).text() &&
                             unit->is().job == row.at(7).unsigned_integer();
    // Over a new connection it may be another run in the same state.
    if (!is_as_known || (is_new && is_up(unit->state()))) wanted.push_back(name);
  }
  for (auto& name : files.names()) {
    const Unit* unit = shared_.units.find(name);
    const bool looks_up = unit != nullptr && unit->is().id == name && is_up(unit->state());
    if (unit == nullptr || (looks_up && !found.contains(name))) wanted.push_back(name);
    found.insert(std::move(name));
  }
  for (const auto& name : found) {
    const std::uint64_t print = files.print_of(name);
    const auto known = prints_.try_emplace(name, print);
    if (!known.second && std::exchange(known.first->second, print) != print) wanted.push_back(name);
  }
  std::erase_if(prints_, [&found](const auto& each) { return !found.contains(each.first); });
  for (const auto& unit : wanted) {
    if (shared_.units.is_of_interest(unit)) look_soon(unit);
  }
  for (const auto& unit : shared_.units.ids()) {
    if (!found.contains(unit) && shared_.units.forget(unit)) changed_.insert(unit);
  }
}

void Session::look_soon(const std::string& unit) {
  if (queued_.insert(unit).second) to_look_.push_back(unit);
}

void Session::look_some() {
  while (looking_ < kLooksAtOnce && !to_look_.empty()) {
    const std::string unit = std::move(to_look_.front());
    to_look_.pop_front();
    queued_.erase(unit);
    ++looking_;
    look(unit, [this] {
      --looking_;
      look_some();
    });
  }
  if (!complete_ && !is_new_ && !listing_ && looking_ == 0 && to_look_.empty()) became_complete();
}

void Session::became_complete() {
  complete_ = true;
  watch_at_ = clock_.mono() + kWatchPause;
  publish();
  if (!std::exchange(was_ready_, true)) {
    outlets_.ready->give({});
  } else {
    log_info("systemd", "connected to systemd again");
    outlets_.sink->connection_changed(false);
  }
}

// All properties, in one call for all of the unit's interfaces.
void Session::look(const std::string& unit, Then then) {
  wire_->call({.path = object_path(unit),
               .interface = std::string(kPropertiesInterface),
               .member = "GetAll",
               .arguments = {""}},
              [this, unit, then = std::move(then)](const CallReply& reply) {
                if (reply && !reply->empty()) {
                  take(unit, {reply->front()});
                } else if (!reply && !reply.error().unknown_effect) {
                  forget(unit);
                }
                then();
              });
}

void Session::take(const std::string& unit, const std::vector<Value>& dictionaries) {
  const MonoTime now = clock_.mono();
  const MutexLock lock(shared_.mutex);
  if (const auto id = shared_.units.take(unit, dictionaries, now)) changed_.insert(*id);
}

void Session::forget(const std::string& unit) {
  const MutexLock lock(shared_.mutex);
  if (shared_.units.forget(unit)) changed_.insert(unit);
}

void Session::look_at_loaded_soon() {
  if (std::exchange(loaded_asked_, true)) return;
  call("ListUnits", {}, [this](const CallReply& reply) {
    loaded_asked_ = false;
    if (!reply || reply->empty()) return;
    // name, description, load, active, sub, following, path, job id, job type, job path
    for (const auto& row : reply->front().list()) {
      const std::string& name = row.at(0).text();
      const std::string& active = row.at(3).text();
      const std::uint64_t job = row.at(7).unsigned_integer();
      {
        const MutexLock lock(shared_.mutex);
        const Unit* unit = shared_.units.find(name);
        if (unit == nullptr) continue;
        if (unit->is().active_state == active && unit->is().job == job) continue;
      }
      if (active != "inactive" || job != 0) look_soon(name);
    }
    look_some();
  });
}

void Session::look_at_watched() {
  if (!complete_) return;
  const MonoTime now = clock_.mono();
  if (now >= list_at_) list();
  if (watched_.empty() || now < watch_at_) return;
  watch_at_ = now + kWatchPause;
  for (const auto& unit : watched_)
    look_soon(unit);
  look_some();
}

void Session::publish() {
  const auto changed = std::exchange(changed_, {});
  bool shape = false;
  {
    const MutexLock lock(shared_.mutex);
    if (changed.empty() && shared_.picture != nullptr && shared_.picture->complete == complete_) {
      return;
    }
    shared_.picture = shared_.units.picture(complete_);
    shape = shared_.units.take_inventory_changed();
  }
  if (!was_ready_) return;
  for (const auto& unit : changed)
    outlets_.sink->observed(unit);
  if (shape) outlets_.sink->inventory_changed();
}

// Signals ----------------------------------------------------------------------------------------

void Session::hear(const Signal& signal) {
  const auto argument = [&](std::size_t n) -> const Value& {
    static const Value nothing;
    return n < signal.arguments.size() ? signal.arguments[n] : nothing;
  };
  if (signal.interface == kPropertiesInterface) return hear_change(signal);
  if (signal.interface != kManagerInterface) return;
  if (signal.member == "UnitNew") return hear_new_unit(argument(0).text());
  if (signal.member == "UnitRemoved") return hear_removed_unit(argument(0).text());
  if (signal.member == "JobRemoved") return hear_job_removed(signal);
  if (signal.member == "UnitFilesChanged") return list();
  if (signal.member == "Reloading" && !argument(0).boolean()) return list();
}

// A change of a unit comes as two signals, that of its type's interface first; each alone would show
// a service that runs without a process.
void Session::hear_change(const Signal& signal) {
  const auto unit = unit_of_path(signal.path);
  if (!unit || signal.arguments.size() < 2) return;
  {
    const MutexLock lock(shared_.mutex);
    if (!shared_.units.is_of_interest(*unit)) return;
    if (shared_.units.find(*unit) == nullptr) {
      look_soon(*unit);
      return;
    }
  }
  auto& half = halves_[*unit];
  half.push_back(signal.arguments[1]);
  if (signal.arguments[0].text() != kUnitInterface) return;
  take(*unit, half);
  halves_.erase(*unit);
}

void Session::hear_new_unit(const std::string& unit) {
  bool known = false;
  {
    const MutexLock lock(shared_.mutex);
    if (!shared_.units.is_of_interest(unit)) return;
    known = shared_.units.find(unit) != nullptr;
  }
  if (known) return look_at_loaded_soon();
  look_soon(unit);
}

// Out of systemd's memory. One without a file is gone; of the others nothing has changed.
void Session::hear_removed_unit(const std::string& unit) {
  halves_.erase(unit);
  bool is_gone = false;
  {
    const MutexLock lock(shared_.mutex);
    const Unit* known = shared_.units.find(unit);
    is_gone = known != nullptr && known->is().id == unit && known->is().unit_file_state.empty();
  }
  if (is_gone) forget(unit);
}

void Session::hear_job_removed(const Signal& signal) {
  if (signal.arguments.size() < 4) return;
  const std::uint64_t id = signal.arguments[0].unsigned_integer();
  const std::string& result = signal.arguments[3].text();
  const auto ours = jobs_.find(id);
  if (ours == jobs_.end()) return;
  const OurJob job = ours->second;
  jobs_.erase(ours);
  const MutexLock lock(shared_.mutex);
  // The unit's own change comes before this signal; where it was lost, the unit is looked at.
  const Unit* known = shared_.units.find(job.unit);
  if (known == nullptr || known->is().job == id) look_soon(job.unit);
  // What failed after it began is told by its exit; these never began.
  if (job.op != ControlOp::start || result == "done" || result == "failed") return;
  if (Unit* unit = shared_.units.edit(job.unit)) unit->note_start(result);
  changed_.insert(job.unit);
}

// Requests ---------------------------------------------------------------------------------------

void Session::serve(Leave) {
  leaving_ = true;
}

void Session::serve(const LookAgain& request) {
  if (!complete_) return;
  for (const auto& service : request.services) {
    if (is_unit_name(service)) look_soon(service);
  }
}

void Session::serve(const Watch& watch) {
  watched_.clear();
  for (const auto& service : watch.services) {
    if (is_unit_name(service)) watched_.insert(service);
  }
}

void Session::serve(const Release& release) {
  spared_.release(release.job);
}

void Session::serve(const Prepare& prepare) {
  if (!complete_) return prepare.done->give(std::unexpected(away()));
  if (!options_.no_disarming.empty()) {
    for (const auto& service : prepare.services) {
      const auto seen = this->seen(service);
      if (!seen || !seen->is_up || seen->sparing.ways.empty()) continue;
      return prepare.done->give(
          std::unexpected(would_kill(service, seen->sparing, options_.no_disarming)));
    }
    return prepare.done->give({});
  }
  spared_.spare(prepare.job, prepare.services,
                [done = prepare.done](Result<void> spared) { done->give(std::move(spared)); });
}

void Session::serve(Control control) {
  const auto known = tokens_.find(control.token);
  if (known != tokens_.end()) {
    // Without an answer yet: it is on its way.
    if (known->second) {
      outlets_.sink->completed({control.token, control.service, *known->second});
    }
    return;
  }
  tokens_.emplace(control.token, std::nullopt);
  token_order_.push_back(control.token);
  if (token_order_.size() > kTokensKept) {
    tokens_.erase(token_order_.front());
    token_order_.pop_front();
  }
  if (!complete_) return settle(control, std::unexpected(away()));
  carry_out(control, false);
}

void Session::carry_out(const Control& control, bool is_spared) {
  if (!complete_) return settle(control, std::unexpected(away()));
  Result<std::optional<Order>> order;
  {
    const MutexLock lock(shared_.mutex);
    const auto id = shared_.units.resolve(control.service);
    const Unit* unit = id && *id == control.service ? shared_.units.find(*id) : nullptr;
    order = order_for(control, unit, shared_.units.dependents_up(control.service));
  }
  if (!order) return settle(control, std::unexpected(std::move(order.error())));
  if (control.op == ControlOp::stop && !is_spared) return spare_first(control);
  if (!*order) return settle(control, {});
  send(control, **order);
}

// Whatever was prepared: no stop goes out to what systemd could kill, and none is joined.
void Session::spare_first(const Control& control) {
  const auto seen = this->seen(control.service);
  if (seen && !options_.no_disarming.empty() && !seen->sparing.ways.empty()) {
    return settle(control, std::unexpected(
                               would_kill(control.service, seen->sparing, options_.no_disarming)));
  }
  spared_.spare("", {control.service}, [this, control](Result<void> spared) {
    if (!spared) return settle(control, std::move(spared));
    carry_out(control, true);
  });
}

void Session::send(const Control& control, const Order& order) {
  if (control.op == ControlOp::stop) spared_.stopping(control.service, true);
  call(order.member, {control.service, order.mode},
       [this, control](const CallReply& reply) { sent(control, reply); });
}

void Session::sent(const Control& control, const CallReply& reply) {
  Result<void> result;
  if (!reply) {
    result = std::unexpected(error_of(reply.error(), attempt_at(control), control.service));
    if (control.op == ControlOp::stop && result.error().effect == Effect::none) {
      spared_.stopping(control.service, false);
    }
  } else if (!reply->empty()) {
    const std::uint64_t job = job_of_path(reply->front().text());
    jobs_[job] = {control.service, control.op};
    const MonoTime now = clock_.mono();
    const MutexLock lock(shared_.mutex);
    Unit* unit = shared_.units.edit(control.service);
    if (unit != nullptr && control.op != ControlOp::reload) {
      unit->expect(control.op == ControlOp::stop, job, now);
      changed_.insert(control.service);
    }
  }
  if (reply) return settle(control, std::move(result));
  if (reply.error().unknown_effect) return settle(control, std::move(result));
  // Why it was refused may show in what the unit is by now.
  look(control.service, [this, control, result = std::move(result)] { settle(control, result); });
}

void Session::settle(const Control& control, Result<void> result) {
  // What was never sent may be asked for again by the same token.
  const bool unsent = !result && result.error().kind == ErrorKind::scm_unavailable;
  const auto known = tokens_.find(control.token);
  if (known != tokens_.end()) {
    if (unsent) {
      tokens_.erase(known);
      std::erase(token_order_, control.token);
    } else {
      known->second = result;
    }
  }
  if (!result && result.error().service.empty()) result.error().service = control.service;
  if (complete_) publish();
  outlets_.sink->completed({control.token, control.service, std::move(result)});
}

// Sparing ----------------------------------------------------------------------------------------

std::optional<SparedUnits::Seen> Session::seen(const std::string& unit) const {
  const MutexLock lock(shared_.mutex);
  const Unit* known = shared_.units.find(unit);
  if (known == nullptr) return std::nullopt;
  const Properties& is = known->is();
  const auto instance = known->instance();
  return SparedUnits::Seen{.sparing = sparing_of(is),
                           .instance = instance ? instance->key : std::string(),
                           .is_up = is_up(known->state()),
                           .is_settled = known->state() == ServiceState::running && is.job == 0};
}

void Session::reload(const std::vector<std::string>& units, SparedUnits::Then then) {
  if (wire_ == nullptr) return then(std::unexpected(away()));
  call("Reload", {}, [this, units, then = std::move(then)](const CallReply& reply) {
    if (!reply) {
      return then(
          std::unexpected(error_of(reply.error(), "cannot let systemd read its files again", "")));
    }
    if (units.empty()) return then({});
    const auto left = std::make_shared<std::size_t>(units.size());
    for (const auto& unit : units) {
      look(unit, [left, then] {
        if (--*left == 0) then({});
      });
    }
  });
}

}  // namespace noforce::systemd
