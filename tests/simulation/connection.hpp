// The agent's end of the manager: a backend that keeps the port's contract, and hooks and probes.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/attendant.hpp"
#include "core/scm/port.hpp"
#include "tests/simulation/disk.hpp"
#include "tests/simulation/fuse.hpp"
#include "tests/simulation/ledger.hpp"
#include "tests/simulation/manager.hpp"

namespace noforce::simulation {

class Connection final : public Scm {
 public:
  Connection(Manager& manager, const Disk& disk, Fuse& fuse, Ledger& ledger)
      : manager_(manager), disk_(disk), fuse_(fuse), ledger_(ledger) {
    view_ = std::make_shared<const Picture>();
  }

  ~Connection() override { stop(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<void> start(ScmSink& sink, Milliseconds patience) override;
  void stop() final;
  std::optional<std::string> resolve(std::string_view spelling) const override;
  PicturePtr snapshot() const override { return view_; }
  void refresh(const std::vector<std::string>& services) override;
  void watch(const std::vector<std::string>&) override {}
  Result<void> prepare(const std::string& job, const std::vector<std::string>& services) override;
  void release(const std::string& job) override;
  void submit(Control control) override;
  std::vector<std::string> plan_warnings(std::string_view) const override { return {}; }
  std::string off_limits(std::string_view) const override { return {}; }

  // One message from the manager.
  void receive();
  void lose();
  void find_again();
  [[nodiscard]] bool lost() const { return lost_; }

 private:
  void look(const std::shared_ptr<const Service>& service);
  void look_at_all();

  Manager& manager_;
  const Disk& disk_;
  Fuse& fuse_;
  Ledger& ledger_;
  ScmSink* sink_ = nullptr;
  PicturePtr view_;
  std::map<ControlToken, Control> unanswered_;
  bool lost_ = false;
};

// Hooks and probes: begun here, ended when the world says so.
class Attendance final : public Attendant {
 public:
  Attendance(AttendantSink& sink, const Disk& disk, Fuse& fuse, Ledger& ledger)
      : sink_(sink), disk_(disk), fuse_(fuse), ledger_(ledger) {}

  void run_hook(const ControlToken& token, const std::string& service, const HookCommand& command,
                Milliseconds timeout) override;
  void probe(const ControlToken& token, const std::string& service, const Verify& verify,
             Milliseconds timeout) override;
  void stop() override { in_hand_.clear(); }

  [[nodiscard]] bool busy() const { return !in_hand_.empty(); }
  void end_one(bool good);

 private:
  AttendantSink& sink_;
  const Disk& disk_;
  Fuse& fuse_;
  Ledger& ledger_;
  std::deque<ControlToken> in_hand_;
};

}  // namespace noforce::simulation
