// The disk and the journal on it. What was committed outlives the agent; what was synced outlives
// the power, and of the rest a beginning. It may be full for a while.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/journal.hpp"
#include "core/scm/port.hpp"
#include "tests/simulation/fuse.hpp"
#include "tests/simulation/ledger.hpp"

namespace noforce::simulation {

class Disk {
 public:
  // Ways in which the disk can be broken, to show what bites.
  struct Faults {
    bool forgets = false;         // a commit of the executor's is not there after a crash
    bool doubles_keys = false;    // an Idempotency-Key is not looked up
    bool loses_accepted = false;  // an acceptance is answered and not written
  };
  explicit Disk(Faults faults) : faults_(faults) {}

  struct State {
    std::map<std::string, JobPtr> jobs;
    std::map<std::string, std::pair<std::string, std::string>> keys;  // key: job, fingerprint
    std::map<std::string, Wanted> wanted;
    HoldRecord hold;
  };
  [[nodiscard]] State& state() { return now_; }
  [[nodiscard]] const State& state() const { return now_; }
  // After a change of the state.
  void committed(Durability durability);
  void lose_power(Chance& chance);

  void set_full(bool full) { full_ = full; }
  [[nodiscard]] bool full() const { return full_; }
  [[nodiscard]] const Faults& faults() const { return faults_; }

 private:
  Faults faults_;
  State now_;
  State synced_;
  std::vector<State> since_;  // the states after each commit that was not synced
  bool full_ = false;
};

// One agent's journal on that disk.
class DiskJournal final : public Journal {
 public:
  DiskJournal(Disk& disk, Fuse& fuse, Ledger& ledger, const Scm& scm)
      : disk_(disk), fuse_(fuse), ledger_(ledger), scm_(scm) {}

  Result<Acceptance> accept(const Job& job, const AuditEntry& audit,
                            const std::optional<IdempotencyKey>& key) override;
  Result<std::optional<std::string>> find_key(const IdempotencyKey& key) override;
  Result<void> write(const JournalChange& change, Durability durability) override;
  Result<std::optional<Job>> job(std::string_view id) override;
  Result<JobPage> jobs(const JobFilter& filter) override;
  Result<std::vector<Job>> unfinished() override;
  Result<std::optional<std::string>> newest_job_id() override;
  Result<std::uint64_t> count_jobs() override { return disk_.state().jobs.size(); }
  Result<std::optional<WallTime>> last_end(std::string_view) override { return std::nullopt; }
  Result<std::optional<Milliseconds>> typical_duration(Action,
                                                       const std::vector<std::string>&) override {
    return std::nullopt;
  }
  Result<std::vector<Wanted>> wanted() override;
  Result<HoldRecord> hold() override { return disk_.state().hold; }
  Result<void> set_hold(const HoldRecord& hold, const AuditEntry& audit) override;
  Result<void> add_token(const TokenRecord&, const AuditEntry&) override { return not_here(); }
  Result<std::vector<TokenRecord>> tokens() override { return std::vector<TokenRecord>{}; }
  Result<void> revoke_token(std::string_view, const AuditEntry&) override { return not_here(); }
  Result<void> audit(const AuditEntry& entry) override;
  Result<std::vector<AuditRow>> audit_rows(const AuditQuery&) override {
    return std::vector<AuditRow>{};
  }
  Result<AuditVerdict> verify_audit() override { return AuditVerdict{}; }
  Result<std::uint64_t> forget_jobs(WallTime) override { return 0; }
  bool healthy(std::string* why) const override;

 private:
  static std::unexpected<Error> not_here();
  [[nodiscard]] std::unexpected<Error> full() const;

  Disk& disk_;
  Fuse& fuse_;
  Ledger& ledger_;
  const Scm& scm_;        // whose picture the agent has
  bool delayed_ = false;  // the last write failed
};

}  // namespace noforce::simulation
