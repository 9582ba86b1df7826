// The embedded SCM: Scm over the keeper (keeper.hpp).
//
// One thread talks to the keeper; everything else only posts to it or reads the last picture. The
// keeper pushes what changes, so watch() has nothing to do and nothing is polled.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/clock.hpp"
#include "core/fd.hpp"
#include "core/scm/port.hpp"
#include "core/scm/supervisor/keeper_start.hpp"
#include "core/scm/supervisor/mailbox.hpp"
#include "core/scm/supervisor/spec.hpp"
#include "core/thread_safety.hpp"

namespace noforce::supervisor {

struct SupervisorOptions {
  std::string state_dir;
  std::string executable;                // of the keeper: an absolute path
  std::vector<std::string> keeper_args;  // empty: {"keeper", "--state-dir", state_dir}
  std::vector<ServiceSpec> specs;
  // By job: what jobs that had begun before this agent may have to start again, see prepare().
  std::map<std::string, std::vector<std::string>> begun = {};
  // Where the keeper belongs to root and this process does not: who starts it and tells it what to
  // run; `executable` and `keeper_args` are then not used. Called by the backend's thread, and
  // reconfigure() is called once that one has the new settings.
  SeeToKeeper opener;
};

class SupervisorScm final : public Scm {
 public:
  explicit SupervisorScm(SupervisorOptions options, const Clock& clock = system_clock());
  ~SupervisorScm() override;

  // Connects to the keeper, and starts one where none answers.
  [[nodiscard]] Result<void> start(ScmSink& sink, Milliseconds patience) override;
  // Leaves the keeper and its services as they are.
  void stop() override;

  [[nodiscard]] std::optional<std::string> resolve(std::string_view spelling) const override;
  [[nodiscard]] PicturePtr snapshot() const override;
  void refresh(const std::vector<std::string>& services) override;
  void watch(const std::vector<std::string>& services) override;
  // Nothing below ends a process by force, so there is nothing to put in place. But what the job
  // stops stays startable until its release(), also when it is taken out of the settings meanwhile.
  [[nodiscard]] Result<void> prepare(const std::string& job,
                                     const std::vector<std::string>& services) override;
  void release(const std::string& job) override;
  void submit(Control control) override;
  [[nodiscard]] std::vector<std::string> plan_warnings(std::string_view service) const override;
  [[nodiscard]] std::string off_limits(std::string_view service) const override;

  // Other settings; what runs and is no longer among them stays listed until it stops, what a job
  // has stopped until that job is done. Any thread.
  void reconfigure(std::vector<ServiceSpec> specs);
  // Asks the keeper to end and waits until it did. control_not_accepted, naming them, when services
  // are up; timeout after `patience`. Afterwards no control is taken. Any thread.
  [[nodiscard]] Result<void> end_keeper(Milliseconds patience);

 private:
  using Policies = std::map<std::string, RestartPolicy, std::less<>>;

  void publish(PicturePtr picture);
  [[nodiscard]] std::set<std::string> kept() const NOFORCE_REQUIRES(mutex_);

  SupervisorOptions options_;
  const Clock& clock_;
  Mailbox mailbox_;
  Fd cancel_;
  std::set<std::int64_t> own_ancestors_;  // this process and all above it; constant
  std::thread thread_;
  std::shared_ptr<Reply<Result<void>>> first_;

  mutable Mutex mutex_;
  PicturePtr picture_ NOFORCE_GUARDED_BY(mutex_);
  Policies policies_ NOFORCE_GUARDED_BY(mutex_);
  // By job: what it may have to start again.
  std::map<std::string, std::vector<std::string>> begun_ NOFORCE_GUARDED_BY(mutex_);
};

}  // namespace noforce::supervisor
