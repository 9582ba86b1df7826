#include "core/scm/supervisor/keeper.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <memory>
#include <set>

#include "core/clock.hpp"
#include "core/scm/supervisor/inherited.hpp"
#include "core/scm/supervisor/keeper_door.hpp"
#include "core/scm/supervisor/keeper_files.hpp"
#include "core/scm/supervisor/kept_service.hpp"
#include "core/text.hpp"

namespace noforce::supervisor {
namespace {

constexpr int kReapedPerTurn = 256;

class Keeper final : public AgentLink::Handler {
 public:
  explicit Keeper(const KeeperOptions& options)
      : options_(options),
        door_(loop_, options.face,
              [this](Fd peer, std::uint32_t user) { welcome(std::move(peer), user); }),
        link_(loop_, *this),
        opener_(loop_, *this) {}
  Keeper(const Keeper&) = delete;
  Keeper& operator=(const Keeper&) = delete;

  // Empty, or why it cannot run.
  [[nodiscard]] std::string set_up();
  void run();

  // AgentLink::Handler
  void received(AgentLink& from, const Message& message, Fd descriptor) override;
  void malformed(const std::string& why) override { files_.log("ignored a message: " + why); }
  void connected(AgentLink& link, bool now) override;
  [[nodiscard]] std::optional<Status> status_of(const std::string& service) override;

 private:
  using Services = std::map<std::string, std::unique_ptr<KeptService>, std::less<>>;

  [[nodiscard]] std::string watch_signals();
  void take_up_all();
  void turn();
  void signalled();
  void reap();
  void look_at_due();
  void sweep();
  void welcome(Fd peer, std::uint32_t user);
  [[nodiscard]] bool may_say(const AgentLink& from, const Message& message) const;
  void define(const ServiceSpec& spec);
  void defined_all(AgentLink& from);
  void keep(const Keep& message);
  void control(const Command& command);
  void query(const std::string& service);
  void end(AgentLink& from);
  void replace(AgentLink& from, const Replace& wish);
  // Executes the successor in this process, if all are settled. Returns when it did not.
  void make_way();
  void hand_on(bool hand_on);
  [[nodiscard]] std::vector<std::string> up() const;

  KeeperOptions options_;
  KeeperFiles files_;
  EventLoop loop_;
  KeeperDoor door_;
  AgentLink link_;    // the agent: all of it, or its face
  AgentLink opener_;  // where there is a face: who says what is run
  Premises premises_;
  Fd signals_;
  EventLoop::Id signals_watch_ = 0;
  bool more_to_reap_ = false;
  bool ending_ = false;
  bool taken_out_ = false;              // something may have to be swept
  std::vector<std::string> successor_;  // argv of the program that is to take over; empty: none
  AgentLink* successor_wished_by_ = nullptr;

  Services services_;
  std::set<std::string> defining_;  // since the last DefinedAll
  std::set<KeptService*> touched_;  // in this turn
  std::set<KeptService*> waiting_;  // with a due()
};

std::string Keeper::set_up() {
  if (auto failed = files_.open(options_.state_dir); !failed.empty()) return failed;
  if (options_.face && !files_.only_ours()) {
    return options_.state_dir + " must belong to root and be writable by nobody else";
  }
  premises_.loop = &loop_;
  premises_.link = &link_;
  premises_.records = files_.records();
  premises_.logs = files_.logs();
  premises_.null = files_.null();
  premises_.boot = boot_id();
  premises_.inherited = inherited_sockets();
  premises_.hands_out = !options_.face;
  premises_.log = [this](const std::string& line) { files_.log(line); };
  premises_.touched = [this](KeptService& service) { touched_.insert(&service); };
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    premises_.open_files.emplace(limit.rlim_cur, limit.rlim_max);
    limit.rlim_cur = limit.rlim_max;  // a few for each service
    (void)::setrlimit(RLIMIT_NOFILE, &limit);
  }
  if (::getrlimit(RLIMIT_CORE, &limit) == 0) {
    premises_.core.emplace(limit.rlim_cur, limit.rlim_max);
    limit.rlim_cur = 0;  // services' environments may hold secrets
    (void)::setrlimit(RLIMIT_CORE, &limit);
  }
  (void)::chdir("/");  // holds on to no file system
  // What a service leaves behind comes to the keeper to be reaped, and stays findable.
  (void)::prctl(PR_SET_CHILD_SUBREAPER, 1);
  if (auto failed = watch_signals(); !failed.empty()) return failed;
  take_up_all();
  if (const int failed = door_.listen(files_.state()); failed != 0) {
    return "cannot listen on keeper.sock: " + errno_sentence(failed);
  }
  files_.log("keeper runs with pid " + std::to_string(::getpid()) + ", " +
             std::to_string(services_.size()) + " services known");
  return {};
}

std::string Keeper::watch_signals() {
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGTERM, SIGINT, SIGHUP})
    sigaddset(&set, signal);
  ::sigprocmask(SIG_SETMASK, &set, nullptr);
  signals_.reset(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (signals_) {
    signals_watch_ = loop_.watch(signals_.get(), EPOLLIN, [this](std::uint32_t) { signalled(); });
  }
  return signals_watch_ == 0 ? "cannot watch for signals: " + errno_sentence(errno) : std::string();
}

void Keeper::take_up_all() {
  for (auto& spec : files_.load_specs()) {
    const std::string name = spec.name;
    const bool lost = spec.command.empty();
    auto& service = services_[name];
    service = std::make_unique<KeptService>(premises_, std::move(spec));
    if (lost) service->machine().take_out();
    service->take_up();
  }
  premises_.inherited.clear();
  more_to_reap_ = true;  // children of the program that ran in this process before
}

void Keeper::run() {
  while (!ending_ || !link_.idle() || !opener_.idle()) {
    try {
      turn();
    } catch (const std::exception& failure) {
      files_.log(std::string("an event was lost: ") + failure.what());
    } catch (...) {
      files_.log("an event was lost");
    }
    if (ending_ && !link_.greeted() && !opener_.greeted()) break;
  }
  files_.log("keeper ends");
  link_.disconnect();
  opener_.disconnect();
  door_.close(files_.state());
}

void Keeper::turn() {
  std::optional<MonoTime> until;
  for (const KeptService* service : waiting_) {
    const auto due = service->due();
    if (due && (!until || *due < *until)) until = due;
  }
  if (more_to_reap_) until = MonoTime{};
  if (!loop_.turn(until)) files_.log("epoll: " + errno_sentence(errno));
  if (std::exchange(more_to_reap_, false)) reap();
  look_at_due();
  for (KeptService* service : std::exchange(touched_, {})) {
    if (service->due()) {
      waiting_.insert(service);
    } else {
      waiting_.erase(service);
    }
  }
  sweep();
  link_.flush();
  opener_.flush();
  if (premises_.draining && up().empty()) ending_ = true;
  make_way();
}

void Keeper::look_at_due() {
  const MonoTime now = std::chrono::steady_clock::now();
  std::vector<KeptService*> late;
  for (KeptService* service : waiting_) {
    if (const auto due = service->due(); due && *due <= now) late.push_back(service);
  }
  for (KeptService* service : late)
    service->look();
}

void Keeper::signalled() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
    if (info.ssi_signo == SIGCHLD) {
      more_to_reap_ = true;
    } else if (info.ssi_signo == SIGTERM) {
      files_.log("SIGTERM: ends when no service is up, and starts none again by itself");
      premises_.draining = true;
    }
  }
  if (!std::exchange(more_to_reap_, false)) return;
  reap();
  // A child that was halted or continued is told by the same signal.
  for (KeptService* service : std::set<KeptService*>(waiting_))
    service->look();
}

void Keeper::reap() {
  for (int i = 0; i < kReapedPerTurn; ++i) {
    siginfo_t info{};
    if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0) return;
    const auto known = premises_.children.find(info.si_pid);
    if (known != premises_.children.end()) {
      const Premises::Ended ended = known->second;  // a copy: it removes itself
      ended(info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status);
    }
    siginfo_t reaped{};
    (void)::waitid(P_PID, static_cast<id_t>(info.si_pid), &reaped, WEXITED | WNOHANG);
    for (KeptService* service : std::set<KeptService*>(premises_.leavers)) {
      service->look_for_left_behind();
    }
  }
  more_to_reap_ = true;
}

void Keeper::sweep() {
  if (!taken_out_ && !ending_) return;
  for (auto at = services_.begin(); at != services_.end();) {
    KeptService& service = *at->second;
    if (service.machine().defined() || service.machine().kept() || !service.idle() ||
        service.machine().up()) {
      ++at;
      continue;
    }
    // Said while there is still something to say; the agent drops what is stopped and not defined.
    link_.say(service.machine().status());
    files_.log(at->first + ": no longer known");
    files_.remove(at->first);
    touched_.erase(&service);
    waiting_.erase(&service);
    at = services_.erase(at);
  }
  taken_out_ = std::any_of(services_.begin(), services_.end(),
                           [](const auto& entry) { return !entry.second->machine().defined(); });
}

// ---- the agent

void Keeper::welcome(Fd peer, std::uint32_t user) {
  const Hello hello{.pid = ::getpid(), .replaceable = true, .face = options_.face};
  const bool face = !options_.face || user == *options_.face;
  (face ? link_ : opener_).meet(std::move(peer), hello);
}

void Keeper::connected(AgentLink& link, bool now) {
  const bool opener = &link == &opener_;
  if (opener || !options_.face) defining_.clear();
  const std::string who = opener ? "the opener" : options_.face ? "the face" : "an agent";
  files_.log(who + (now ? " is connected" : " is gone"));
  if (!now || opener) return;
  for (auto& [name, service] : services_)
    service->hand_out_notify();
}

// Which of the two says what is run, and which one when.
bool Keeper::may_say(const AgentLink& from, const Message& message) const {
  if (!options_.face || std::holds_alternative<End>(message)) return true;
  const bool of_the_opener = std::holds_alternative<Define>(message) ||
                             std::holds_alternative<DefinedAll>(message) ||
                             std::holds_alternative<Replace>(message);
  return of_the_opener == (&from == &opener_);
}

std::optional<Status> Keeper::status_of(const std::string& service) {
  const auto found = services_.find(service);
  if (found == services_.end()) return std::nullopt;
  return found->second->machine().status();
}

void Keeper::received(AgentLink& from, const Message& message, Fd descriptor) {
  if (std::holds_alternative<UnknownMessage>(message)) return;
  const auto* wish = std::get_if<Replace>(&message);
  if (!may_say(from, message)) {
    files_.log("refused what only " + std::string(&from == &link_ ? "root" : "the agent's face") +
               " may say");
    if (wish != nullptr) return from.say(StaysAsItIs{.why = "only root may replace this keeper"});
    return from.refuse("this keeper takes definitions from root, and controls from its face");
  }
  if (wish != nullptr) return replace(from, *wish);
  if (const auto* d = std::get_if<Define>(&message)) return define(d->spec);
  if (std::holds_alternative<DefinedAll>(message)) return defined_all(from);
  if (const auto* k = std::get_if<Keep>(&message)) return keep(*k);
  if (const auto* c = std::get_if<Command>(&message)) return control(*c);
  if (const auto* q = std::get_if<Query>(&message)) return query(q->service);
  if (std::holds_alternative<End>(message)) return end(from);
  if (const auto* held = std::get_if<HeldSocket>(&message)) {
    const auto found = services_.find(held->service);
    if (found != services_.end()) found->second->take_notify(held->address, std::move(descriptor));
  }
  if (const auto* ready = std::get_if<TcpReady>(&message)) {
    const auto found = services_.find(ready->service);
    if (found != services_.end()) found->second->machine().tcp_ready(ready->key);
  }
}

void Keeper::define(const ServiceSpec& spec) {
  defining_.insert(spec.name);
  const int failed = files_.store_spec(spec);
  auto& service = services_[spec.name];
  if (service == nullptr) {
    service = std::make_unique<KeptService>(premises_, spec);
    service->take_up();
  } else {
    service->machine().define(spec);
  }
  service->machine().note(
      "spec",
      failed == 0 ? std::string() : "its definition cannot be written: " + errno_sentence(failed));
}

void Keeper::defined_all(AgentLink& from) {
  for (auto& [name, service] : services_) {
    if (defining_.contains(name)) continue;
    service->machine().take_out();
    taken_out_ = true;
  }
  defining_.clear();
  sweep();
  if (&from == &opener_) return from.say(StatusAll{});
  query({});
}

void Keeper::keep(const Keep& message) {
  const std::set<std::string> kept(message.services.begin(), message.services.end());
  for (auto& [name, service] : services_)
    service->machine().keep(kept.contains(name));
}

void Keeper::control(const Command& command) {
  const auto refuse = [&](ErrorKind kind, const std::string& why) {
    Error error;
    error.kind = kind;
    error.detail = why;
    error.service = command.service;
    link_.say(Answer{.token = command.token,
                     .service = command.service,
                     .result = std::unexpected(std::move(error))});
  };
  if (ending_) return refuse(ErrorKind::scm_unavailable, "the keeper is ending");
  const auto found = services_.find(command.service);
  if (found == services_.end()) {
    return refuse(ErrorKind::unknown_service, "the keeper knows no service " + command.service);
  }
  if (!command.known) {
    return refuse(
        ErrorKind::control_not_accepted,
        "the keeper is of an older release than its agent and does not know this control");
  }
  if (command.op == ControlOp::start && std::exchange(premises_.draining, false)) {
    files_.log("no longer ending: a service is to be started");
  }
  found->second->machine().control(command);
}

void Keeper::query(const std::string& service) {
  if (!service.empty()) {
    if (services_.contains(service)) link_.tell(service);
    return;
  }
  for (const auto& [name, kept] : services_)
    link_.tell(name);
  link_.say(StatusAll{});
}

std::vector<std::string> Keeper::up() const {
  std::vector<std::string> names;
  for (const auto& [name, service] : services_) {
    if (service->machine().up()) names.push_back(name);
  }
  return names;
}

void Keeper::end(AgentLink& from) {
  const auto names = up();
  if (names.empty()) {
    ending_ = true;
    from.say(EndAnswer{});
    return;
  }
  from.say(EndAnswer{.refused = "services are up: " + list_names(names)});
}

// ---- another program in this process

void Keeper::replace(AgentLink& from, const Replace& wish) {
  const bool usable = !wish.argv.empty() && wish.argv.front().starts_with('/');
  if (usable && !ending_ && !premises_.draining) {
    successor_wished_by_ = &from;
    successor_ = wish.argv;  // once this turn is done, and what is being started has started
    return;
  }
  from.say(
      StaysAsItIs{.why = usable ? "it is about to end" : "it was given no program to execute"});
}

void Keeper::hand_on(bool hand_on) {
  files_.hand_on_lock(hand_on);
  for (auto& [name, service] : services_)
    service->hand_on_notify(hand_on);
}

void Keeper::make_way() {
  if (successor_.empty() || more_to_reap_ ||
      !std::all_of(services_.begin(), services_.end(),
                   [](const auto& entry) { return entry.second->settled(); })) {
    return;
  }
  std::vector<std::string> words = std::exchange(successor_, {});
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (auto& word : words)
    argv.push_back(word.data());
  argv.push_back(nullptr);
  files_.log("executes " + words.front() + " in its own process");
  // The records say everything; children, lock and sockets stay with the process.
  rlimit raised{};
  (void)::getrlimit(RLIMIT_NOFILE, &raised);
  if (premises_.open_files) {
    const rlimit found{.rlim_cur = premises_.open_files->first,
                       .rlim_max = premises_.open_files->second};
    (void)::setrlimit(RLIMIT_NOFILE, &found);
  }
  if (premises_.core) {
    const rlimit found{.rlim_cur = premises_.core->first, .rlim_max = premises_.core->second};
    (void)::setrlimit(RLIMIT_CORE, &found);
  }
  hand_on(true);
  ::execv(argv[0], argv.data());
  const int failed = errno;
  hand_on(false);
  (void)::setrlimit(RLIMIT_NOFILE, &raised);
  if (premises_.core) {
    const rlimit none{.rlim_cur = 0, .rlim_max = premises_.core->second};
    (void)::setrlimit(RLIMIT_CORE, &none);
  }
  const std::string why = "cannot execute " + words.front() + ": " + errno_sentence(failed);
  files_.log(why);
  successor_wished_by_->say(StaysAsItIs{.why = why});
  successor_wished_by_->flush();
}

// Standard output is the pipe of whoever started the keeper; nothing may hold it longer.
void report_and_close_output(const std::string& line) {
  const std::string text = line + "\n";
  (void)!::write(STDOUT_FILENO, text.data(), text.size());
  const Fd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (null) ::dup2(null.get(), STDOUT_FILENO);
}

// Descriptors 0 to 2 must be something, or a file opened later becomes one of them.
void fill_standard_descriptors() {
  int fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  while (fd >= 0 && fd <= STDERR_FILENO)
    fd = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (fd >= 0) ::close(fd);
}

}  // namespace

int run_keeper(const KeeperOptions& options) {
  fill_standard_descriptors();
  ::umask(027);
  try {
    Keeper keeper(options);
    if (const auto failed = keeper.set_up(); !failed.empty()) {
      report_and_close_output(failed);
      return 1;
    }
    report_and_close_output("ready");
    keeper.run();
    return 0;
  } catch (const std::exception& failure) {
    report_and_close_output(std::string("the keeper cannot start: ") + failure.what());
    return 1;
  }
}

}  // namespace noforce::supervisor
