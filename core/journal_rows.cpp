#include "core/journal_rows.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include <nlohmann/json.hpp>

#include "core/job_json.hpp"
#include "core/text.hpp"

namespace noforce {
namespace {

// Names have no line breaks in them: text from outside is cleaned on entry.
std::string join_lines(const std::vector<std::string>& lines) {
  std::string out;
  for (const std::string& line : lines) {
    if (!out.empty()) out += '\n';
    out += line;
  }
  return out;
}

}  // namespace

std::string_view outcome_of(const Job& job) {
  return job.state == JobState::done && job.result ? to_string(*job.result) : to_string(job.state);
}

JournalTransaction::PreparedJob JournalTransaction::prepare(const Job& job) {
  std::set<std::string> services(job.services.begin(), job.services.end());
  services.insert(job.touches.begin(), job.touches.end());
  for (const Step& step : job.steps)
    services.insert(step.service);
  return {.job = job,
          .body = job_to_json(job),
          .services = std::vector<std::string>(services.begin(), services.end())};
}

Result<void> JournalTransaction::insert_job(const PreparedJob& prepared,
                                            const std::optional<IdempotencyKey>& key) {
  const Job& job = prepared.job;
  const std::string joined = join_lines(prepared.services);
  std::optional<std::string_view> owner;
  std::optional<std::string_view> text;
  std::optional<std::string_view> fingerprint;
  if (key) {
    owner = key->credential;
    text = key->key;
    fingerprint = key->fingerprint;
  }
  auto done = db_.run(
      "INSERT INTO jobs(id, action, outcome, restore_pending, finished_at, services, key_owner,"
      " key, fingerprint, body) VALUES(?,?,?,?,?,?,?,?,?,?)",
      job.id, to_string(job.action), outcome_of(job), job.restored == Restored::pending,
      to_column(job.finished_at), joined, owner, text, fingerprint, prepared.body);
  if (!done) return done;
  ++kept_.jobs_added;
  return insert_services(prepared.services, to_string(job.action), outcome_of(job), job.id);
}

Result<void> JournalTransaction::replace_job(const PreparedJob& prepared) {
  const Job& job = prepared.job;
  std::string old_action;
  std::string old_outcome;
  std::string old_services;
  {
    sqlite::Cursor old =
        db_.query("SELECT action, outcome, services FROM jobs WHERE id = ?", job.id);
    if (!old.next()) {
      return old.ok() ? insert_job(prepared, std::nullopt) : old.result();
    }
    old_action = old.text(0);
    old_outcome = old.text(1);
    old_services = old.text(2);
  }
  const std::string joined = join_lines(prepared.services);
  const std::string_view action = to_string(job.action);
  const std::string_view outcome = outcome_of(job);
  // While a step is reported only the body changes; an index whose columns stay is not written.
  auto done = db_.run(
      "UPDATE jobs SET action = ?, outcome = ?, restore_pending = ?, finished_at = ?,"
      " services = ?, body = ? WHERE id = ?",
      action, outcome, job.restored == Restored::pending, to_column(job.finished_at), joined,
      prepared.body, job.id);
  if (!done || (old_action == action && old_outcome == outcome && old_services == joined)) {
    return done;
  }
  done = delete_services(old_services, old_action, old_outcome, job.id);
  if (done) done = insert_services(prepared.services, action, outcome, job.id);
  return done;
}

Result<void> JournalTransaction::delete_job(std::string_view id) {
  std::string action;
  std::string outcome;
  std::string services;
  {
    sqlite::Cursor old = db_.query("SELECT action, outcome, services FROM jobs WHERE id = ?", id);
    if (!old.next()) return old.result();
    action = old.text(0);
    outcome = old.text(1);
    services = old.text(2);
  }
  auto done = delete_services(services, action, outcome, id);
  if (done) done = db_.run("DELETE FROM jobs WHERE id = ?", id);
  if (done) --kept_.jobs_added;
  return done;
}

Result<void> JournalTransaction::insert_services(const std::vector<std::string>& services,
                                                 std::string_view action, std::string_view outcome,
                                                 std::string_view job) {
  for (const std::string& service : services) {
    auto done = db_.run("INSERT INTO job_services(service, action, outcome, job) VALUES(?,?,?,?)",
                        service, action, outcome, job);
    if (!done) return done;
  }
  return {};
}

Result<void> JournalTransaction::delete_services(std::string_view joined, std::string_view action,
                                                 std::string_view outcome, std::string_view job) {
  while (!joined.empty()) {
    const std::string_view service = joined.substr(0, joined.find('\n'));
    auto done = db_.run(
        "DELETE FROM job_services WHERE service = ? AND action = ? AND outcome = ? AND job = ?",
        service, action, outcome, job);
    if (!done) return done;
    joined.remove_prefix(std::min(service.size() + 1, joined.size()));
  }
  return {};
}

Result<void> JournalTransaction::put_wanted(const Wanted& wanted) {
  return db_.run(
      "INSERT INTO wanted(service, up, job, by, at, boot) VALUES(?,?,?,?,?,?)"
      " ON CONFLICT(service) DO UPDATE SET up = excluded.up, job = excluded.job, by = excluded.by,"
      " at = excluded.at, boot = excluded.boot",
      wanted.service, wanted.up, wanted.job, wanted.by, to_column(wanted.at), wanted.boot);
}

Result<void> JournalTransaction::append_audit(const AuditEntry& entry) {
  AuditRow row;
  row.number = kept_.audit_number + 1;
  row.at = clock_.wall();
  row.entry = entry;
  // What the column cannot hold must not be in the hash either.
  for (std::string& service : row.entry.services) {
    if (!is_valid_utf8(service)) service = clean_text(service, service.size());
  }
  row.hash = audit_hash(kept_.audit_hash, row);
  const std::string services = strings_to_column(row.entry.services);
  auto done = db_.run(
      "INSERT INTO audit(number, at, principal, address, event, outcome, job, services, detail,"
      " count, hash) VALUES(?,?,?,?,?,?,?,?,?,?,?)",
      row.number, to_column(row.at), entry.principal, entry.address, entry.event, entry.outcome,
      entry.job, services, entry.detail, entry.count, row.hash);
  if (!done) return done;
  kept_.audit_number = row.number;
  kept_.audit_hash = row.hash;
  return {};
}

Result<void> JournalTransaction::read_head() {
  sqlite::Cursor last = db_.query("SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1");
  kept_.audit_number = 0;
  kept_.audit_hash = first_previous_hash();
  if (last.next()) {
    kept_.audit_number = static_cast<std::uint64_t>(last.integer(0));
    kept_.audit_hash = last.text(1);
  }
  return last.result();
}

Result<void> JournalTransaction::write_count() {
  if (kept_.jobs_added == 0) return {};
  auto done = db_.run("UPDATE meta SET value = value + ? WHERE name = 'jobs'", kept_.jobs_added);
  kept_.jobs_added = 0;
  return done;
}

Result<std::optional<KeyHolder>> find_key_holder(sqlite::Connection& db,
                                                 const IdempotencyKey& key) {
  sqlite::Cursor row = db.query("SELECT id, fingerprint FROM jobs WHERE key_owner = ? AND key = ?",
                                key.credential, key.key);
  if (row.next()) return KeyHolder{.job = row.text(0), .fingerprint = row.text(1)};
  if (!row.ok()) return std::unexpected(row.error());
  return std::nullopt;
}

Error idempotency_mismatch(const IdempotencyKey& key) {
  Error error;
  error.kind = ErrorKind::idempotency_mismatch;
  error.detail = "the Idempotency-Key '" + key.key +
                 "' was already used with another request; use a new key for a new request";
  return error;
}

Result<std::optional<Job>> read_job(sqlite::Connection& db, std::string_view id) {
  sqlite::Cursor row = db.query("SELECT body FROM jobs WHERE id = ?", id);
  if (!row.next()) {
    if (!row.ok()) return std::unexpected(row.error());
    return std::nullopt;
  }
  auto job = job_from_json(row.view(0));
  if (job) return std::move(*job);
  return fail(ErrorKind::journal_unavailable,
              unreadable_job(id, job.error()) + "; " + std::string(unreadable_way_out));
}

std::string unreadable_job(std::string_view id, const Error& why) {
  constexpr std::size_t enough = 240;  // what cannot be read may be long
  return "job " + std::string(id) + ": " + clean_text(why.detail, enough);
}

std::string strings_to_column(const std::vector<std::string>& strings) {
  return nlohmann::json(strings).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<std::string> strings_from_column(std::string_view text) {
  std::vector<std::string> strings;
  const auto array = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!array.is_array()) return strings;
  for (const auto& element : array) {
    if (element.is_string()) strings.push_back(element.get<std::string>());
  }
  return strings;
}

std::optional<std::vector<std::string>> scope_from_column(std::string_view text) {
  const auto array = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!array.is_array()) return std::nullopt;
  auto strings = strings_from_column(text);
  if (strings.size() != array.size()) return std::nullopt;
  return strings;
}

AuditRow audit_row_of(const sqlite::Cursor& cursor) {
  AuditRow row;
  row.number = static_cast<std::uint64_t>(cursor.integer(0));
  row.at = time_from_column(cursor.integer(1));
  row.entry.principal = cursor.text(2);
  row.entry.address = cursor.text(3);
  row.entry.event = cursor.text(4);
  row.entry.outcome = cursor.text(5);
  row.entry.job = cursor.text(6);
  row.entry.services = strings_from_column(cursor.view(7));
  row.entry.detail = cursor.text(8);
  row.entry.count = static_cast<std::uint64_t>(cursor.integer(9));
  row.hash = cursor.text(10);
  return row;
}

std::string first_previous_hash() {
  return std::string(hash_length, '0');
}

std::int64_t to_column(WallTime time) {
  return time.time_since_epoch().count();
}

std::optional<std::int64_t> to_column(const std::optional<WallTime>& time) {
  if (!time) return std::nullopt;
  return to_column(*time);
}

WallTime time_from_column(std::int64_t value) {
  return WallTime{Milliseconds{value}};
}

std::optional<WallTime> time_from_column(std::optional<std::int64_t> value) {
  if (!value) return std::nullopt;
  return time_from_column(*value);
}

}  // namespace noforce
