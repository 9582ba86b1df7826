#include "tests/simulation/ledger.hpp"

#include <algorithm>

#include "core/graph.hpp"
#include "core/job_json.hpp"
#include "core/plan.hpp"

namespace noforce::simulation {

namespace {

using Disk = std::map<std::string, JobPtr>;

bool contains(const std::vector<std::string>& all, const std::string& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

bool overlap(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  return std::any_of(a.begin(), a.end(), [&b](const auto& one) { return contains(b, one); });
}

bool has_begun(const Job& job) {
  return job.state == JobState::running || job.state == JobState::cancelling;
}

bool does(Operation operation, ControlOp op) {
  switch (op) {
    case ControlOp::stop:
      return operation == Operation::stop;
    case ControlOp::start:
      return operation == Operation::start;
    case ControlOp::pause:
      return operation == Operation::pause;
    case ControlOp::resume:
      return operation == Operation::resume;
    case ControlOp::reload:
      return operation == Operation::reload;
  }
  return false;
}

bool serves(const Service* service) {
  return service != nullptr && counts_as_up(service->state) &&
         service->state != ServiceState::start_pending;
}

bool stops(const Job& job, const std::string& service) {
  return std::any_of(job.steps.begin(), job.steps.end(), [&service](const Step& step) {
    return step.service == service && step.operation == Operation::stop;
  });
}

// Something that the job starts needs it.
bool is_needed(const Job& job, const std::string& service, const Graph& graph) {
  return std::any_of(job.steps.begin(), job.steps.end(), [&](const Step& step) {
    return step.operation == Operation::start &&
           contains(graph.all_dependencies({step.service}), service);
  });
}

}  // namespace

void Ledger::trace(const std::string& line) {
  for (const char c : line) {
    fingerprint_ ^= static_cast<unsigned char>(c);
    fingerprint_ *= 1099511628211ULL;
  }
  if (tracing_) lines_.push_back(line);
}

void Ledger::violated(const char* promise, const std::string& what) {
  trace(std::string("BROKEN ") + promise + ": " + what);
  violations_.push_back({promise, what});
}

std::string Ledger::number_of(const std::string& job) {
  const auto [at, is_new] = numbers_.try_emplace(job, numbers_.size() + 1);
  return "#" + std::to_string(at->second);
}

// Commits ------------------------------------------------------------------------------------------

void Ledger::committed(const std::vector<std::pair<JobPtr, JobPtr>>& jobs, const Disk& disk,
                       const Picture* seen) {
  for (const auto& [before, after] : jobs) {
    if (before) judge_transition(*before, *after, disk, seen);
    const bool begins = has_begun(*after) && (!before || before->state == JobState::queued);
    if (begins) judge_begin(*after, disk);
  }
}

void Ledger::judge_transition(const Job& before, const Job& after, const Disk& disk,
                              const Picture* seen) {
  const std::string number = number_of(after.id);
  if (before.state == JobState::done) {
    Job expected = before;
    expected.restored = after.restored;
    expected.down = after.down;
    expected.revision = after.revision;
    if (job_to_json(expected) != job_to_json(after))
      violated(kEndsOnce, number + " changed after its end");
    trace(number + " is restored=" + std::string(to_string(after.restored)) + " now");
    note_given_up(after, disk);
    const bool settled = before.restored != Restored::pending;
    if (settled && before.restored != after.restored) {
      violated(kEndsOnce, number + " settled what it restored twice");
    }
    return;
  }
  if (has_begun(before) && after.state == JobState::queued) {
    violated(kEndsOnce, number + " had begun and is queued again");
  }
  for (const auto& found : before.found) {
    const bool kept = std::any_of(after.found.begin(), after.found.end(), [&](const Found& one) {
      return one.service == found.service && (one == found || !counts_as_up(found.state));
    });
    if (!kept) violated(kHonest, number + " forgot how it found " + found.service);
  }
  if (after.state != JobState::done) return;
  note_given_up(after, disk);
  judge_end(after, seen);
}

// What a job gives up because something that nobody's job took down is missing.
void Ledger::note_given_up(const Job& job, const Disk& disk) {
  if (job.restored != Restored::incomplete) return;
  for (const auto& service : job.down) {
    const auto needs = graph_->all_dependencies({service});
    const bool in_vain = std::any_of(needs.begin(), needs.end(), [&](const auto& name) {
      const Fate fate = fates_[name];
      if (fate.by != DownBy::job) return fate.by != DownBy::nobody;
      const auto at = disk.find(fate.job);  // it has left that one down, and has to say why itself
      return at != disk.end() && at->second->state == JobState::done &&
             at->second->restored != Restored::pending;
    });
    if (in_vain) given_up_.insert(job.id + " " + service);
  }
}

void Ledger::judge_end(const Job& job, const Picture* seen) {
  const std::string number = number_of(job.id);
  trace(number + " ends " + (job.result ? std::string(to_string(*job.result)) : "?") +
        " restored=" + std::string(to_string(job.restored)));
  if (!job.result) return violated(kHonest, number + " ended without a result");
  if (!job.started_at) return;
  for (const auto& step : job.steps) {
    if (step.state != StepState::done) {
      violated(kHonest, number + " ended with a step in hand");
    }
  }
  if (seen != nullptr) judge_picture(job, *seen);
}

void Ledger::judge_picture(const Job& job, const Picture& seen) {
  const std::string number = number_of(job.id);
  for (const auto& found : job.found) {
    const bool down = counts_as_up(found.state) && !serves(seen.find(found.service));
    if (down != contains(job.down, found.service)) {
      violated(kHonest, number + " says of " + found.service + " that it is " +
                            (down ? "up" : "down") + ", and it is not");
    }
  }
  if (*job.result != JobResult::succeeded) return;
  for (const auto& found : job.found) {
    if (meddled_.contains(found.service)) continue;
    const Service* now = seen.find(found.service);
    const bool named = contains(job.services, found.service) && !job.group;
    const bool stopped = std::any_of(job.steps.begin(), job.steps.end(), [&](const Step& step) {
      return step.service == found.service && step.operation == Operation::stop &&
             step.result == StepResult::succeeded;
    });
    if (job.action == Action::stop && stopped && serves(now)) {
      violated(kHonest, number + " says that it stopped " + found.service);
    }
    if (job.action != Action::restart) continue;
    if (named && found.instance && now != nullptr && now->instance == found.instance) {
      violated(kHonest, number + " says that it restarted " + found.service);
    }
    if (named || contains(job.down, found.service)) continue;
    const ServiceState wanted = destination(found.state);
    const bool up = counts_as_up(wanted);
    if (up && destination(now->state) != wanted) {
      violated(kRestoredExactly, number + " found " + found.service + " " +
                                     std::string(to_string(found.state)) + " and left it " +
                                     std::string(to_string(now->state)));
    }
    const bool started = std::any_of(job.steps.begin(), job.steps.end(), [&](const Step& step) {
      return step.service == found.service && step.operation == Operation::start;
    });
    if (!up && started && !is_needed(job, found.service, *seen.graph)) {
      violated(kRestoredExactly, number + " started " + found.service + ", which was stopped");
    }
  }
}

void Ledger::judge_begin(const Job& job, const Disk& disk) {
  trace(number_of(job.id) + " begins");
  for (const auto& [id, other] : disk) {
    if (id == job.id || other->state == JobState::done) continue;
    const bool before = id < job.id || has_begun(*other);
    if (before && overlap(other->touches, job.touches)) {
      violated(kOrder, number_of(job.id) + " began before " + number_of(id) + " had ended");
    }
  }
}

void Ledger::audited(const AuditEntry& entry) {
  if (entry.event != "job.done") return;
  if (++ends_[entry.job] > 1) violated(kEndsOnce, number_of(entry.job) + " ended twice");
}

// Effects ------------------------------------------------------------------------------------------

void Ledger::submitted(const Control& control, const Picture& seen, const Disk& disk,
                       bool disk_is_ill) {
  const std::string what = std::string(to_string(control.op)) + " " + control.service + " of " +
                           number_of(control.token.job) + "." + std::to_string(control.token.step) +
                           "." + std::to_string(control.token.attempt);
  trace("agent sends " + what);
  const auto at = disk.find(control.token.job);
  if (at == disk.end()) return violated(kDurableFirst, what + " for a job that is not on disk");
  const Job& job = *at->second;
  const bool brings_back = control.op == ControlOp::start || control.op == ControlOp::resume;
  const bool intended = has_begun(job) && control.token.step < job.steps.size() &&
                        job.steps[control.token.step].service == control.service &&
                        does(job.steps[control.token.step].operation, control.op) &&
                        job.steps[control.token.step].state == StepState::running &&
                        job.steps[control.token.step].attempts == control.token.attempt;
  if (!intended && !(brings_back && disk_is_ill && has_begun(job))) {
    violated(kDurableFirst, what + " before its intention was on disk");
  }
  if (control.op == ControlOp::stop) {
    const bool consented =
        contains(job.services, control.service) || contains(job.consented, control.service);
    if (!consented || job.parent) violated(kConsent, what + " that nobody consented to");
    for (const auto& dependent : seen.graph->all_dependents({control.service})) {
      const Service* it = seen.find(dependent);
      if (it != nullptr && is_up(it->state)) {
        violated(kOrder, what + " while " + dependent + " is up");
      }
    }
  }
  if (control.op == ControlOp::start) {
    for (const auto& needed : seen.graph->all_dependencies({control.service})) {
      const Service* it = seen.find(needed);
      const bool by_a_job = fates_[needed].by == DownBy::job && !meddled_.contains(needed);
      if (it != nullptr && !is_up(it->state) && by_a_job) {
        violated(kOrder, what + " while " + needed + ", which it needs, is down");
      }
    }
  }
}

void Ledger::hook_ran(const ControlToken& token, const Disk& disk) {
  const std::string what = "hook of " + number_of(token.job) + "." + std::to_string(token.step);
  trace("agent runs " + what);
  if (++hooks_[token.job + "." + std::to_string(token.step)] > 1) {
    violated(kControlOnce, what + " ran twice");
  }
  const auto at = disk.find(token.job);
  if (at == disk.end() || token.step >= at->second->steps.size() ||
      at->second->steps[token.step].state != StepState::running) {
    violated(kDurableFirst, what + " before its intention was on disk");
  }
}

void Ledger::asked_to_stop(const std::string& service, const std::string& instance,
                           const std::string& job) {
  trace(service + " is asked to stop by " + number_of(job));
  if (++stops_[instance + " " + job] > 1) {
    violated(kControlOnce, service + " was asked twice by " + number_of(job));
  }
}

void Ledger::killed(const std::string& service) {
  violated(kNeverForced, service + " was ended by force, with what it had not yet saved");
}

void Ledger::went_down(const std::string& service, DownBy by, const std::string& job) {
  trace(service + " is down");
  fates_[service] = {.by = by, .job = job};
}

void Ledger::start_failed(const std::string& service) {
  trace(service + " did not come up");
  Fate& fate = fates_[service];
  if (fate.by == DownBy::nobody) fate.by = DownBy::failed_start;
  fate.start_failed = true;
}

// The end ------------------------------------------------------------------------------------------

void Ledger::judge(const Picture& truth, const Disk& disk,
                   const std::map<std::string, ServiceState>& at_first) {
  for (const auto& id : accepted_) {
    if (!disk.contains(id)) violated(kEndsOnce, number_of(id) + " was accepted and is lost");
  }
  for (const auto& [id, job] : disk) {
    if (job->state != JobState::done) {
      violated(kEnds, number_of(id) + " never ended");
    } else if (ends_[id] != 1) {
      violated(kEndsOnce, number_of(id) + " has no end in the audit trail");
    }
    if (job->restored == Restored::pending) {
      violated(kNothingLeftDown, number_of(id) + " is pending for ever");
    }
  }
  for (const auto& service : truth.services) {
    const std::string& name = service->name;
    if (serves(service.get())) {
      if (counts_as_up(at_first.at(name)) || meddled_.contains(name)) continue;
      const bool asked = std::any_of(disk.begin(), disk.end(), [&](const auto& entry) {
        const Job& job = *entry.second;
        return (job.action == Action::start && contains(job.touches, name)) ||
               (job.action == Action::restart &&
                (contains(job.services, name) || is_needed(job, name, *truth.graph)));
      });
      if (!asked) violated(kRestoredExactly, name + " was stopped and nobody wanted it up");
      continue;
    }
    std::set<std::string> looked_at;
    if (!may_be_down(name, truth, disk, looked_at)) {
      violated(kNothingLeftDown,
               name + " is down" +
                   (fates_[name].by == DownBy::job ? " because of " + number_of(fates_[name].job)
                                                   : std::string()) +
                   " and nothing says why");
    }
  }
}

// Whether this job's record says why a service that it took down is down.
bool Ledger::explains(const Job& job, const std::string& service, const Picture& truth,
                      const Disk& disk) const {
  const bool good = job.result && is_good(*job.result);
  const bool asked_for = contains(job.services, service) || contains(job.consented, service);
  if (job.action == Action::stop && good) return true;
  const bool late = job.result == JobResult::timed_out || job.result == JobResult::interrupted ||
                    job.result == JobResult::failed || job.result == JobResult::cancelled;
  const bool not_known = std::any_of(job.steps.begin(), job.steps.end(), [&](const Step& step) {
    return step.service == service && step.operation == Operation::stop && step.error &&
           step.error->effect == Effect::unknown;
  });
  const bool says_so =
      (contains(job.down, service) || not_known) && job.restored == Restored::incomplete;
  if (given_up_.contains(job.id + " " + service)) return true;
  // It, or what it needs, was started and did not come up; that is said there.
  const auto needs = truth.graph->all_dependencies({service});
  const bool tried = std::any_of(disk.begin(), disk.end(), [&](const auto& entry) {
    if (entry.first < job.id) return false;
    const auto& steps = entry.second->steps;
    return std::any_of(steps.begin(), steps.end(), [&](const Step& step) {
      return (step.service == service || contains(needs, step.service)) &&
             step.operation == Operation::start && step.error;
    });
  });
  if (tried && says_so) return true;
  // A stop that took longer than its job: what was asked for.
  if (job.action == Action::stop && asked_for && late && says_so) return true;
  if (job.options.on_failure == OnFailure::leave && !good && says_so) return true;
  // Somebody has wanted it down since; or the job that was to bring it back was called off or failed.
  return std::any_of(disk.begin(), disk.end(), [&](const auto& entry) {
    const Job& later = *entry.second;
    if (later.parent == job.id && later.result && !is_good(*later.result) && says_so) return true;
    return later.id > job.id && later.action == Action::stop && later.started_at &&
           contains(later.touches, service);
  });
}

bool Ledger::may_be_down(const std::string& service, const Picture& truth, const Disk& disk,
                         std::set<std::string>& looked_at) {
  if (!looked_at.insert(service).second) return false;
  if (meddled_.contains(service)) return true;
  const auto needs = truth.graph->all_dependencies({service});
  if (std::any_of(needs.begin(), needs.end(),
                  [this](const auto& name) { return meddled_.contains(name); })) {
    return true;
  }
  const Fate fate = fates_[service];
  if (fate.start_failed) return true;
  const bool needs_one = [&] {
    for (const auto& needed : needs) {
      const Service* it = truth.find(needed);
      if (it != nullptr && !serves(it) && may_be_down(needed, truth, disk, looked_at)) return true;
    }
    return false;
  }();
  switch (fate.by) {
    case DownBy::nobody:
    case DownBy::person:
    case DownBy::itself:
    case DownBy::failed_start:
      return true;
    case DownBy::reboot:
      if (needs_one) return true;
      return std::all_of(disk.begin(), disk.end(), [&](const auto& entry) {
        const Job& job = *entry.second;
        const bool took = job.result == JobResult::interrupted && job.boot == fate.job &&
                          stops(job, service) &&
                          std::any_of(job.found.begin(), job.found.end(), [&](const Found& one) {
                            return one.service == service && counts_as_up(one.state);
                          });
        return !took || explains(job, service, truth, disk);
      });
    case DownBy::job:
      break;
  }
  if (needs_one) return true;
  const auto at = disk.find(fate.job);
  return at != disk.end() && explains(*at->second, service, truth, disk);
}

}  // namespace noforce::simulation
