#include "core/scm/systemd/backend.hpp"

#include <unistd.h>

#include <fstream>
#include <sstream>
#include <utility>

#include "core/graph.hpp"
#include "core/log.hpp"
#include "core/scm/systemd/names.hpp"
#include "core/scm/systemd/sparing.hpp"
#include "core/text.hpp"

namespace noforce::systemd {
namespace {

constexpr Milliseconds kPreparePatience{120'000};

// "0::/system.slice/noforce.service": every unit on the way holds this process.
std::set<std::string, std::less<>> units_of_this_process() {
  std::set<std::string, std::less<>> out;
  std::ifstream in("/proc/self/cgroup");
  for (std::string line; std::getline(in, line);) {
    std::istringstream parts(line);
    for (std::string part; std::getline(parts, part, '/');) {
      if (is_unit_name(part)) out.insert(part);
    }
  }
  return out;
}

std::int64_t parent_of(std::int64_t pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string stat;
  std::getline(in, stat);
  const auto name_ends = stat.rfind(')');
  if (name_ends == std::string::npos) return 0;
  std::istringstream rest(stat.substr(name_ends + 1));
  std::string state;
  std::int64_t parent = 0;
  rest >> state >> parent;
  return parent;
}

std::set<std::int64_t> line_of_this_process() {
  std::set<std::int64_t> line;
  for (std::int64_t pid = ::getpid(); pid > 0 && line.insert(pid).second;)
    pid = parent_of(pid);
  return line;
}

PicturePtr empty_picture() {
  auto picture = std::make_shared<Picture>();
  picture->graph = std::make_shared<const Graph>();
  return picture;
}

void warn_of_kills(const Units& units, const Unit& unit, bool may_disarm,
                   std::vector<std::string>& warnings) {
  const std::string& id = unit.is().id;
  const Sparing sparing = sparing_of(unit.is());
  if (!sparing.ways.empty() && is_up(unit.state())) {
    std::string text = "systemd would kill " + id;
    if (sparing.after && sparing.after->count() > 0) {
      text += " after " + std::to_string((sparing.after->count() + 999) / 1000) + " s of stopping";
    }
    text += " (" + list_names(sparing.ways) + "); ";
    text += may_disarm ? "noforce disarms that before it stops it, by a drop-in and a daemon-reload"
                       : "noforce may not disarm that, so it does not stop it";
    warnings.push_back(std::move(text));
    const auto edited = units.edited();
    if (may_disarm && !edited.empty()) {
      warnings.push_back("that daemon-reload also applies what was edited of " +
                         list_names(edited));
    }
  }
  const auto others = other_ways(unit.is());
  if (!others.empty()) {
    warnings.push_back("systemd ends " + id + " at other times than a stop by " +
                       list_names(others));
  }
}

std::vector<std::string> warnings_of(const Units& units, std::string_view service,
                                     bool may_disarm) {
  std::vector<std::string> warnings;
  const auto id = units.resolve(service);
  if (!id) return warnings;
  const Unit& unit = *units.find(*id);
  const std::string& restart = unit.is().restart;
  if (!restart.empty() && restart != "no") {
    warnings.push_back(*id + " is started again by systemd when it ends by itself (Restart=" +
                       clean_text(restart, 32) + ")");
  }
  if (const auto triggers = units.active_triggers(*id); !triggers.empty()) {
    warnings.push_back(list_names(triggers) + (triggers.size() == 1 ? " is" : " are") +
                       " active and may start " + *id +
                       " again; stop that as well if it is to stay down");
  }
  if (const auto others = units.goes_down_unlisted(*id); !others.empty()) {
    warnings.push_back("systemd stops " + list_names(others) + " with " + *id + " and starts " +
                       (others.size() == 1 ? "it" : "them") + " again only where " + *id +
                       " needs " + (others.size() == 1 ? "it" : "them"));
  }
  warn_of_kills(units, unit, may_disarm, warnings);
  for (auto& own : unit.service().warnings)
    warnings.push_back(std::move(own));
  return warnings;
}

}  // namespace

std::string unit_runtime_dir(Scope scope, const std::string& user_runtime_dir) {
  return scope == Scope::system ? "/run/systemd/system" : user_runtime_dir + "/systemd/user";
}

SystemdScm::SystemdScm(SystemdOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      own_units_(units_of_this_process()),
      own_ancestors_(line_of_this_process()),
      shared_(options_.types) {
  const MutexLock lock(shared_.mutex);
  shared_.picture = empty_picture();
}

SystemdScm::~SystemdScm() {
  stop();
}

Result<void> SystemdScm::start(ScmSink& sink, Milliseconds patience) {
  auto ready = std::make_shared<Reply<Result<void>>>();
  thread_ = std::thread([this, ready, sink = &sink] {
    try {
      Session session({.open = options_.open,
                       .files = SparedFiles(options_.state_dir + "/spared", options_.runtime_dir),
                       .no_disarming = options_.no_disarming,
                       .begun = options_.begun},
                      {.ready = ready, .sink = sink}, shared_, mailbox_, clock_);
      session.run();
    } catch (const std::exception& failure) {
      log_error("systemd", std::string("its thread ended: ") + failure.what());
      ready->give(fail(ErrorKind::internal, failure.what()));
    }
  });
  auto result = ready->wait(clock_.mono() + patience);
  if (!result) {
    std::string why;
    {
      const MutexLock lock(shared_.mutex);
      why = shared_.why_lost;
    }
    result = fail(ErrorKind::scm_unavailable, "systemd did not answer within " +
                                                  std::to_string(patience.count()) + " ms" +
                                                  (why.empty() ? std::string() : ": " + why));
  }
  if (!*result) stop();
  return *result;
}

void SystemdScm::stop() {
  if (!thread_.joinable()) return;
  mailbox_.post(Leave{});
  thread_.join();
}

std::optional<std::string> SystemdScm::resolve(std::string_view spelling) const {
  const MutexLock lock(shared_.mutex);
  return shared_.units.resolve(spelling);
}

PicturePtr SystemdScm::snapshot() const {
  const MutexLock lock(shared_.mutex);
  return shared_.picture;
}

void SystemdScm::refresh(const std::vector<std::string>& services) {
  mailbox_.post(LookAgain{services});
}

void SystemdScm::watch(const std::vector<std::string>& services) {
  mailbox_.post(Watch{services});
}

Result<void> SystemdScm::prepare(const std::string& job, const std::vector<std::string>& services) {
  if (!thread_.joinable()) {
    return fail(ErrorKind::scm_unavailable, "the agent is not connected to systemd");
  }
  auto done = std::make_shared<Reply<Result<void>>>();
  mailbox_.post(Prepare{job, services, done});
  if (auto result = done->wait(clock_.mono() + kPreparePatience)) return *result;
  return fail(ErrorKind::timeout, "systemd has not read its files again within " +
                                      std::to_string(kPreparePatience.count() / 1000) +
                                      " s, so nothing was stopped");
}

void SystemdScm::release(const std::string& job) {
  mailbox_.post(Release{job});
}

void SystemdScm::submit(Control control) {
  mailbox_.post(std::move(control));
}

std::vector<std::string> SystemdScm::plan_warnings(std::string_view service) const {
  const MutexLock lock(shared_.mutex);
  return warnings_of(shared_.units, service, options_.no_disarming.empty());
}

std::optional<Error> SystemdScm::stop_refusal(std::string_view service) const {
  if (options_.no_disarming.empty()) return std::nullopt;
  const MutexLock lock(shared_.mutex);
  const Unit* unit = shared_.units.find(service);
  if (unit == nullptr || !is_up(unit->state())) return std::nullopt;
  const Sparing sparing = sparing_of(unit->is());
  if (sparing.ways.empty()) return std::nullopt;
  return would_kill(unit->is().id, sparing, options_.no_disarming);
}

std::string SystemdScm::off_limits(std::string_view service) const {
  std::optional<Instance> instance;
  {
    const MutexLock lock(shared_.mutex);
    const Unit* unit = shared_.units.find(service);
    if (unit == nullptr) return {};
    instance = unit->instance();
  }
  const bool holds_us = own_units_.contains(service) ||
                        (instance && instance->pid > 0 && own_ancestors_.contains(instance->pid));
  if (!holds_us) return {};
  return "this agent runs in " + std::string(service) + " and would go down with it";
}

}  // namespace noforce::systemd
