#include "tests/simulation/disk.hpp"

#include <utility>

#include "core/job_json.hpp"

namespace noforce::simulation {

namespace {
constexpr std::size_t kMostJobs = 60;  // far more than anybody here sends
}  // namespace

void Disk::committed(Durability durability) {
  if (durability == Durability::power_loss) {
    synced_ = now_;
    since_.clear();
  } else {
    since_.push_back(now_);
  }
}

// A log: what comes back is a beginning of what was written.
void Disk::lose_power(Chance& chance) {
  const std::size_t kept = chance.below(since_.size() + 1);
  now_ = kept == 0 ? synced_ : since_[kept - 1];
  synced_ = now_;
  since_.clear();
}

std::unexpected<Error> DiskJournal::not_here() {
  return fail(ErrorKind::internal, "not simulated");
}

std::unexpected<Error> DiskJournal::full() const {
  return fail(ErrorKind::journal_unavailable, "the disk is full");
}

Result<Acceptance> DiskJournal::accept(const Job& job, const AuditEntry&,
                                       const std::optional<IdempotencyKey>& key) {
  fuse_.burn();
  if (disk_.full()) return full();
  Disk::State& state = disk_.state();
  if (key && !disk_.faults().doubles_keys) {
    const auto known = state.keys.find(key->credential + "/" + key->key);
    if (known != state.keys.end()) return Acceptance{known->second.first, true};
  }
  if (disk_.faults().loses_accepted) return Acceptance{job.id, false};
  const auto kept = std::make_shared<const Job>(job);
  state.jobs[job.id] = kept;
  if (key && state.keys.contains(key->credential + "/" + key->key)) {
    ledger_.violated(kEndsOnce, "two jobs for one Idempotency-Key");
  }
  if (key) state.keys[key->credential + "/" + key->key] = {job.id, key->fingerprint};
  disk_.committed(Durability::power_loss);
  if (state.jobs.size() == kMostJobs) ledger_.violated(kEnds, "jobs are made without end");
  ledger_.trace(ledger_.number_of(job.id) + " is on disk: " + std::string(to_string(job.action)));
  ledger_.accepted(job.id);
  ledger_.committed({{nullptr, kept}}, state.jobs, nullptr);
  fuse_.burn();
  return Acceptance{job.id, false};
}

Result<std::optional<std::string>> DiskJournal::find_key(const IdempotencyKey& key) {
  if (disk_.faults().doubles_keys) return std::nullopt;
  const auto known = disk_.state().keys.find(key.credential + "/" + key.key);
  if (known == disk_.state().keys.end()) return std::nullopt;
  return known->second.first;
}

Result<void> DiskJournal::write(const JournalChange& change, Durability durability) {
  fuse_.burn();
  const bool was_delayed = std::exchange(delayed_, disk_.full());
  if (delayed_) return full();
  Disk::State& state = disk_.state();
  std::vector<std::pair<JobPtr, JobPtr>> changed;
  const Disk::State before = disk_.faults().forgets ? state : Disk::State{};
  for (const auto& job : change.jobs) {
    JobPtr& kept = state.jobs[job->id];
    changed.emplace_back(kept, job);
    kept = job;
  }
  for (const auto& wanted : change.wanted)
    state.wanted[wanted.service] = wanted;
  if (disk_.faults().forgets) state = before;
  disk_.committed(durability);
  for (const auto& entry : change.audit)
    ledger_.audited(entry);
  const PicturePtr seen = scm_.snapshot();
  ledger_.committed(changed, state.jobs, was_delayed ? nullptr : seen.get());
  fuse_.burn();
  return {};
}

Result<std::optional<Job>> DiskJournal::job(std::string_view id) {
  const auto at = disk_.state().jobs.find(std::string(id));
  if (at == disk_.state().jobs.end()) return std::nullopt;
  auto read = job_from_json(job_to_json(*at->second));
  if (!read) return std::unexpected(read.error());
  return *std::move(read);
}

Result<JobPage> DiskJournal::jobs(const JobFilter&) {
  return not_here();
}

Result<std::vector<Job>> DiskJournal::unfinished() {
  std::vector<Job> all;
  for (const auto& [id, kept] : disk_.state().jobs) {
    if (kept->state == JobState::done && kept->restored != Restored::pending) continue;
    auto read = job_from_json(job_to_json(*kept));
    if (!read) return std::unexpected(read.error());
    all.push_back(*std::move(read));
  }
  return all;
}

Result<std::optional<std::string>> DiskJournal::newest_job_id() {
  if (disk_.state().jobs.empty()) return std::nullopt;
  return disk_.state().jobs.rbegin()->first;
}

Result<std::vector<Wanted>> DiskJournal::wanted() {
  std::vector<Wanted> all;
  for (const auto& [service, wanted] : disk_.state().wanted)
    all.push_back(wanted);
  return all;
}

Result<void> DiskJournal::set_hold(const HoldRecord& hold, const AuditEntry&) {
  fuse_.burn();
  if (disk_.full()) return full();
  disk_.state().hold = hold;
  disk_.committed(Durability::power_loss);
  fuse_.burn();
  return {};
}

Result<void> DiskJournal::audit(const AuditEntry& entry) {
  fuse_.burn();
  if (disk_.full()) return full();
  ledger_.audited(entry);
  return {};
}

bool DiskJournal::healthy(std::string* why) const {
  if (why != nullptr && disk_.full()) *why = "the disk is full";
  return !disk_.full();
}

}  // namespace noforce::simulation
