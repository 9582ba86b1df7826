#include "core/scm/systemd/spared_units.hpp"

#include <algorithm>
#include <utility>

#include "core/log.hpp"
#include "core/text.hpp"

namespace noforce::systemd {
namespace {

constexpr Milliseconds kAgain{5'000};
// What follows the end of a stop at once, a start above all, is not to wait for a daemon-reload.
constexpr Milliseconds kRest{500};

}  // namespace

Result<void> SparedUnits::load(const std::set<std::string>& begun) {
  auto records = files_.read_all();
  if (!records) return std::unexpected(std::move(records.error()));
  for (auto& [unit, record] : *records) {
    std::erase_if(record.jobs, [&](const auto& job) { return !begun.contains(job); });
    Spared spared{.record = std::move(record)};
    spared.is_loaded = files_.has_drop_in(unit);
    spared_.insert_or_assign(unit, std::move(spared));
  }
  return {};
}

void SparedUnits::spare(const std::string& job, const std::vector<std::string>& units, Then then) {
  std::vector<std::string> fresh;
  for (const auto& unit : units) {
    const auto seen = world_.seen(unit);
    if (!seen || !seen->is_up) continue;
    auto placed = put_in_place(job, unit, *seen);
    if (!placed) return then(std::unexpected(std::move(placed.error())));
    if (*placed) fresh.push_back(unit);
  }
  if (fresh.empty()) return then({});
  for (const auto& unit : fresh)
    ++spared_.at(unit).waiting;
  request_reload({fresh, [this, fresh, then = std::move(then)](const Result<void>& reloaded) {
                    auto checked = check(fresh, reloaded);
                    then(std::move(checked));
                    for (const auto& unit : fresh) {
                      const auto known = spared_.find(unit);
                      if (known != spared_.end()) --known->second.waiting;
                    }
                  }});
}

// True when systemd has to read it.
Result<bool> SparedUnits::put_in_place(const std::string& job, const std::string& unit,
                                       const Seen& seen) {
  const auto known = spared_.find(unit);
  if (known == spared_.end() && seen.sparing.ways.empty()) return false;
  Spared next = known == spared_.end() ? Spared{} : known->second;
  if (next.record.instance != seen.instance) next.is_stopping = false;
  next.record.instance = seen.instance;
  if (!job.empty()) next.record.jobs.insert(job);
  if (next.drop_in.empty() || !seen.sparing.ways.empty()) next.drop_in = seen.sparing.drop_in;
  const bool as_it_was = known != spared_.end() && known->second.record == next.record;
  if (!as_it_was) {
    if (auto written = files_.write_record(unit, next.record); !written) {
      return std::unexpected(std::move(written.error()));
    }
  }
  const bool in_effect = next.is_loaded && !next.is_leaving && seen.sparing.ways.empty();
  if (!in_effect) {
    next.is_loaded = next.is_leaving = false;
    spared_.insert_or_assign(unit, next);  // from here on there may be a drop-in
    if (auto written = files_.write_drop_in(unit, next.drop_in); !written) {
      return std::unexpected(std::move(written.error()));
    }
    return true;
  }
  spared_.insert_or_assign(unit, std::move(next));
  return false;
}

Result<void> SparedUnits::check(const std::vector<std::string>& units,
                                const Result<void>& reloaded) {
  if (!reloaded) return reloaded;
  for (const auto& unit : units) {
    const auto seen = world_.seen(unit);
    const auto known = spared_.find(unit);
    if (known != spared_.end() && !known->second.is_leaving) known->second.is_loaded = true;
    if (!seen || !seen->is_up || seen->sparing.ways.empty()) continue;
    return fail(ErrorKind::control_not_accepted,
                "systemd would still end " + unit + " by force (" + list_names(seen->sparing.ways) +
                    ") although noforce disarmed it by its " + kDropIn + "; `systemctl cat " +
                    unit + "` shows what overrides that",
                unit);
  }
  return {};
}

void SparedUnits::stopping(const std::string& unit, bool is) {
  const auto known = spared_.find(unit);
  if (known != spared_.end()) known->second.is_stopping = is;
}

void SparedUnits::release(const std::string& job) {
  for (auto& [unit, spared] : spared_) {
    if (spared.record.jobs.erase(job) == 0) continue;
    if (auto written = files_.write_record(unit, spared.record); !written) {
      log_warning("systemd", written.error().detail);  // the next agent drops the job as ended
    }
  }
}

bool SparedUnits::is_needed(const Spared& spared, const std::optional<Seen>& seen) const {
  if (!spared.record.jobs.empty() || spared.waiting > 0) return true;
  if (!seen || !seen->is_up) return false;
  if (!seen->is_settled) return true;  // it stops, or starts: it is spared until that is over
  return spared.is_stopping && seen->instance == spared.record.instance;
}

std::optional<MonoTime> SparedUnits::sweep() {
  if (spared_.empty()) return std::nullopt;
  if (clock_.mono() < not_before_) return not_before_;
  put_back_in_place();
  const MonoTime now = clock_.mono();
  std::optional<MonoTime> again;
  std::vector<std::string> leaving;
  for (auto& [unit, spared] : spared_) {
    if (spared.is_leaving) continue;
    if (is_needed(spared, world_.seen(unit))) {
      spared.needless_since.reset();
      continue;
    }
    if (!spared.needless_since) spared.needless_since = now;
    const MonoTime due = *spared.needless_since + kRest;
    if (now >= due) {
      leaving.push_back(unit);
    } else {
      again = std::min(due, again.value_or(due));
    }
  }
  if (!leaving.empty()) leave(leaving);
  if (clock_.mono() < not_before_) return not_before_;
  return again;
}

// An agent before this one died between the record and the drop-in of what still stops.
void SparedUnits::put_back_in_place() {
  std::vector<std::string> fresh;
  for (auto& [unit, spared] : spared_) {
    if (spared.is_loaded || spared.is_leaving || !spared.drop_in.empty()) continue;
    const auto seen = world_.seen(unit);
    if (!seen || !seen->is_up || !is_needed(spared, seen)) continue;
    spared.drop_in = seen->sparing.drop_in;
    if (auto written = files_.write_drop_in(unit, spared.drop_in); !written) {
      log_error("systemd", written.error().detail);
      spared.drop_in.clear();
      not_before_ = clock_.mono() + kAgain;
      continue;
    }
    fresh.push_back(unit);
  }
  if (fresh.empty()) return;
  request_reload({fresh, [this, fresh](const Result<void>& reloaded) {
                    if (auto checked = check(fresh, reloaded); !checked) {
                      log_error("systemd", checked.error().detail);
                    }
                  }});
}

void SparedUnits::leave(const std::vector<std::string>& units) {
  std::vector<std::string> leaving;
  for (const auto& unit : units) {
    if (auto removed = files_.remove_drop_in(unit); !removed) {
      log_warning("systemd", removed.error().detail);
      not_before_ = clock_.mono() + kAgain;
      continue;
    }
    spared_.at(unit).is_leaving = true;
    leaving.push_back(unit);
  }
  if (leaving.empty()) return;
  request_reload(
      {leaving, [this, leaving](const Result<void>& reloaded) { left(leaving, reloaded); }});
}

void SparedUnits::left(const std::vector<std::string>& units, const Result<void>& reloaded) {
  if (!reloaded) {
    log_warning("systemd", reloaded.error().detail);
    not_before_ = clock_.mono() + kAgain;
  }
  for (const auto& unit : units) {
    const auto known = spared_.find(unit);
    if (known == spared_.end() || !known->second.is_leaving) continue;  // spared again meanwhile
    if (reloaded) {
      files_.remove_record(unit);
      spared_.erase(known);
    } else {
      known->second.is_leaving = false;
    }
  }
}

// One daemon-reload for all who ask for one while another runs.
void SparedUnits::request_reload(Wanted wanted) {
  next_.push_back(std::move(wanted));
  if (running_.empty()) run_reload();
}

void SparedUnits::run_reload() {
  running_ = std::exchange(next_, {});
  std::vector<std::string> units;
  for (const auto& wanted : running_)
    units.insert(units.end(), wanted.units.begin(), wanted.units.end());
  world_.reload(units, [this](const Result<void>& reloaded) {
    const auto done = std::exchange(running_, {});
    if (!next_.empty()) run_reload();
    for (const auto& wanted : done)
      wanted.then(reloaded);
  });
}

}  // namespace noforce::systemd
