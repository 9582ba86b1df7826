#include "core/scm/windows/backend.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "core/graph.hpp"
#include "core/log.hpp"
#include "core/scm/windows/dependencies.hpp"
#include "core/scm/windows/looker.hpp"
#include "core/scm/windows/warnings.hpp"

namespace noforce::windows {
namespace {

constexpr Milliseconds kRoundPatience{10'000};
constexpr const char* kNotes = "scm-controls";
// The local RPC that each call to the SCM goes through.
constexpr std::array<std::string_view, 3> kCarriers{"rpcss", "dcomlaunch", "rpceptmapper"};

PicturePtr empty_picture() {
  auto picture = std::make_shared<Picture>();
  picture->graph = std::make_shared<const Graph>();
  return picture;
}

}  // namespace

WindowsScm::WindowsScm(WindowsOptions options, const Clock& clock, std::shared_ptr<Calls> calls)
    : options_(std::move(options)),
      clock_(clock),
      calls_(std::move(calls)),
      mailbox_(WakeByCalls{calls_}),
      picture_(empty_picture()),
      facts_(std::make_shared<const ServiceFacts>()) {
  for (const auto pid : calls_->own_line())
    own_line_.insert(pid);
}

WindowsScm::~WindowsScm() {
  stop();
}

Result<void> WindowsScm::start(ScmSink& sink, Milliseconds patience) {
  auto first = std::make_shared<Reply<Result<void>>>();
  Looker::Outlets outlets{
      .publish =
          [this](PicturePtr picture, std::shared_ptr<const ServiceFacts> facts) {
            MutexLock lock(mutex_);
            picture_ = std::move(picture);
            facts_ = std::move(facts);
          },
      .ready = [first](Result<void> result) { first->give(std::move(result)); },
      .sink = &sink};
  std::filesystem::path notes;
  if (!options_.state_dir.empty()) notes = options_.state_dir / kNotes;
  thread_ = std::thread([this, notes = std::move(notes), outlets = std::move(outlets)]() mutable {
    try {
      Looker looker(calls_, std::move(notes), std::move(outlets), mailbox_, clock_);
      looker.run();
    } catch (const std::exception& failure) {
      log_error("windows", std::string("its thread ended: ") + failure.what());
    }
  });
  auto result = first->wait(clock_.mono() + patience);
  if (!result) {
    result =
        noforce::fail(ErrorKind::scm_unavailable, "the service manager did not answer within " +
                                                      std::to_string(patience.count()) + " ms");
  }
  if (!*result) stop();
  return *result;
}

void WindowsScm::stop() {
  if (!thread_.joinable()) return;
  mailbox_.post(Leave{});
  thread_.join();
}

std::optional<std::string> WindowsScm::resolve(std::string_view spelling) const {
  const PicturePtr picture = snapshot();
  if (picture->find(spelling) != nullptr) return std::string(spelling);
  const std::string wanted = folded(spelling);
  const Service* displayed = nullptr;
  bool several = false;
  for (const auto& service : picture->services) {
    if (folded(service->name) == wanted) return service->name;
    if (folded(service->display_name) != wanted) continue;
    several = displayed != nullptr;
    displayed = service.get();
  }
  if (displayed == nullptr || several) return std::nullopt;
  return displayed->name;
}

PicturePtr WindowsScm::snapshot() const {
  MutexLock lock(mutex_);
  return picture_;
}

void WindowsScm::refresh(const std::vector<std::string>& services) {
  mailbox_.post(LookAgain{services, nullptr});
}

void WindowsScm::look_now(const std::vector<std::string>& services) {
  if (services.empty()) return;
  auto done = std::make_shared<Reply<bool>>();
  mailbox_.post(LookAgain{services, done});
  (void)done->wait(clock_.mono() + kRoundPatience);
}

void WindowsScm::watch(const std::vector<std::string>& services) {
  mailbox_.post(Watch{services});
}

Result<void> WindowsScm::prepare(const std::string& job, const std::vector<std::string>& services) {
  auto reply = std::make_shared<Reply<Result<void>>>();
  mailbox_.post(Prepare{job, services, reply});
  if (auto result = reply->wait(clock_.mono() + kRoundPatience)) return *result;
  return noforce::fail(ErrorKind::scm_unavailable,
                       "the service manager could not be asked about the services of this job");
}

void WindowsScm::release(const std::string& job) {
  mailbox_.post(Release{job});
}

void WindowsScm::submit(Control control) {
  mailbox_.post(std::move(control));
}

std::vector<std::string> WindowsScm::plan_warnings(std::string_view service) const {
  PicturePtr picture;
  std::vector<std::string> warnings;
  {
    MutexLock lock(mutex_);
    picture = picture_;
    if (const auto found = facts_->find(service); found != facts_->end()) {
      warnings = found->second;
    }
  }
  const Service* known = picture->find(service);
  if (known == nullptr) return warnings;
  warnings.insert(warnings.end(), known->warnings.begin(), known->warnings.end());
  if (!known->instance) return warnings;
  std::vector<std::string> others;
  for (const auto& other : picture->services) {
    if (other->name != service && other->instance && other->instance->pid == known->instance->pid) {
      others.push_back(other->name);
    }
  }
  for (auto& warning : sharing_warnings(known->name, known->instance->pid, others))
    warnings.push_back(std::move(warning));
  return warnings;
}

std::string WindowsScm::off_limits(std::string_view service) const {
  return why_off_limits(service, *snapshot(), own_line_, options_.own_service);
}

std::string why_off_limits(std::string_view service, const Picture& picture,
                           const std::set<std::int64_t>& own, std::string_view own_service) {
  std::vector<std::string> ours;
  for (const auto& it : picture.services) {
    const bool runs_us = it->instance && own.contains(it->instance->pid);
    if (runs_us || (!own_service.empty() && folded(it->name) == folded(own_service))) {
      ours.push_back(it->name);
    }
  }
  if (std::find(ours.begin(), ours.end(), service) != ours.end()) {
    return "this agent runs as " + std::string(service) + " and would go down with it";
  }
  const auto needed = picture.graph->all_dependencies(ours);
  if (std::find(needed.begin(), needed.end(), service) != needed.end()) {
    return "this agent's own service needs " + std::string(service) + " and would go down with it";
  }
  const Service* known = picture.find(service);
  const bool carries =
      known != nullptr && is_up(known->state) &&
      std::find(kCarriers.begin(), kCarriers.end(), folded(service)) != kCarriers.end();
  if (carries) {
    return "Windows itself, the service manager included, is reached through " +
           std::string(service);
  }
  return {};
}

}  // namespace noforce::windows
