#include "core/journal.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "core/journal_reads.hpp"
#include "core/journal_reserve.hpp"
#include "core/journal_rows.hpp"
#include "core/journal_schema.hpp"
#include "core/journal_writer.hpp"
#include "core/ulid.hpp"

namespace noforce {
namespace {

// How many jobs one transaction of forget_jobs looks at, and how many one call forgets.
constexpr std::int64_t forget_at_once = 200;
constexpr std::uint64_t forget_a_call = 20'000;
// How much of the history one call forgets. A clock that is years ahead shall not cost all of it
// before somebody sees that.
constexpr Milliseconds history_a_call = std::chrono::days{1};

struct Forgotten {
  std::uint64_t jobs = 0;
  std::string last;                // the last id that was looked at; empty: there are no more
  std::optional<WallTime> oldest;  // when the first that was forgotten had ended
};

// `oldest`: when the first job that this call forgot had ended, if it has forgotten one.
Result<void> forget_portion(JournalTransaction& transaction, WallTime before,
                            const std::string& after, std::optional<WallTime> oldest,
                            Forgotten& forgotten) {
  forgotten = {};
  const std::string upto = first_ulid_at(before + Milliseconds{1});
  std::vector<std::string> ids;
  std::int64_t seen = 0;
  {
    // By id, which grows with time: no index on the end is needed, and what is passed over here is
    // only what is still unfinished or ended late.
    sqlite::Cursor rows = transaction.db().query(
        "SELECT id, finished_at, restore_pending FROM jobs WHERE id > ? AND id < ? ORDER BY id"
        " LIMIT ?",
        after, upto, forget_at_once);
    std::string last;
    for (; rows.next(); ++seen) {
      last = rows.text(0);
      const auto ended = time_from_column(rows.integer_or_null(1));
      if (!ended || *ended >= before || rows.integer(2) != 0) continue;
      if (!oldest) oldest = ended;
      if (*ended - *oldest < history_a_call) ids.push_back(last);
    }
    if (!rows.ok()) return rows.result();
    forgotten.oldest = oldest;
    if (seen == forget_at_once) forgotten.last = std::move(last);
  }
  for (const std::string& id : ids) {
    if (auto deleted = transaction.delete_job(id); !deleted) return deleted;
  }
  forgotten.jobs = ids.size();
  return {};
}

TokenRecord token_of(const sqlite::Cursor& row) {
  TokenRecord token;
  token.name = row.text(0);
  token.hash = row.text(1);
  // A role that this version does not know allows the least.
  token.role = role_from(row.view(2)).value_or(Role::viewer);
  const auto services = scope_from_column(row.view(3));
  const auto actions = scope_from_column(row.view(4));
  token.services = services.value_or(std::vector<std::string>{});
  token.actions = actions.value_or(std::vector<std::string>{});
  token.created_at = time_from_column(row.integer(5));
  token.expires_at = time_from_column(row.integer_or_null(6));
  token.revoked_at = time_from_column(row.integer_or_null(7));
  // A scope that cannot be read must not become the widest one.
  if ((!services || !actions) && !token.revoked_at) token.revoked_at = token.created_at;
  return token;
}

Result<void> insert_token(sqlite::Connection& db, const TokenRecord& token) {
  {
    sqlite::Cursor taken = db.query("SELECT 1 FROM tokens WHERE name = ?", token.name);
    if (taken.next()) {
      return fail(ErrorKind::malformed,
                  "there is, or was, a token named '" + token.name + "'; choose another name");
    }
    if (!taken.ok()) return taken.result();
  }
  const std::string services = strings_to_column(token.services);
  const std::string actions = strings_to_column(token.actions);
  return db.run(
      "INSERT INTO tokens(name, hash, role, services, actions, created_at, expires_at, revoked_at)"
      " VALUES(?,?,?,?,?,?,?,?)",
      token.name, token.hash, to_string(token.role), services, actions, to_column(token.created_at),
      to_column(token.expires_at), to_column(token.revoked_at));
}

class SqliteJournal final : public Journal {
 public:
  SqliteJournal(sqlite::Connection db, std::string path, const Clock& clock)
      : clock_(clock), writer_(std::move(db), path, clock), readers_(std::move(path)) {}

  [[nodiscard]] Result<Acceptance> accept(const Job& job, const AuditEntry& audit,
                                          const std::optional<IdempotencyKey>& key) override;
  [[nodiscard]] Result<std::optional<std::string>> find_key(const IdempotencyKey& key) override;
  [[nodiscard]] Result<void> write(const JournalChange& change, Durability durability) override;
  [[nodiscard]] Result<std::optional<Job>> job(std::string_view id) override;
  [[nodiscard]] Result<JobPage> jobs(const JobFilter& filter) override;
  [[nodiscard]] Result<std::vector<Job>> unfinished() override;
  [[nodiscard]] Result<std::optional<std::string>> newest_job_id() override;
  [[nodiscard]] Result<std::uint64_t> count_jobs() override;
  [[nodiscard]] Result<std::optional<WallTime>> last_end(std::string_view service) override;
  [[nodiscard]] Result<std::optional<Milliseconds>> typical_duration(
      Action action, const std::vector<std::string>& services) override;
  [[nodiscard]] Result<std::vector<Wanted>> wanted() override;
  [[nodiscard]] Result<HoldRecord> hold() override;
  [[nodiscard]] Result<void> set_hold(const HoldRecord& hold, const AuditEntry& audit) override;
  [[nodiscard]] Result<void> add_token(const TokenRecord& token, const AuditEntry& audit) override;
  [[nodiscard]] Result<std::vector<TokenRecord>> tokens() override;
  [[nodiscard]] Result<void> revoke_token(std::string_view name, const AuditEntry& audit) override;
  [[nodiscard]] Result<void> audit(const AuditEntry& entry) override;
  [[nodiscard]] Result<std::vector<AuditRow>> audit_rows(const AuditQuery& query) override;
  [[nodiscard]] Result<AuditVerdict> verify_audit() override;
  [[nodiscard]] Result<std::uint64_t> forget_jobs(WallTime before) override;
  [[nodiscard]] bool healthy(std::string* why) const override;

 private:
  // Runs a question on a connection of its own.
  template <typename F>
  auto read(const F& question) -> decltype(question(std::declval<sqlite::Connection&>())) {
    auto lease = readers_.borrow();
    if (!lease) heed(lease.error());
    if (!lease) return std::unexpected(lease.error());
    auto answer = question(lease->db());
    if (!answer) heed(answer.error());
    return answer;
  }
  // What one finds damaged, no other builds on.
  void heed(const Error& error) {
    if (sqlite::is_damage(error)) writer_.note_damage(error);
  }

  const Clock& clock_;
  JournalWriter writer_;
  JournalReaders readers_;  // ends first: the last connection to close tidies the log away
};

Result<Acceptance> SqliteJournal::accept(const Job& job, const AuditEntry& audit,
                                         const std::optional<IdempotencyKey>& key) {
  const auto prepared = JournalTransaction::prepare(job);
  Acceptance acceptance{.job = job.id, .replayed = false};
  // What the agent asks for itself brings services back, or ends them when it ends.
  const Need need = job.requested_by == kAgentPrincipal ? Need::reserve : Need::room;
  const auto done = writer_.run(Durability::power_loss, need,
                                [&](JournalTransaction& transaction) -> Result<void> {
                                  if (key) {
                                    auto holder = find_key_holder(transaction.db(), *key);
                                    if (!holder) return std::unexpected(holder.error());
                                    if (*holder && (*holder)->fingerprint != key->fingerprint) {
                                      return std::unexpected(idempotency_mismatch(*key));
                                    }
                                    if (*holder) {
                                      acceptance = {.job = (*holder)->job, .replayed = true};
                                      return {};
                                    }
                                  }
                                  auto inserted = transaction.insert_job(prepared, key);
                                  if (inserted) inserted = transaction.append_audit(audit);
                                  return inserted;
                                });
  if (!done) return std::unexpected(done.error());
  return acceptance;
}

Result<std::optional<std::string>> SqliteJournal::find_key(const IdempotencyKey& key) {
  return read([&](sqlite::Connection& db) -> Result<std::optional<std::string>> {
    auto holder = find_key_holder(db, key);
    if (!holder) return std::unexpected(holder.error());
    if (!*holder) return std::nullopt;
    if ((*holder)->fingerprint != key.fingerprint) {
      return std::unexpected(idempotency_mismatch(key));
    }
    return std::move((*holder)->job);
  });
}

Result<void> SqliteJournal::write(const JournalChange& change, Durability durability) {
  std::vector<JournalTransaction::PreparedJob> prepared;
  prepared.reserve(change.jobs.size());
  for (const JobPtr& job : change.jobs)
    prepared.push_back(JournalTransaction::prepare(*job));
  const auto work = [&](JournalTransaction& transaction) -> Result<void> {
    for (const auto& job : prepared) {
      if (auto done = transaction.replace_job(job); !done) return done;
    }
    for (const Wanted& wanted : change.wanted) {
      if (auto done = transaction.put_wanted(wanted); !done) return done;
    }
    for (const AuditEntry& entry : change.audit) {
      if (auto done = transaction.append_audit(entry); !done) return done;
    }
    return {};
  };
  return writer_.run(durability, Need::reserve, work);
}

Result<std::optional<Job>> SqliteJournal::job(std::string_view id) {
  return read([&](sqlite::Connection& db) { return read_job(db, id); });
}

Result<JobPage> SqliteJournal::jobs(const JobFilter& filter) {
  return read([&](sqlite::Connection& db) { return list_jobs(db, filter); });
}

Result<std::vector<Job>> SqliteJournal::unfinished() {
  return read(unfinished_jobs);
}

Result<std::optional<std::string>> SqliteJournal::newest_job_id() {
  return read([](sqlite::Connection& db) -> Result<std::optional<std::string>> {
    sqlite::Cursor row = db.query("SELECT id FROM jobs ORDER BY id DESC LIMIT 1");
    if (row.next()) return row.text(0);
    if (!row.ok()) return std::unexpected(row.error());
    return std::nullopt;
  });
}

Result<std::uint64_t> SqliteJournal::count_jobs() {
  return read([](sqlite::Connection& db) -> Result<std::uint64_t> {
    const auto count = db.integer("SELECT value FROM meta WHERE name = 'jobs'");
    if (!count) return std::unexpected(count.error());
    return static_cast<std::uint64_t>(*count);
  });
}

Result<std::optional<WallTime>> SqliteJournal::last_end(std::string_view service) {
  return read([&](sqlite::Connection& db) { return last_end_of(db, service); });
}

Result<std::optional<Milliseconds>> SqliteJournal::typical_duration(
    Action action, const std::vector<std::string>& services) {
  return read([&](sqlite::Connection& db) { return typical_duration_of(db, action, services); });
}

Result<std::vector<Wanted>> SqliteJournal::wanted() {
  return read([](sqlite::Connection& db) -> Result<std::vector<Wanted>> {
    std::vector<Wanted> all;
    sqlite::Cursor rows =
        db.query("SELECT service, up, job, by, at, boot FROM wanted ORDER BY service");
    while (rows.next()) {
      all.push_back({.service = rows.text(0),
                     .up = rows.integer(1) != 0,
                     .job = rows.text(2),
                     .by = rows.text(3),
                     .at = time_from_column(rows.integer(4)),
                     .boot = rows.text(5)});
    }
    if (!rows.ok()) return std::unexpected(rows.error());
    return all;
  });
}

Result<HoldRecord> SqliteJournal::hold() {
  return read([](sqlite::Connection& db) -> Result<HoldRecord> {
    sqlite::Cursor row = db.query("SELECT is_on, by, reason, since FROM hold");
    HoldRecord hold;
    if (row.next()) {
      hold.on = row.integer(0) != 0;
      hold.by = row.text(1);
      hold.reason = row.text(2);
      hold.since = time_from_column(row.integer_or_null(3));
    }
    if (!row.ok()) return std::unexpected(row.error());
    return hold;
  });
}

Result<void> SqliteJournal::set_hold(const HoldRecord& hold, const AuditEntry& audit) {
  const auto work = [&](JournalTransaction& transaction) -> Result<void> {
    auto done = transaction.db().run(
        "INSERT INTO hold(one, is_on, by, reason, since) VALUES(1,?,?,?,?)"
        " ON CONFLICT(one) DO UPDATE SET is_on = excluded.is_on, by = excluded.by,"
        " reason = excluded.reason, since = excluded.since",
        hold.on, hold.by, hold.reason, to_column(hold.since));
    if (done) done = transaction.append_audit(audit);
    return done;
  };
  return writer_.run(Durability::power_loss, Need::reserve, work);
}

Result<void> SqliteJournal::add_token(const TokenRecord& token, const AuditEntry& audit) {
  const auto work = [&](JournalTransaction& transaction) -> Result<void> {
    auto done = insert_token(transaction.db(), token);
    if (done) done = transaction.append_audit(audit);
    return done;
  };
  return writer_.run(Durability::power_loss, Need::room, work);
}

Result<std::vector<TokenRecord>> SqliteJournal::tokens() {
  return read([](sqlite::Connection& db) -> Result<std::vector<TokenRecord>> {
    std::vector<TokenRecord> all;
    sqlite::Cursor rows = db.query(
        "SELECT name, hash, role, services, actions, created_at, expires_at, revoked_at"
        " FROM tokens ORDER BY name");
    while (rows.next())
      all.push_back(token_of(rows));
    if (!rows.ok()) return std::unexpected(rows.error());
    return all;
  });
}

Result<void> SqliteJournal::revoke_token(std::string_view name, const AuditEntry& audit) {
  const auto work = [&](JournalTransaction& transaction) -> Result<void> {
    const std::int64_t now = to_column(clock_.wall());
    auto done = transaction.db().run(
        "UPDATE tokens SET revoked_at = ? WHERE name = ? AND revoked_at IS NULL AND"
        " (expires_at IS NULL OR expires_at > ?)",
        now, name, now);
    if (!done) return done;
    if (transaction.db().changes() == 0) {
      return fail(ErrorKind::not_found, "there is no token named '" + std::string(name) +
                                            "' that still counts; nothing to revoke");
    }
    return transaction.append_audit(audit);
  };
  return writer_.run(Durability::power_loss, Need::reserve, work);
}

Result<void> SqliteJournal::audit(const AuditEntry& entry) {
  return writer_.run(Durability::process_death, Need::room, [&](JournalTransaction& transaction) {
    return transaction.append_audit(entry);
  });
}

Result<std::vector<AuditRow>> SqliteJournal::audit_rows(const AuditQuery& query) {
  return read([&](sqlite::Connection& db) { return list_audit(db, query); });
}

Result<AuditVerdict> SqliteJournal::verify_audit() {
  return read(verify_audit_chain);
}

Result<std::uint64_t> SqliteJournal::forget_jobs(WallTime before) {
  std::uint64_t count = 0;
  std::string after;
  std::optional<WallTime> oldest;
  do {
    const auto begun = std::chrono::steady_clock::now();
    Forgotten forgotten;
    const auto work = [&](JournalTransaction& transaction) {
      return forget_portion(transaction, before, after, oldest, forgotten);
    };
    const auto done = writer_.run(Durability::process_death, Need::room, work);
    if (!done) return std::unexpected(done.error());
    count += forgotten.jobs;
    after = std::move(forgotten.last);
    if (!oldest && forgotten.oldest) {
      oldest = forgotten.oldest;
      before = std::min(before, *oldest + history_a_call);
    }
    // The others have the writer and the disk for as long as this had them.
    if (!after.empty()) std::this_thread::sleep_for(std::chrono::steady_clock::now() - begun);
  } while (!after.empty() && count < forget_a_call);
  return count;
}

bool SqliteJournal::healthy(std::string* why) const {
  return writer_.healthy(why);
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::open(const std::string& path, const Clock& clock) {
  auto file = prepare_journal_file(path);
  if (!file) return std::unexpected(file.error());
  auto db = open_journal_writer(*file);
  // Opening takes a little room itself; what is kept for a full disk is for that as well.
  JournalReserve reserve(*file);
  while (!db && sqlite::is_out_of_space(db.error()) && reserve.release()) {
    db = open_journal_writer(*file);
  }
  if (!db) {
    Error error = std::move(db.error());
    // A file that lacks what each of ours has, or has what SQLite does not know.
    if (error.native_name == "SQLITE_ERROR") {
      error = sqlite::damage("the journal is damaged (" + error.detail + ")");
    }
    error.detail = path + ": " + error.detail;
    return std::unexpected(std::move(error));
  }
  return std::make_unique<SqliteJournal>(std::move(*db), std::move(*file), clock);
}

}  // namespace noforce
