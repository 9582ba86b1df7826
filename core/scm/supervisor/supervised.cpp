#include "core/scm/supervisor/supervised.hpp"

#include <algorithm>
#include <cerrno>

namespace noforce::supervisor {
namespace {

constexpr Milliseconds kFirstLook{2};
constexpr Milliseconds kLongestLook{500};

std::int64_t nanoseconds(MonoTime time) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch()).count();
}

std::string exit_words(const std::optional<Exit>& exit) {
  if (!exit || !exit->code) return "an end that nobody saw";
  return "exit " + std::to_string(*exit->code);
}

bool wants_restart(RestartPolicy policy, const std::optional<Exit>& exit) {
  if (policy == RestartPolicy::always) return true;
  // An end that nobody saw counts as a failure: it was not asked for.
  return policy == RestartPolicy::on_failure && (!exit || !exit->code || *exit->code != 0);
}

}  // namespace

Supervised::Supervised(World& world, ServiceSpec spec, std::optional<Record> record)
    : world_(world), spec_(std::move(spec)) {
  if (record) {
    record_ = std::move(*record);
  } else {
    record_.boot = world_.boot();
    record_.since_ms = world_.wall_ms();
  }
}

// ---- taking up what an earlier keeper left

void Supervised::take_up(bool alive, std::optional<std::int64_t> code) {
  if (record_.boot != world_.boot()) {
    const bool was_up = record_.main.pid != 0;
    record_.boot = world_.boot();
    record_.main = {};
    record_.tokens.clear();
    record_.restart_due = false;
    record_.failures = 0;
    if (was_up) {
      record_.exit = Exit{};
      enter(ServiceState::stopped);
    }
    save_and_tell(true);
    return;
  }
  if (record_.main.pid == 0) {
    take_up_tokens();
    if (record_.restart_due) plan_restart(std::nullopt, false);
    save_and_tell(true);
    return;
  }
  if (!alive) {
    // A start whose child is gone may be asked for again; nothing else is outstanding then.
    std::erase_if(record_.tokens, [](const TokenRecord& token) {
      return !token.answered && token.op == ControlOp::start;
    });
    main_ended(code, std::nullopt);
    return;
  }
  taken_up_ = true;
  end_unseen_ = !world_.main_is_child();
  const bool halted = world_.main_halted();
  const ServiceState was = record_.state;
  take_up_tokens();
  if (record_.state == was) {
    if (halted && (was == ServiceState::running || was == ServiceState::pause_pending)) {
      enter(ServiceState::paused);
    } else if (!halted && (was == ServiceState::paused || was == ServiceState::pause_pending ||
                           was == ServiceState::continue_pending)) {
      enter(ServiceState::running);
    }
  }
  look();
  save_and_tell(true);
}

void Supervised::take_up_tokens() {
  std::erase_if(record_.tokens, [this](const TokenRecord& token) {
    if (token.answered || token.op == ControlOp::stop) return false;
    // Outstanding: a start that goes on is answered when it has become its program; the others do
    // no harm when they are asked for again.
    return token.op != ControlOp::start || record_.main.pid == 0;
  });
  for (auto& token : record_.tokens) {
    if (!token.answered && token.op == ControlOp::stop) take_up_stop(token);
  }
}

void Supervised::take_up_stop(TokenRecord& token) {
  token.answered = true;
  if (record_.main.pid == 0 || record_.state == ServiceState::stop_pending) return;
  const auto fate = world_.main_signal_fate(spec_.stop_signal);
  const bool halted = world_.main_halted();
  // A halted process cannot have handled it, and one that neither catches nor blocks it would be
  // gone: not pending there means not sent. What is blocked may have been read (signalfd, sigwait).
  const bool certainly_not_sent = spec_.stop_command.empty() && fate && !fate->pending &&
                                  (halted || (!fate->caught && !fate->blocked));
  if (certainly_not_sent) (void)world_.signal_main(spec_.stop_signal);
  if (certainly_not_sent || (fate && fate->pending && spec_.stop_command.empty())) {
    if (halted) (void)world_.resume_tree();
    enter(ServiceState::stop_pending);
    return;
  }
  auto unknown = error(ErrorKind::timeout,
                       "the keeper was replaced in the instant in which it sent the stop to " +
                           spec_.name + ": whether it arrived is not known");
  unknown.error().effect = Effect::unknown;
  token.result = std::move(unknown);
}

// ---- settings

void Supervised::define(ServiceSpec spec) {
  const bool same = defined_ && spec == spec_;
  spec_ = std::move(spec);
  defined_ = true;
  if (!same) {
    become_running_if_ready();
    save_and_tell(true);
  }
}

void Supervised::take_out() {
  if (!defined_) return;
  defined_ = false;
  record_.restart_due = false;
  restart_at_.reset();
  save_and_tell(true);
}

void Supervised::keep(bool kept) {
  if (kept_ == kept) return;
  kept_ = kept;
  if (!defined_) world_.changed(true);
}

void Supervised::note(const std::string& topic, const std::string& sentence) {
  const auto found = std::find_if(notes_.begin(), notes_.end(),
                                  [&topic](const auto& entry) { return entry.first == topic; });
  if (found != notes_.end()) notes_.erase(found);
  if (!sentence.empty()) notes_.emplace_back(topic, sentence);
}

// ---- what happens to the processes

Result<void> Supervised::launch(const Command* command) {
  record_.restart_due = false;
  restart_at_.reset();
  auto forked = world_.fork_main();
  if (!forked) return std::unexpected(std::move(forked.error()));
  const Record before = record_;
  record_.main = forked->process;
  record_.notify_address = forked->notify_address;
  record_.boot = world_.boot();
  record_.key = std::to_string(record_.main.pid) + ":" + std::to_string(record_.main.start_time) +
                ":" + record_.boot;
  record_.executed = record_.said_ready = record_.tcp_ready = record_.stop_asked = false;
  record_.status_text.clear();
  record_.started_ns = nanoseconds(world_.now());
  record_.launched_as = launch_digest(spec_);
  taken_up_ = end_unseen_ = stop_companion_failed_ = false;
  enter(ServiceState::start_pending);
  if (command != nullptr) remember(*command);
  if (const int failed = world_.save(record_); failed != 0) {
    world_.drop_main();
    record_ = before;
    return errno_error("cannot write the record of " + spec_.name, failed);
  }
  world_.let_main_go();
  world_.changed(true);
  return {};
}

void Supervised::executed() {
  if (!up() || record_.executed) return;
  record_.executed = true;
  become_running_if_ready();
  settle_outstanding(ControlOp::start, {});
}

bool Supervised::ready_but_tcp() const {
  return record_.state == ServiceState::start_pending && record_.executed &&
         (spec_.type == Readiness::simple || record_.said_ready);
}

void Supervised::become_running_if_ready() {
  if (ready_but_tcp() && (spec_.ready_tcp.empty() || record_.tcp_ready)) {
    enter(ServiceState::running);
  }
}

void Supervised::tcp_ready(const std::string& key) {
  if (key != record_.key || record_.state != ServiceState::start_pending || record_.tcp_ready) {
    return;
  }
  record_.tcp_ready = true;
  progress();
  become_running_if_ready();
  save_and_tell(true);
}

void Supervised::main_ended(std::optional<std::int64_t> code, const std::optional<Error>& failure) {
  if (!up()) return;
  const bool asked_for_start = outstanding(ControlOp::start);
  record_.main = {};
  record_.exit = Exit{.code = code, .service_code = std::nullopt};
  if (failure) record_.status_text = failure->detail;
  enter(ServiceState::stopped);
  plan_restart(failure, asked_for_start);
  Result<void> start_result;
  if (failure) {
    start_result = std::unexpected(*failure);
  } else if (taken_up_ && !record_.executed) {
    // The child that waited for the word of a keeper that died: it may never have had it.
    auto unknown =
        error(ErrorKind::timeout, "the keeper was replaced while it started " + spec_.name +
                                      ": whether its program ran is not known");
    unknown.error().effect = Effect::unknown;
    start_result = std::move(unknown);
  }
  // One save for the end and for what it answers.
  for (auto& token : record_.tokens) {
    if (!token.answered && token.op == ControlOp::start) token.result = start_result;
  }
  const std::vector<TokenRecord> before = record_.tokens;
  for (auto& token : record_.tokens)
    token.answered = true;
  save_and_tell(true);
  for (const auto& token : before) {
    if (!token.answered) world_.answer(token.token, token.result);
  }
}

void Supervised::plan_restart(const std::optional<Error>& failure, bool asked) {
  // A start that was asked for and failed is its asker's to repeat.
  const bool told = failure && asked;
  record_.restart_due = defined_ && spec_.start != StartType::disabled && !record_.stop_asked &&
                        !told && !world_.draining() && wants_restart(spec_.restart, record_.exit);
  if (!record_.restart_due) return;
  const auto ran = std::chrono::nanoseconds(nanoseconds(world_.now()) - record_.started_ns);
  if (ran >= kGoodRun) record_.failures = 0;
  constexpr std::uint32_t kMostDoublings = 9;
  restart_delay_ =
      std::min(kLongestRestart, kFirstRestart * (1U << std::min(record_.failures, kMostDoublings)));
  ++record_.failures;
  restart_at_ = world_.now() + restart_delay_;
}

void Supervised::companion_executed(Companion which) {
  if (which == Companion::reload) return settle_outstanding(ControlOp::reload, {});
  if (up() && record_.state != ServiceState::stop_pending) enter(ServiceState::stop_pending);
  settle_outstanding(ControlOp::stop, {});
}

void Supervised::companion_failed(Companion which, const Error& failure) {
  if (which == Companion::stop && up()) record_.stop_asked = false;
  settle_outstanding(which == Companion::stop ? ControlOp::stop : ControlOp::reload,
                     std::unexpected(failure));
}

void Supervised::companion_ended(Companion which, std::int64_t code) {
  if (code == 0 || !up()) return;
  const std::string command = which == Companion::stop ? "stop_command" : "reload_command";
  note(which == Companion::stop ? "stop" : "reload",
       "its " + command + " failed with exit " + std::to_string(code));
  // A new stop runs the command again; the state stays what it is until the process is gone.
  if (which == Companion::stop) stop_companion_failed_ = true;
  world_.changed(true);
}

void Supervised::notified(const Notification& n, const std::optional<ProcessId>& moved) {
  if (!up()) return;
  const ServiceState before = record_.state;
  if (moved) record_.main = *moved;
  if (n.status) record_.status_text = *n.status;
  if (is_pending(before)) progress();
  if (n.ready) record_.said_ready = true;
  become_running_if_ready();
  if (n.stopping &&
      (record_.state == ServiceState::start_pending || record_.state == ServiceState::running)) {
    enter(ServiceState::stop_pending);
  }
  if (n.extend && is_pending(record_.state)) record_.wait_hint_ms = n.extend->count();
  save_and_tell(record_.state != before || n.ready || moved);
}

void Supervised::look() {
  if (restart_at_ && world_.now() >= *restart_at_) {
    restart_at_.reset();
    if (const auto launched = launch(nullptr); !launched) {
      record_.status_text = launched.error().detail;
      plan_restart(std::nullopt, false);
      save_and_tell(true);
    }
  }
  if (!up()) return look_at_.reset();
  const ServiceState state = record_.state;
  bool waits = false;
  if (state == ServiceState::pause_pending) {
    waits = !world_.main_halted();
    if (!waits) enter(ServiceState::paused);
  } else if (state == ServiceState::continue_pending) {
    waits = world_.main_halted();
    if (!waits) enter(ServiceState::running);
  } else if (taken_up_ && !record_.executed) {
    waits = world_.main_forked_only();
    if (!waits) executed();
  }
  if (!waits) {
    look_at_.reset();
    look_delay_ = Milliseconds{0};
  } else {
    look_delay_ = std::clamp(look_delay_ * 2, kFirstLook, kLongestLook);
    look_at_ = world_.now() + look_delay_;
  }
  if (record_.state != state) save_and_tell(true);
}

std::optional<MonoTime> Supervised::due() const {
  if (restart_at_ && look_at_) return std::min(*restart_at_, *look_at_);
  return restart_at_ ? restart_at_ : look_at_;
}

// ---- the record and what is told

void Supervised::enter(ServiceState state) {
  record_.state = state;
  record_.since_ms = world_.wall_ms();
  record_.checkpoint = 0;
  record_.wait_hint_ms = state == ServiceState::start_pending ? kStartWaitHint.count() : 0;
  if (is_pending(state)) record_.last_progress_ns = nanoseconds(world_.now());
}

void Supervised::progress() {
  ++record_.checkpoint;
  record_.last_progress_ns = nanoseconds(world_.now());
}

TokenRecord* Supervised::find(const ControlToken& token) {
  const auto found =
      std::find_if(record_.tokens.begin(), record_.tokens.end(),
                   [&token](const TokenRecord& known) { return known.token == token; });
  return found == record_.tokens.end() ? nullptr : &*found;
}

void Supervised::remember(const Command& command) {
  if (record_.tokens.size() >= kTokensKept) {
    // The oldest that was answered goes; outstanding ones are few.
    const auto oldest = std::find_if(record_.tokens.begin(), record_.tokens.end(),
                                     [](const TokenRecord& token) { return token.answered; });
    record_.tokens.erase(oldest == record_.tokens.end() ? record_.tokens.begin() : oldest);
  }
  record_.tokens.push_back({.token = command.token, .op = command.op});
}

void Supervised::settle(const Command& command, Result<void> result) {
  if (find(command.token) == nullptr) remember(command);
  TokenRecord& token = *find(command.token);
  token.answered = true;
  token.result = std::move(result);
  const TokenRecord answered = token;
  save_and_tell(true);
  world_.answer(answered.token, answered.result);
}

void Supervised::settle_outstanding(ControlOp op, const Result<void>& result) {
  std::vector<ControlToken> answered;
  for (auto& token : record_.tokens) {
    if (token.answered || token.op != op) continue;
    token.answered = true;
    token.result = result;
    answered.push_back(token.token);
  }
  save_and_tell(true);
  for (const auto& token : answered)
    world_.answer(token, result);
}

bool Supervised::outstanding(ControlOp op) const {
  return std::any_of(record_.tokens.begin(), record_.tokens.end(),
                     [op](const TokenRecord& token) { return !token.answered && token.op == op; });
}

void Supervised::save_and_tell(bool urgent) {
  // What already happened cannot be refused for a record that could not be written: it is said.
  const int failed = world_.save(record_);
  note("record",
       failed == 0 ? std::string() : "its record cannot be written: " + errno_sentence(failed));
  world_.changed(urgent);
}

std::unexpected<Error> Supervised::error(ErrorKind kind, const std::string& what) const {
  Error out;
  out.kind = kind;
  out.detail = what;
  out.service = spec_.name;
  return std::unexpected(std::move(out));
}

std::unexpected<Error> Supervised::errno_error(const std::string& what, int code) const {
  auto out = error(code == EPERM   ? ErrorKind::access_denied
                   : code == ESRCH ? ErrorKind::not_active
                                   : ErrorKind::scm_failure,
                   what + ": " + errno_sentence(code));
  out.error().native_code = code;
  out.error().native_name = errno_name(code);
  return out;
}

Accepts Supervised::accepts() const {
  const ServiceState state = record_.state;
  const bool running = state == ServiceState::running;
  return {.stop = up() ? state != ServiceState::stop_pending : record_.restart_due,
          .pause_continue = running || state == ServiceState::paused,
          .reload = running && (spec_.reload_signal != 0 || !spec_.reload_command.empty())};
}

Status Supervised::status() const {
  Status out;
  out.name = spec_.name;
  out.display_name = spec_.display_name.empty() ? spec_.name : spec_.display_name;
  out.state = record_.state;
  if (up()) out.instance = Instance{.pid = record_.main.pid, .key = record_.key};
  out.accepts = accepts();
  out.checkpoint = record_.checkpoint;
  out.wait_hint_ms = record_.wait_hint_ms;
  out.last_progress_ns = record_.last_progress_ns;
  out.status_text = record_.status_text;
  out.exit = record_.exit;
  out.since_ms = record_.since_ms;
  out.defined = defined_;
  out.wants_tcp = ready_but_tcp() && !spec_.ready_tcp.empty() && !record_.tcp_ready;
  if (!defined_) {
    out.warnings.push_back(spec_.name + " was taken out of the settings: listed until " +
                           (kept_ ? "the job that holds it is done" : "it stops"));
  }
  if (up() && record_.launched_as != 0 && record_.launched_as != launch_digest(spec_)) {
    out.warnings.push_back("its settings have changed: they count from its next start on");
  }
  if (record_.restart_due) {
    out.warnings.push_back("restarting in " + std::to_string(restart_delay_.count()) +
                           " ms after " + exit_words(record_.exit));
  }
  if (up() && end_unseen_) {
    out.warnings.push_back("the keeper was replaced while this ran: how it ends will not be known");
  }
  for (const auto& [topic, sentence] : notes_)
    out.warnings.push_back(sentence);
  return out;
}

}  // namespace noforce::supervisor
