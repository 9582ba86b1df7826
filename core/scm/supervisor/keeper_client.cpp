#include "core/scm/supervisor/keeper_client.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "core/log.hpp"
#include "core/scm/supervisor/keeper_start.hpp"
#include "core/scm/supervisor/process.hpp"
#include "core/scm/supervisor/protocol.hpp"

namespace noforce::supervisor {
namespace {

constexpr std::string_view kComponent = "supervisor";
constexpr Milliseconds kStartPatience{10'000};
constexpr Milliseconds kFirstRetry{20};
constexpr Milliseconds kLongestRetry{5'000};
// A control waits this long for a keeper to come back; then its effect is unknown.
constexpr Milliseconds kAnswerPatience{10'000};
constexpr std::size_t kMostOutstanding = 4096;
constexpr int kMessagesPerTurn = 256;

Error unavailable(const std::string& detail, const std::string& service, Effect effect) {
  Error error;
  error.kind = ErrorKind::scm_unavailable;
  error.detail = detail;
  error.service = service;
  error.effect = effect;
  return error;
}

}  // namespace

KeeperClient::KeeperClient(Options options, Outlets outlets, Mailbox& mailbox, int cancel)
    : options_(std::move(options)),
      outlets_(std::move(outlets)),
      mailbox_(mailbox),
      cancel_(cancel),
      inventory_(std::move(options_.specs), std::move(options_.kept)),
      probes_(loop_, [this](const std::string& service, const std::string& key) {
        send(TcpReady{.service = service, .key = key});
      }) {}

void KeeperClient::run() {
  mailbox_watch_ =
      loop_.watch(mailbox_.wake().fd(), EPOLLIN, [this](std::uint32_t) { serve_mailbox(); });
  away_since_ = std::chrono::steady_clock::now();
  (void)inventory_.take_inventory_changed();
  connect();
  while (!leaving_) {
    try {
      turn();
    } catch (const std::exception& failure) {
      log_error(kComponent, std::string("an event was lost: ") + failure.what());
    }
  }
  probes_.clear();
  loop_.forget(socket_watch_);
  loop_.forget(process_watch_);
  loop_.forget(mailbox_watch_);
  if (ending_) {
    ending_->give(
        std::unexpected(unavailable("the agent's part ended first", {}, Effect::unknown)));
  }
}

void KeeperClient::turn() {
  std::optional<MonoTime> until = probes_.due();
  if (phase_ == Phase::away) until = until ? std::min(*until, retry_at_) : retry_at_;
  loop_.turn(until);
  probes_.look();
  if (phase_ == Phase::away && !leaving_ && std::chrono::steady_clock::now() >= retry_at_) {
    connect();
  }
  if (!changed_.empty() && phase_ == Phase::talking) publish();
  flush();
}

// ---- requests

void KeeperClient::serve_mailbox() {
  for (auto& request : mailbox_.take()) {
    if (auto* control = std::get_if<Control>(&request)) submit(std::move(*control));
    if (auto* settings = std::get_if<Redefine>(&request)) redefine(std::move(*settings));
    if (auto* kept = std::get_if<KeepServices>(&request)) keep(std::move(*kept));
    if (auto* look = std::get_if<LookAgain>(&request)) look_again(*look);
    if (auto* end = std::get_if<EndKeeper>(&request)) end_keeper(std::move(*end));
    if (std::holds_alternative<Leave>(request)) leaving_ = true;
  }
}

void KeeperClient::submit(Control control) {
  if (outstanding_.size() >= kMostOutstanding || phase_ == Phase::ended) {
    const char* why =
        phase_ == Phase::ended ? "the keeper was ended" : "too many controls wait for the keeper";
    const std::string service = control.service;
    outlets_.sink->completed({.token = std::move(control.token),
                              .service = service,
                              .result = std::unexpected(unavailable(why, service, Effect::none))});
    return;
  }
  const ControlToken token = control.token;
  auto [at, fresh] = outstanding_.try_emplace(token, Outstanding{std::move(control)});
  if (fresh) order_.push_back(token);
  if (phase_ == Phase::talking) send_control(at->second);
}

void KeeperClient::redefine(Redefine redefine) {
  inventory_.define(std::move(redefine.specs));
  if (phase_ == Phase::talking || phase_ == Phase::hearing) {
    // Complete again once the keeper has said how it sees the new settings.
    phase_ = Phase::hearing;
    send_definitions();
  }
}

void KeeperClient::keep(KeepServices kept) {
  for (const auto& service : inventory_.keep(std::move(kept.services)))
    changed_.push_back(service);
  if (phase_ == Phase::talking || phase_ == Phase::hearing) send_kept();
}

void KeeperClient::look_again(const LookAgain& look) {
  if (phase_ != Phase::talking) return;
  if (look.services.empty()) {
    inventory_.begin_hearing_all();
    return send(Query{});
  }
  for (const auto& service : look.services)
    send(Query{.service = service});
}

void KeeperClient::end_keeper(EndKeeper end) {
  if (phase_ == Phase::ended && !keeper_process_) return end.reply->give({});
  ending_ = std::move(end.reply);
  if (phase_ == Phase::talking) send(End{});  // else once one is there to be asked
}

// ---- the connection

void KeeperClient::connect() {
  auto socket = connect_keeper(options_.state_dir);
  if (!socket && (socket.error() == ENOENT || socket.error() == ECONNREFUSED)) {
    const auto started = options_.opener
                             ? options_.opener()
                             : start_keeper(options_.executable, options_.keeper_args,
                                            options_.state_dir, cancel_, kStartPatience);
    socket = connect_keeper(options_.state_dir);
    if (!started && !socket) {
      log_warning(kComponent, "no keeper: " + started.error());
      // The other one is about to listen, or about to be gone.
      if (!started.error().starts_with(kAnotherKeeper)) {
        outlets_.ready(std::unexpected(unavailable(started.error(), {}, Effect::none)));
      }
    } else if (started) {
      log_info(kComponent, "a keeper was started");
    }
  }
  if (!socket) return retry_later();
  attach(std::move(*socket));
}

void KeeperClient::retry_later() {
  retry_delay_ = std::clamp(retry_delay_ * 2, kFirstRetry, kLongestRetry);
  retry_at_ = std::chrono::steady_clock::now() + retry_delay_;
  if (std::chrono::steady_clock::now() - away_since_ > kAnswerPatience) refuse_outstanding();
}

void KeeperClient::refuse_outstanding() {
  for (const auto& token : std::exchange(order_, {})) {
    auto node = outstanding_.extract(token);
    if (node.empty()) continue;
    const Outstanding& o = node.mapped();
    outlets_.sink->completed(
        {.token = token,
         .service = o.control.service,
         .result = std::unexpected(unavailable("the keeper cannot be reached", o.control.service,
                                               o.sent ? Effect::unknown : Effect::none))});
  }
}

void KeeperClient::attach(Fd socket) {
  socket_ = std::move(socket);
  phase_ = Phase::greeting;
  keeper_.reset();
  outbox_.clear();
  wants_room_ = false;
  socket_watch_ = loop_.watch(socket_.get(), EPOLLIN, [this](std::uint32_t events) {
    if ((events & EPOLLOUT) != 0) flush();
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) receive_some();
  });
  send(Hello{.pid = ::getpid()});
  flush();
}

void KeeperClient::lost(const std::string& why) {
  const bool ends = phase_ == Phase::ended;
  const bool was_talking = phase_ == Phase::talking || (phase_ == Phase::hearing && !told_lost_);
  loop_.forget(socket_watch_);
  socket_.reset();
  outbox_.clear();
  probes_.clear();
  if (!ends) phase_ = Phase::away;
  if (was_talking || ends) away_since_ = std::chrono::steady_clock::now();
  if (!told_lost_ && ever_complete_) {
    told_lost_ = true;
    outlets_.publish(inventory_.picture(false));
    outlets_.sink->connection_changed(true);
  }
  if (ends) return wait_for_its_end();
  log_warning(kComponent, "the connection to the keeper is lost: " + why);
  if (was_talking) {
    retry_delay_ = Milliseconds{0};
    retry_at_ = MonoTime{};  // at once
  } else {
    retry_later();
  }
}

// It closes its connections a moment before it is gone.
void KeeperClient::wait_for_its_end() {
  process_watch_ = keeper_process_
                       ? loop_.watch(keeper_process_.get(), EPOLLIN, [this](auto) { has_ended(); })
                       : 0;
  if (process_watch_ == 0) has_ended();
}

void KeeperClient::has_ended() {
  loop_.forget(process_watch_);
  keeper_process_.reset();
  if (ending_) std::exchange(ending_, nullptr)->give({});
}

void KeeperClient::receive_some() {
  for (int i = 0; i < kMessagesPerTurn && socket_; ++i) {
    auto packet = receive_packet(socket_.get());
    if (!packet && packet.error() == EAGAIN) return;
    if (!packet) return lost(packet.error() == 0 ? "it ended" : errno_sentence(packet.error()));
    if (const auto message = decode(packet->bytes)) {
      take(*message, std::move(packet->descriptor));
    } else {
      log_warning(kComponent, "a message of the keeper cannot be read: " + message.error());
    }
  }
}

void KeeperClient::take(const Message& message, Fd descriptor) {
  if (const auto* hello = std::get_if<Hello>(&message)) return met(*hello);
  if (const auto* refusal = std::get_if<Refused>(&message)) {
    if (phase_ != Phase::replacing) refused(refusal->why);
    return;
  }
  if (const auto* stays = std::get_if<StaysAsItIs>(&message)) return stays_as_it_is(stays->why);
  if (const auto* status = std::get_if<Status>(&message)) return heard(*status);
  if (std::holds_alternative<StatusAll>(message)) return heard_all();
  if (const auto* answer = std::get_if<Answer>(&message)) return answered(*answer);
  if (const auto* end = std::get_if<EndAnswer>(&message)) return end_answered(*end);
  if (const auto* held = std::get_if<HeldSocket>(&message); held != nullptr && descriptor) {
    held_.insert_or_assign(held->service, std::pair(*held, std::move(descriptor)));
  }
}

// Whether it runs another program than ours, and could run ours.
bool KeeperClient::to_be_replaced(const Hello& keeper) const {
  return !options_.opener && keeper.replaceable && !stays_ &&
         runs_other_program(keeper.pid, options_.executable);
}

void KeeperClient::met(const Hello& keeper) {
  if (phase_ != Phase::greeting) return;
  keeper_ = keeper;
  if (to_be_replaced(keeper)) {
    phase_ = Phase::replacing;
    log_info(kComponent, "the keeper runs another program; it is asked to go on as this one");
    stays_ = "it was asked before";  // once; should it fail unheard, all goes on with the old one
    std::vector<std::string> argv = options_.keeper_args;
    argv.insert(argv.begin(), program_path(options_.executable));
    return send(Replace{.argv = std::move(argv)});  // and the connection ends
  }
  if (const auto why = incompatible(keeper)) return refused(*why);
  greeted();
}

void KeeperClient::stays_as_it_is(const std::string& why) {
  if (phase_ != Phase::replacing || !keeper_) return;
  stays_ = why;
  log_warning(kComponent, "the keeper goes on with its own program: " + why);
  if (const auto differ = incompatible(*keeper_)) return refused(*differ);
  greeted();
}

void KeeperClient::refused(const std::string& why) {
  std::string sentence = why;
  if (keeper_ && incompatible(*keeper_)) {
    const std::string pid = std::to_string(keeper_->pid);
    sentence = "the keeper that runs (process " + pid + ") is not of this release: " + why +
               (stays_ ? "; it does not go on as this program: " + *stays_ : "") +
               ". Its services run on. Start the agent of the keeper's release; or end process " +
               pid +
               " alone, by force: the services still run on, and the keeper that this agent " +
               "then starts takes them up, but will not know how they end";
  }
  outlets_.ready(std::unexpected(unavailable(sentence, {}, Effect::none)));
  if (phase_ != Phase::ended) phase_ = Phase::greeting;  // so that the next try waits a while
  lost(sentence);
}

void KeeperClient::greeted() {
  phase_ = Phase::hearing;
  send_kept();
  for (const auto& [service, held] : held_) {
    send(held.first, Fd(::fcntl(held.second.get(), F_DUPFD_CLOEXEC, 0)));
  }
  send_definitions();
}

void KeeperClient::send_definitions() {
  inventory_.begin_hearing_all();
  if (options_.opener) return send(Query{});  // it has defined them
  for (const auto& [name, spec] : inventory_.specs()) {
    std::string bytes = encode(Define{.spec = spec});
    if (bytes.size() <= kMaxMessage) outbox_.push_back({.bytes = std::move(bytes)});
  }
  send(DefinedAll{});
}

void KeeperClient::send_kept() {
  constexpr std::size_t kFieldHead = 5;
  std::size_t size = 1;
  Keep message;
  for (const auto& service : inventory_.kept()) {
    size += kFieldHead + service.size();
    if (size > kMaxMessage) break;  // the others cannot be kept
    message.services.push_back(service);
  }
  send(message);
}

void KeeperClient::heard(const Status& status) {
  if (inventory_.take(status)) changed_.push_back(status.name);
  const ServiceSpec* spec = inventory_.spec(status.name);
  if (spec == nullptr && status.state == ServiceState::stopped) held_.erase(status.name);
  if (status.wants_tcp && status.instance && spec != nullptr) {
    probes_.want(status.name, status.instance->key, spec->ready_tcp);
  } else {
    probes_.drop(status.name);
  }
}

void KeeperClient::heard_all() {
  inventory_.heard_all();
  if (phase_ != Phase::hearing) return;
  phase_ = Phase::talking;
  retry_delay_ = Milliseconds{0};
  const bool again = std::exchange(told_lost_, false);
  const bool first = !std::exchange(ever_complete_, true);
  publish();
  if (again) outlets_.sink->connection_changed(false);
  if (first) outlets_.ready({});
  for (const auto& token : order_) {
    const auto found = outstanding_.find(token);
    if (found != outstanding_.end()) send_control(found->second);
  }
  if (ending_) send(End{});
}

void KeeperClient::answered(const Answer& answer) {
  if (!outstanding_.contains(answer.token)) return;
  // What the answer speaks of was said before it: seen before it is told.
  if (!changed_.empty() && phase_ == Phase::talking) publish();
  outstanding_.erase(answer.token);
  std::erase(order_, answer.token);
  outlets_.sink->completed(
      {.token = answer.token, .service = answer.service, .result = answer.result});
}

void KeeperClient::end_answered(const EndAnswer& answer) {
  if (answer.refused.empty()) {
    phase_ = Phase::ended;  // the reply follows with its end
    if (keeper_ && keeper_->pid > 0) keeper_process_ = open_pidfd(keeper_->pid);
    return;
  }
  if (!ending_) return;
  Error error;
  error.kind = ErrorKind::control_not_accepted;
  error.detail = "the keeper stays: " + answer.refused;
  std::exchange(ending_, nullptr)->give(std::unexpected(std::move(error)));
}

// ---- out

void KeeperClient::send(const Message& message, Fd descriptor) {
  if (socket_) {
    outbox_.push_back({.bytes = encode(message), .descriptor = std::move(descriptor)});
  }
}

void KeeperClient::send_control(Outstanding& outstanding) {
  const Control& c = outstanding.control;
  outstanding.sent = true;
  send(Command{.op = c.op,
               .service = c.service,
               .key = c.instance ? c.instance->key : std::string(),
               .token = c.token,
               .comment = c.comment});
}

void KeeperClient::flush() {
  while (socket_ && !outbox_.empty()) {
    const int failed = send_packet(socket_.get(), outbox_.front());
    if (failed != 0 && failed != EMSGSIZE) break;
    outbox_.pop_front();
  }
  const bool wants_room = socket_ && !outbox_.empty();
  if (wants_room != wants_room_) {
    wants_room_ = wants_room;
    loop_.rewatch(socket_watch_, wants_room ? EPOLLIN | EPOLLOUT : EPOLLIN);
  }
}

void KeeperClient::publish() {
  outlets_.publish(inventory_.picture(true));
  std::vector<std::string> changed = std::exchange(changed_, {});
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  if (inventory_.take_inventory_changed()) outlets_.sink->inventory_changed();
  for (const auto& service : changed)
    outlets_.sink->observed(service);
}

}  // namespace noforce::supervisor
