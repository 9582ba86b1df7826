// KeptService: the service's process tree - who belongs to it, signals to it, messages from it.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <set>

#include "core/scm/supervisor/inherited.hpp"
#include "core/scm/supervisor/kept_service.hpp"
#include "core/scm/supervisor/number.hpp"

namespace noforce::supervisor {
namespace {

constexpr int kMessagesPerTurn = 16;
// While the tree is being halted it may still grow; it is walked again until it does not.
constexpr int kHaltRounds = 5;

// Takes a message away once what it said is in the record, and not before: a keeper that dies in
// between leaves it to the next, to which it says the same. It goes also where the record could not
// be written or there was no memory for it: what one keeper cannot handle must not block the rest.
class DropAfter {
 public:
  explicit DropAfter(NotifySocket& socket) : socket_(socket) {}
  ~DropAfter() { socket_.drop(); }
  DropAfter(const DropAfter&) = delete;
  DropAfter& operator=(const DropAfter&) = delete;

 private:
  NotifySocket& socket_;
};

}  // namespace

// The session that the first process of this run made: its pid, which the key begins with.
std::int64_t KeptService::session() const {
  const std::string_view key = machine_.record().key;
  return to_number<std::int64_t>(key.substr(0, key.find(':'))).value_or(0);
}

bool KeptService::is_ours(std::int64_t pid) const {
  if (main_ == 0 || pid <= 1) return false;
  if (pid == main_) return true;
  // The session's number is the service's own only while the main process stands in it.
  const auto main = read_stat(main_);
  if (!main) return false;
  return belongs_to(pid, main_, main->session == session() ? main->session : 0,
                    [](std::int64_t p) { return read_stat(p); });
}

std::vector<ProcessStat> KeptService::tree() const {
  const std::vector<ProcessStat> all = all_processes();
  std::vector<ProcessStat> found;
  std::set<std::int64_t> members{main_};
  const auto main =
      std::find_if(all.begin(), all.end(), [this](const ProcessStat& p) { return p.pid == main_; });
  if (main == all.end()) return found;
  found.push_back(*main);
  const std::int64_t own_session = main->session == session() ? main->session : 0;
  // Parents may have higher pids than their children: again until nothing is added.
  for (std::size_t before = 0; before != found.size();) {
    before = found.size();
    for (const auto& p : all) {
      const bool belongs =
          members.contains(p.parent) || (own_session > 1 && p.session == own_session);
      if (p.pid <= 1 || !belongs || !members.insert(p.pid).second) continue;
      found.push_back(p);
    }
  }
  return found;
}

void KeptService::look_for_left_behind() {
  // Signal 0 asks only whether anyone is in the group that the service's session began with.
  const auto group = static_cast<pid_t>(session());
  const bool left = group > 1 && (::kill(-group, 0) == 0 || errno == EPERM);
  if (!left) premises_.leavers.erase(this);
  const std::size_t warnings = machine_.status().warnings.size();
  machine_.note("left", left ? "processes that it started are still there (process group " +
                                   std::to_string(group) + ")"
                             : std::string());
  if (machine_.status().warnings.size() != warnings) changed(true);
}

int KeptService::signal_main(int signal) {
  return send_signal(pidfd_, signal);
}

int KeptService::halt_tree() {
  // The main process first: it makes the others, and would see them halt.
  if (const int failed = send_signal(pidfd_, SIGSTOP); failed != 0) return failed;
  std::set<std::int64_t> halted{main_};
  for (int round = 0; round < kHaltRounds; ++round) {
    bool grew = false;
    for (const auto& p : tree()) {
      if (!halted.insert(p.pid).second) continue;
      grew = true;
      (void)send_signal(open_pidfd(p.id()), SIGSTOP);
    }
    if (!grew) break;
  }
  return 0;
}

int KeptService::resume_tree() {
  std::vector<ProcessStat> processes = tree();
  std::reverse(processes.begin(), processes.end());
  for (const auto& p : processes) {
    if (p.pid != main_) (void)send_signal(open_pidfd(p.id()), SIGCONT);
  }
  return send_signal(pidfd_, SIGCONT);
}

bool KeptService::main_halted() const {
  const auto stat = main_ == 0 ? std::nullopt : read_stat(main_);
  return stat && stat->halted();
}

bool KeptService::main_forked_only() const {
  const auto stat = main_ == 0 ? std::nullopt : read_stat(main_);
  return stat && stat->forked_only;
}

bool KeptService::main_is_child() const {
  const auto stat = main_ == 0 ? std::nullopt : read_stat(main_);
  return stat && stat->parent == ::getpid();
}

std::optional<SignalFate> KeptService::main_signal_fate(int signal) const {
  return main_ == 0 ? std::nullopt : signal_fate(main_, signal);
}

// ---- what it says of itself

void KeptService::open_notify(const std::string& address, bool only_that) {
  notify_address_ = address.empty() ? NotifySocket::new_address() : address;
  if (auto found = premises_.inherited.extract(notify_address_)) {
    return listen_to(NotifySocket(std::move(found.mapped())));
  }
  auto bound = NotifySocket::bind(notify_address_);
  if (!bound && !only_that) {
    notify_address_ = NotifySocket::new_address();
    bound = NotifySocket::bind(notify_address_);
  }
  machine_.note("notify",
                bound ? std::string()
                      : "its sd_notify messages cannot be heard: " + errno_sentence(bound.error()));
  if (bound) listen_to(std::move(*bound));
}

void KeptService::listen_to(NotifySocket socket) {
  premises_.loop->forget(notify_watch_);
  notify_ = std::move(socket);
  notify_watch_ = premises_.loop->watch(notify_->fd(), EPOLLIN,
                                        [this](std::uint32_t) { hear(kMessagesPerTurn); });
  hand_out_notify();
}

void KeptService::take_notify(const std::string& address, Fd socket) {
  if (!premises_.hands_out || notify_ || address.empty() || address != notify_address_ || !socket)
    return;
  if (abstract_name(socket.get()) != address) return;  // anything else might never be emptied
  machine_.note("notify", "");
  listen_to(NotifySocket(std::move(socket)));
  changed(true);
}

void KeptService::hand_on_notify(bool hand_on) {
  if (notify_) set_inheritable(notify_->fd(), hand_on);
}

void KeptService::hand_out_notify() {
  // Who holds the socket may read from it, and so take what a service of root's hands over, or
  // silence it: an agent without root's rights does not get it.
  if (!notify_ || !premises_.hands_out || !premises_.link->greeted()) return;
  premises_.link->say(HeldSocket{.service = name_, .address = notify_address_},
                      notify_->duplicate());
  // At once: the service may speak, and this keeper end, before the turn does.
  premises_.link->flush();
}

void KeptService::hear(int most) {
  for (int i = 0; i < most && notify_; ++i) {
    const auto received = notify_->peek();
    if (!received) return;
    const DropAfter handled(*notify_);
    heard(*received);
  }
}

void KeptService::heard(const NotifySocket::Received& received) {
  const auto notification = parse_notification(received.text);
  if (!notification || !is_ours(received.sender)) return;
  std::optional<ProcessId> moved;
  if (notification->main_pid && *notification->main_pid != main_ &&
      is_ours(*notification->main_pid)) {
    const auto stat = read_stat(*notification->main_pid);
    Fd pidfd = stat ? open_pidfd(stat->id()) : Fd();
    if (pidfd) {
      premises_.log(name_ + ": pid " + std::to_string(stat->pid) + " is its main process now");
      premises_.children.erase(main_);
      pidfd_ = std::move(pidfd);
      own_main(stat->pid);
      watch_pidfd();
      moved = stat->id();
    }
  }
  machine_.notified(*notification, moved);
}

}  // namespace noforce::supervisor
