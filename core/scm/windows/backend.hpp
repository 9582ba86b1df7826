// Windows' own service control manager: Scm over advapi32.
//
// One thread looks (looker.hpp), a bounded crew sends controls (control_crew.hpp); everything else
// only posts to them or reads the last picture. All calls of the system go through one table
// (calls.hpp). docs/windows.md says which of the SCM's rules are kept where, and docs/decisions/0012
// why it is built so.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/clock.hpp"
#include "core/scm/port.hpp"
#include "core/scm/windows/calls.hpp"
#include "core/scm/windows/inventory.hpp"
#include "core/scm/windows/mailbox.hpp"
#include "core/thread_safety.hpp"

namespace noforce::windows {

struct WindowsOptions {
  // Where controls are noted before they are sent; a directory of the agent's own.
  std::filesystem::path state_dir;
  // The service that this agent runs as; empty: it is known by its process, if it is one.
  std::string own_service;
};

class WindowsScm final : public Scm {
 public:
  explicit WindowsScm(WindowsOptions options, const Clock& clock = system_clock(),
                      std::shared_ptr<Calls> calls = system_calls());
  ~WindowsScm() override;

  // access_denied when this account may not list services.
  [[nodiscard]] Result<void> start(ScmSink& sink, Milliseconds patience) override;
  // A control that is in a call of the SCM's stays there, until the call returns; nobody waits for
  // it.
  void stop() override;

  // Names are matched without regard to case, as the SCM does; a display name that only one service
  // has will do as well (GetServiceKeyName).
  [[nodiscard]] std::optional<std::string> resolve(std::string_view spelling) const override;
  [[nodiscard]] PicturePtr snapshot() const override;
  void refresh(const std::vector<std::string>& services) override;
  // The picture of what nobody watches may be 2 s old.
  void look_now(const std::vector<std::string>& services) override;
  void watch(const std::vector<std::string>& services) override;
  // The processes of these are held open, and each change of theirs is heard, before it returns.
  [[nodiscard]] Result<void> prepare(const std::string& job,
                                     const std::vector<std::string>& services) override;
  // A process that is still there stays held until it has ended, whatever jobs say.
  void release(const std::string& job) override;
  void submit(Control control) override;
  [[nodiscard]] std::vector<std::string> plan_warnings(std::string_view service) const override;
  [[nodiscard]] std::string off_limits(std::string_view service) const override;

 private:
  WindowsOptions options_;
  const Clock& clock_;
  std::shared_ptr<Calls> calls_;
  Mailbox mailbox_;
  std::set<std::int64_t> own_line_;  // this process and those above it; constant
  std::thread thread_;

  mutable Mutex mutex_;
  PicturePtr picture_ NOFORCE_GUARDED_BY(mutex_);
  std::shared_ptr<const ServiceFacts> facts_ NOFORCE_GUARDED_BY(mutex_);
};

// Why no job may touch `service`: it is in `own` (a process of the agent's line), it is
// `own_service`, one of those needs it, or it is up and every call to the SCM goes through it. Pure.
[[nodiscard]] std::string why_off_limits(std::string_view service, const Picture& picture,
                                         const std::set<std::int64_t>& own,
                                         std::string_view own_service);

}  // namespace noforce::windows
