#include "core/scm/supervisor/kept_service.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace noforce::supervisor {
namespace {

// How long lesser news (a STATUS) waits to be joined with the next.
constexpr Milliseconds kTellAtMost{50};

std::optional<Record> load(std::optional<RecordFile>& file) {
  return file ? file->load() : std::nullopt;
}

// How a child ended that was not reaped yet.
std::optional<std::int64_t> end_of_child(std::int64_t pid) {
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
      info.si_pid == 0) {
    return std::nullopt;
  }
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

std::optional<RecordFile> open_file(int folder, const std::string& name) {
  auto file = RecordFile::open(folder, name);
  if (!file) return std::nullopt;
  return std::move(*file);
}

}  // namespace

KeptService::KeptService(Premises& premises, ServiceSpec spec)
    : premises_(premises),
      name_(spec.name),
      file_(open_file(premises.records, spec.name)),
      machine_(*this, std::move(spec), load(file_)) {
  found_record_ = load(file_).has_value();
  record_unread_ = !file_ && RecordFile::exists(premises.records, name_);
}

KeptService::~KeptService() {
  release_main();
  for (const auto which : {Companion::stop, Companion::reload}) {
    premises_.loop->forget(beside(which).watch);
    premises_.children.erase(beside(which).pid);
  }
  premises_.loop->forget(notify_watch_);
  premises_.leavers.erase(this);
}

void KeptService::take_up() {
  if (!found_record_) return;
  const Record& record = machine_.record();
  if (record.main.pid != 0 && record.boot == premises_.boot) {
    pidfd_ = open_pidfd(record.main);
    if (pidfd_) {
      main_ = record.main.pid;
      if (main_is_child()) {
        own_main(main_);  // the program before this one started it, in the same process
      } else {
        watch_pidfd();
      }
      open_notify(record.notify_address, true);
      premises_.log(name_ + ": taken up with pid " + std::to_string(main_));
    }
  }
  // An end that the program before this one had no time to see.
  const auto code =
      pidfd_ || record.boot != premises_.boot ? std::nullopt : end_of_child(record.main.pid);
  machine_.take_up(static_cast<bool>(pidfd_), code);
}

bool KeptService::settled() const {
  return !launch_ && !launch_failure_ &&
         std::none_of(beside_.begin(), beside_.end(), [](const Beside& b) { return !!b.launch; });
}

bool KeptService::idle() const {
  return main_ == 0 &&
         std::all_of(beside_.begin(), beside_.end(), [](const Beside& b) { return b.pid == 0; });
}

std::optional<MonoTime> KeptService::due() const {
  const auto of_machine = machine_.due();
  if (of_machine && tell_at_) return std::min(*of_machine, *tell_at_);
  return of_machine ? of_machine : tell_at_;
}

void KeptService::look() {
  if (tell_at_ && now() >= *tell_at_) changed(true);
  machine_.look();
  premises_.touched(*this);
}

// ---- World: time, record, agent

MonoTime KeptService::now() const {
  return std::chrono::steady_clock::now();
}

std::int64_t KeptService::wall_ms() const {
  return std::chrono::duration_cast<Milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

int KeptService::save(const Record& record) {
  if (!file_) {
    auto file = RecordFile::open(premises_.records, name_);
    if (!file) return file.error();
    // It may speak of a process that runs; a start would double it. The next keeper reads it.
    if (record_unread_) return EBUSY;
    file_ = std::move(*file);
  }
  return file_->save(record);
}

void KeptService::answer(const ControlToken& token, const Result<void>& result) {
  premises_.link->say(Answer{.token = token, .service = name_, .result = result});
}

void KeptService::changed(bool urgent) {
  premises_.touched(*this);
  const MonoTime at = now();
  if (!urgent && at < told_at_ + kTellAtMost) {
    tell_at_ = told_at_ + kTellAtMost;
    return;
  }
  told_at_ = at;
  tell_at_.reset();
  premises_.link->tell(name_);
}

// ---- World: the main process

LaunchPlan KeptService::plan_for(const std::vector<std::string>& argv) const {
  const ServiceSpec& spec = machine_.spec();
  LaunchPlan plan{.argv = argv,
                  .user = spec.user,
                  .directory = spec.directory,
                  .environment = spec.environment,
                  .limits = spec.limits,
                  .open_files = premises_.open_files,
                  .core = premises_.core};
  if (notify_) plan.environment.emplace_back("NOTIFY_SOCKET", "@" + notify_address_);
  return plan;
}

Error KeptService::launch_failure(const LaunchError& error, const LaunchPlan& plan) const {
  Error out;
  out.kind = ErrorKind::scm_failure;
  out.detail = error.sentence(plan);
  out.service = name_;
  out.native_code = error.code;
  out.native_name = errno_name(error.code);
  return out;
}

Fd KeptService::open_log() {
  const std::string file = name_ + ".log";
  Fd log(::openat(premises_.logs, file.c_str(),
                  O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0640));
  // A full disk must not forbid a start.
  machine_.note("log",
                log ? std::string()
                    : "its output is lost, the log cannot be opened: " + errno_sentence(errno));
  return log;
}

std::expected<ForkedMain, Error> KeptService::fork_main() {
  release_main();
  premises_.leavers.erase(this);
  machine_.note("left", "");
  if (!notify_) open_notify(machine_.record().notify_address, false);
  launch_plan_ = plan_for(machine_.spec().command);
  const Fd log = open_log();
  auto launch = Launch::fork(launch_plan_, premises_.null, log ? log.get() : premises_.null);
  if (!launch) return std::unexpected(launch_failure(launch.error(), launch_plan_));
  const std::int64_t pid = launch->pid();
  const auto stat = read_stat(pid);
  Fd pidfd = open_pidfd(pid);
  if (!stat || !pidfd) {
    // The child ends when `launch` is destroyed, and is reaped as nobody's.
    return std::unexpected(
        launch_failure({.at = LaunchError::At::fork, .code = errno}, launch_plan_));
  }
  pidfd_ = std::move(pidfd);
  launch_ = std::move(*launch);
  own_main(pid);
  launch_watch_ = premises_.loop->watch(launch_->result_fd(), EPOLLIN,
                                        [this](std::uint32_t) { main_result(); });
  return ForkedMain{.process = stat->id(), .notify_address = notify_address_};
}

void KeptService::let_main_go() {
  if (launch_) launch_->go();
  premises_.log(name_ + ": started with pid " + std::to_string(main_));
}

void KeptService::drop_main() {
  release_main();
}

void KeptService::own_main(std::int64_t pid) {
  main_ = pid;
  premises_.children[pid] = [this](std::int64_t code) {
    main_gone(code);
    if (main_ == 0) premises_.leavers.insert(this);
  };
}

void KeptService::watch_pidfd() {
  premises_.loop->forget(pidfd_watch_);
  pidfd_watch_ = premises_.loop->watch(pidfd_.get(), EPOLLIN, [this](std::uint32_t) {
    // Known where it has become a child of the keeper (its parent ended).
    main_gone(end_of_child(main_));
  });
}

void KeptService::release_main() {
  premises_.loop->forget(launch_watch_);
  premises_.loop->forget(pidfd_watch_);
  launch_.reset();
  pidfd_.reset();
  if (main_ != 0) premises_.children.erase(main_);
  main_ = 0;
}

void KeptService::main_result() {
  if (!launch_) return;
  const auto result = launch_->result();
  if (!result) return;
  premises_.loop->forget(launch_watch_);
  launch_.reset();
  if (*result) {
    machine_.executed();
  } else {
    launch_failure_ = launch_failure(result->error(), launch_plan_);  // and now it ends
  }
}

void KeptService::main_gone(std::optional<std::int64_t> code) {
  // What it left to be read, while its pid is still its own.
  const std::int64_t ended = main_;
  main_result();
  constexpr int kLastWords = 256;
  hear(kLastWords);
  if (main_ != ended) return;  // the last words named another main process
  const std::optional<Error> failure = std::exchange(launch_failure_, std::nullopt);
  premises_.log(name_ + ": pid " + std::to_string(main_) + " ended" +
                (failure ? ": " + failure->detail
                 : code  ? " with " + std::to_string(*code)
                         : ", how is not known"));
  release_main();
  machine_.main_ended(code, failure);
}

// ---- World: commands beside it

Result<void> KeptService::fork_companion(Companion which) {
  Beside& b = beside(which);
  const ServiceSpec& spec = machine_.spec();
  b.plan = plan_for(which == Companion::stop ? spec.stop_command : spec.reload_command);
  b.plan.environment.emplace_back("MAINPID", std::to_string(main_));
  if (b.pid != 0) {
    return std::unexpected(launch_failure({.at = LaunchError::At::fork, .code = EBUSY}, b.plan));
  }
  const Fd log = open_log();
  auto launch = Launch::fork(b.plan, premises_.null, log ? log.get() : premises_.null);
  if (!launch) return std::unexpected(launch_failure(launch.error(), b.plan));
  b.pid = launch->pid();
  b.failed = false;
  b.launch = std::move(*launch);
  premises_.children[b.pid] = [this, which](std::int64_t code) { beside_ended(which, code); };
  b.watch = premises_.loop->watch(b.launch->result_fd(), EPOLLIN,
                                  [this, which](std::uint32_t) { beside_result(which); });
  return {};
}

void KeptService::let_companion_go(Companion which) {
  if (beside(which).launch) beside(which).launch->go();
}

void KeptService::drop_companion(Companion which) {
  Beside& b = beside(which);
  premises_.loop->forget(b.watch);
  premises_.children.erase(b.pid);
  b.launch.reset();
  b.pid = 0;
}

void KeptService::beside_result(Companion which) {
  Beside& b = beside(which);
  if (!b.launch) return;
  const auto result = b.launch->result();
  if (!result) return;
  premises_.loop->forget(b.watch);
  b.launch.reset();
  if (*result) return machine_.companion_executed(which);
  b.failed = true;
  machine_.companion_failed(which, launch_failure(result->error(), b.plan));
}

void KeptService::beside_ended(Companion which, std::int64_t code) {
  beside_result(which);
  Beside& b = beside(which);
  const bool executed = !b.failed;
  premises_.children.erase(b.pid);
  b.pid = 0;
  if (executed) machine_.companion_ended(which, code);
  premises_.touched(*this);
}

}  // namespace noforce::supervisor
