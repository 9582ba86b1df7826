#include "core/scm/supervisor/backend.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <utility>

#include "core/graph.hpp"
#include "core/log.hpp"
#include "core/scm/supervisor/keeper_client.hpp"
#include "core/scm/supervisor/process.hpp"

namespace noforce::supervisor {
namespace {

// Whoever stands in this line must not be stopped: the agent would go with it.
std::set<std::int64_t> ancestors(std::int64_t pid) {
  std::set<std::int64_t> line;
  while (pid > 0 && line.insert(pid).second) {
    const auto stat = read_stat(pid);
    if (!stat) break;
    pid = stat->parent;
  }
  return line;
}

std::map<std::string, RestartPolicy, std::less<>> policies_of(
    const std::vector<ServiceSpec>& specs) {
  std::map<std::string, RestartPolicy, std::less<>> policies;
  for (const auto& spec : specs)
    policies[spec.name] = spec.restart;
  return policies;
}

PicturePtr empty_picture() {
  auto picture = std::make_shared<Picture>();
  picture->graph = std::make_shared<const Graph>();
  return picture;
}

}  // namespace

SupervisorScm::SupervisorScm(SupervisorOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      cancel_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      own_ancestors_(ancestors(::getpid())),
      picture_(empty_picture()),
      policies_(policies_of(options_.specs)),
      begun_(options_.begun) {
  if (options_.keeper_args.empty()) {
    options_.keeper_args = {"keeper", "--state-dir", options_.state_dir};
  }
}

SupervisorScm::~SupervisorScm() {
  stop();
}

Result<void> SupervisorScm::start(ScmSink& sink, Milliseconds patience) {
  first_ = std::make_shared<Reply<Result<void>>>();
  std::set<std::string> kept;
  {
    MutexLock lock(mutex_);
    kept = this->kept();
  }
  KeeperClient::Options options{.state_dir = options_.state_dir,
                                .executable = options_.executable,
                                .keeper_args = options_.keeper_args,
                                .specs = options_.specs,
                                .kept = std::move(kept),
                                .opener = options_.opener};
  KeeperClient::Outlets outlets{
      .publish = [this](PicturePtr picture) { publish(std::move(picture)); },
      .ready = [first = first_](Result<void> result) { first->give(std::move(result)); },
      .sink = &sink};
  thread_ =
      std::thread([this, options = std::move(options), outlets = std::move(outlets)]() mutable {
        try {
          KeeperClient client(std::move(options), std::move(outlets), mailbox_, cancel_.get());
          client.run();
        } catch (const std::exception& failure) {
          log_error("supervisor", std::string("its thread ended: ") + failure.what());
        }
      });
  auto result = first_->wait(clock_.mono() + patience);
  if (!result) {
    result = noforce::fail(ErrorKind::scm_unavailable,
                           "no keeper answered within " + std::to_string(patience.count()) + " ms");
  }
  if (!*result) stop();
  return *result;
}

void SupervisorScm::stop() {
  if (!thread_.joinable()) return;
  const std::uint64_t one = 1;
  (void)!::write(cancel_.get(), &one, sizeof one);
  mailbox_.post(Leave{});
  thread_.join();
}

void SupervisorScm::publish(PicturePtr picture) {
  MutexLock lock(mutex_);
  picture_ = std::move(picture);
}

std::optional<std::string> SupervisorScm::resolve(std::string_view spelling) const {
  // Names of supervised services are what the settings say, letter for letter.
  if (snapshot()->find(spelling) == nullptr) return std::nullopt;
  return std::string(spelling);
}

PicturePtr SupervisorScm::snapshot() const {
  MutexLock lock(mutex_);
  return picture_;
}

void SupervisorScm::refresh(const std::vector<std::string>& services) {
  mailbox_.post(LookAgain{services});
}

void SupervisorScm::watch(const std::vector<std::string>&) {}

// Posted under the lock, so that the keeper's last word is the newest set.
Result<void> SupervisorScm::prepare(const std::string& job,
                                    const std::vector<std::string>& services) {
  MutexLock lock(mutex_);
  auto& all = begun_[job];
  all.insert(all.end(), services.begin(), services.end());
  mailbox_.post(KeepServices{kept()});
  return {};
}

void SupervisorScm::release(const std::string& job) {
  MutexLock lock(mutex_);
  if (begun_.erase(job) > 0) mailbox_.post(KeepServices{kept()});
}

std::set<std::string> SupervisorScm::kept() const {
  std::set<std::string> all;
  for (const auto& [job, services] : begun_)
    all.insert(services.begin(), services.end());
  return all;
}

void SupervisorScm::submit(Control control) {
  mailbox_.post(std::move(control));
}

std::vector<std::string> SupervisorScm::plan_warnings(std::string_view service) const {
  std::vector<std::string> warnings;
  MutexLock lock(mutex_);
  const auto found = policies_.find(service);
  if (found != policies_.end() && found->second == RestartPolicy::always) {
    warnings.push_back(std::string(service) +
                       " is started again whenever it ends by itself (restart = \"always\")");
  }
  if (const Service* known = picture_->find(service)) {
    warnings.insert(warnings.end(), known->warnings.begin(), known->warnings.end());
  }
  return warnings;
}

std::string SupervisorScm::off_limits(std::string_view service) const {
  const PicturePtr picture = snapshot();
  const Service* known = picture->find(service);
  if (known == nullptr || !known->instance || !own_ancestors_.contains(known->instance->pid)) {
    return {};
  }
  return "this agent runs below " + std::string(service) + " and would go down with it";
}

void SupervisorScm::reconfigure(std::vector<ServiceSpec> specs) {
  {
    MutexLock lock(mutex_);
    policies_ = policies_of(specs);
  }
  mailbox_.post(Redefine{std::move(specs)});
}

Result<void> SupervisorScm::end_keeper(Milliseconds patience) {
  auto reply = std::make_shared<Reply<Result<void>>>();
  mailbox_.post(EndKeeper{reply});
  if (auto result = reply->wait(clock_.mono() + patience)) return *result;
  return noforce::fail(ErrorKind::timeout, "the keeper has not ended within " +
                                               std::to_string(patience.count()) + " ms");
}

}  // namespace noforce::supervisor
