// A directory that goes away with the test, a clock that is set by hand, and jobs to keep.
#pragma once

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "core/journal.hpp"
#include "core/ulid.hpp"
#include "tests/support/temporary.hpp"

namespace noforce::test {

// Where a sync costs nothing, if the machine has such a place.
inline std::filesystem::path memory() {
  const std::filesystem::path shared = "/dev/shm";
  std::error_code ignored;
  const auto mode = std::filesystem::status(shared, ignored).permissions();
  const bool for_all =
      (mode & std::filesystem::perms::others_write) != std::filesystem::perms::none;
  return for_all && mode != std::filesystem::perms::unknown
             ? shared
             : std::filesystem::temp_directory_path();
}

class TemporaryDirectory {
 public:
  explicit TemporaryDirectory(
      const std::filesystem::path& parent = std::filesystem::temp_directory_path())
      : path_(make_temporary_directory("noforce-", parent)) {}
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

class HandClock final : public Clock {
 public:
  [[nodiscard]] MonoTime mono() const override { return MonoTime{Milliseconds{now_.load()}}; }
  [[nodiscard]] WallTime wall() const override { return WallTime{Milliseconds{now_.load()}}; }
  void set(WallTime time) { now_ = time.time_since_epoch().count(); }
  void advance(Milliseconds by) { now_ += by.count(); }

 private:
  std::atomic<std::int64_t> now_{1'764'000'000'000};
};

inline Job queued_job(const std::string& id, const Clock& clock = system_clock(),
                      Action action = Action::restart,
                      const std::vector<std::string>& services = {"w3svc"}) {
  Job job;
  job.id = id;
  job.action = action;
  job.services = services;
  job.touches = services;
  job.requested_by = "token:ci";
  job.options.reason = "deploy 4711";
  job.plan_digest = "sha256:0123456789abcdef";
  job.created_at = clock.wall();
  for (const std::string& service : services) {
    Step step;
    step.service = service;
    step.operation = Operation::stop;
    job.steps.push_back(step);
    step.operation = Operation::start;
    job.steps.push_back(step);
  }
  return job;
}

inline JobPtr finished(Job job, JobResult result, WallTime at,
                       Milliseconds duration = Milliseconds{1500}) {
  job.state = JobState::done;
  job.result = result;
  job.started_at = job.created_at;
  job.finished_at = at;
  job.duration = duration;
  job.revision++;
  for (Step& step : job.steps) {
    step.state = StepState::done;
    step.result = StepResult::succeeded;
  }
  return std::make_shared<const Job>(std::move(job));
}

inline AuditEntry accepted_entry(const Job& job) {
  AuditEntry entry;
  entry.principal = job.requested_by;
  entry.address = "192.0.2.7";
  entry.event = "job.accepted";
  entry.outcome = "ok";
  entry.job = job.id;
  entry.services = job.services;
  return entry;
}

}  // namespace noforce::test
