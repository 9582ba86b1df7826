#include "core/audit.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "core/digest.hpp"
#include "tests/core/journal_samples.hpp"

namespace noforce {
namespace {

void run_sql(const std::string& path, const std::string& sql) {
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(db);
  sqlite3_close(db);
}

AuditEntry entry(const std::string& principal, const std::string& event,
                 std::vector<std::string> services = {}) {
  return {.principal = principal,
          .address = "192.0.2.7",
          .event = event,
          .outcome = "ok",
          .job = {},
          .services = std::move(services),
          .detail = "some detail",
          .count = 1};
}

TEST(AnAuditRow, IsHashedWithTheOneBefore) {
  AuditRow row{.number = 1, .at = WallTime{Milliseconds{5}}, .entry = entry("p", "e"), .hash = {}};
  EXPECT_EQ(row.canonical(),
            "1:1\n1:5\n1:p\n9:192.0.2.7\n1:e\n2:ok\n0:\n1:0\n11:some detail\n1:1\n");
  const std::string zeros(64, '0');
  EXPECT_EQ(audit_hash(zeros, row), sha256_hex(zeros + "\n" + row.canonical()));
  EXPECT_NE(audit_hash(std::string(64, '1'), row), audit_hash(zeros, row));
}

TEST(AnAuditRow, CannotPassForAnother) {
  const std::string zeros(64, '0');
  const AuditRow row{.number = 1, .at = {}, .entry = entry("ab", "c", {"x", "y"}), .hash = {}};
  AuditRow shifted = row;
  shifted.entry.principal = "a";
  shifted.entry.address = "b" + row.entry.address;
  EXPECT_NE(audit_hash(zeros, row), audit_hash(zeros, shifted));
  AuditRow joined = row;
  joined.entry.services = {"x\n1:y"};
  EXPECT_NE(audit_hash(zeros, row), audit_hash(zeros, joined));
  AuditRow moved = row;
  moved.entry.services = {"x"};
  moved.entry.detail = "y";
  EXPECT_NE(audit_hash(zeros, row), audit_hash(zeros, moved));
}

class TheAuditTrail : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Journal::open(path_, clock_);
    ASSERT_TRUE(opened) << opened.error().detail;
    journal_ = std::move(*opened);
    for (int n = 1; n <= 40; ++n) {
      clock_.advance(Seconds{1});
      ASSERT_TRUE(journal_->audit(entry(n % 2 == 0 ? "token:even" : "token:odd",
                                        n % 4 == 0 ? "denied" : "job.accepted", {"a", "b"})));
    }
  }
  AuditVerdict verdict() {
    auto found = journal_->verify_audit();
    EXPECT_TRUE(found);
    return *found;
  }
  std::vector<std::uint64_t> numbers(const AuditQuery& query) {
    const auto rows = journal_->audit_rows(query);
    EXPECT_TRUE(rows);
    std::vector<std::uint64_t> found;
    for (const AuditRow& row : *rows) {
      found.push_back(row.number);
    }
    return found;
  }

  test::TemporaryDirectory directory_{test::memory()};
  const std::string path_ = directory_.file("noforce.db");
  test::HandClock clock_;
  std::unique_ptr<Journal> journal_;
};

TEST_F(TheAuditTrail, IsWholeWhenNobodyTouchedIt) {
  const AuditVerdict found = verdict();
  EXPECT_EQ(found.rows, 40U);
  EXPECT_EQ(found.first_bad, std::nullopt);
  EXPECT_EQ(found.head.size(), 64U);
  EXPECT_EQ(found.head, journal_->audit_rows({.limit = 1})->front().hash);
}

TEST_F(TheAuditTrail, ShowsAChangedRow) {
  for (const char* const change :
       {"at = at + 1", "principal = 'token:x'", "address = ''", "event = 'x'", "outcome = 'x'",
        "job = 'x'", "services = '[\"a\"]'", "detail = ''", "count = 2",
        "hash = replace(hash, substr(hash, 1, 1), 'x')"}) {
    SCOPED_TRACE(change);
    run_sql(path_, "CREATE TABLE kept AS SELECT * FROM audit");
    run_sql(path_, std::string("UPDATE audit SET ") + change + " WHERE number = 17");
    const AuditVerdict found = verdict();
    EXPECT_EQ(found.first_bad, 17U) << found.sentence;
    EXPECT_EQ(found.rows, 16U);
    run_sql(path_, "DELETE FROM audit; INSERT INTO audit SELECT * FROM kept; DROP TABLE kept");
    EXPECT_EQ(verdict().first_bad, std::nullopt);
  }
}

TEST_F(TheAuditTrail, ShowsARemovedRow) {
  run_sql(path_, "DELETE FROM audit WHERE number = 17");
  EXPECT_EQ(verdict().first_bad, 17U);
  // Closing the gap does not hide it.
  run_sql(path_, "UPDATE audit SET number = number - 1 WHERE number > 17");
  EXPECT_EQ(verdict().first_bad, 17U);
}

TEST_F(TheAuditTrail, ShowsARemovedBeginning) {
  run_sql(path_, "DELETE FROM audit WHERE number < 10");
  EXPECT_EQ(verdict().first_bad, 1U);
}

TEST_F(TheAuditTrail, ShowsAnAddedRow) {
  run_sql(path_,
          "INSERT INTO audit SELECT 41, at, principal, address, event, outcome, job, services,"
          " detail, count, hash FROM audit WHERE number = 40");
  EXPECT_EQ(verdict().first_bad, 41U);
}

TEST_F(TheAuditTrail, GoesOnAfterItWasOpenedAgain) {
  journal_.reset();
  auto opened = Journal::open(path_, clock_);
  ASSERT_TRUE(opened);
  journal_ = std::move(*opened);
  ASSERT_TRUE(journal_->audit(entry("agent", "agent.started")));
  EXPECT_EQ(verdict().rows, 41U);
  EXPECT_EQ(verdict().first_bad, std::nullopt);
}

TEST_F(TheAuditTrail, IsReadNewestFirstInPages) {
  const auto rows = journal_->audit_rows({.limit = 3});
  ASSERT_TRUE(rows);
  ASSERT_EQ(rows->size(), 3U);
  EXPECT_EQ(rows->front().number, 40U);
  EXPECT_EQ(rows->front().at, clock_.wall());
  EXPECT_EQ(rows->front().entry.principal, "token:even");
  EXPECT_EQ(rows->front().entry.services, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(numbers({.before = 38, .limit = 2}), (std::vector<std::uint64_t>{37, 36}));
  EXPECT_EQ(numbers({.before = 1}), std::vector<std::uint64_t>{});
}

TEST_F(TheAuditTrail, IsFiltered) {
  EXPECT_EQ(numbers({.limit = 2, .principal = "token:odd"}), (std::vector<std::uint64_t>{39, 37}));
  EXPECT_EQ(numbers({.limit = 2, .event = "denied"}), (std::vector<std::uint64_t>{40, 36}));
  EXPECT_EQ(numbers({.before = 38, .limit = 2, .principal = "token:even", .event = "denied"}),
            (std::vector<std::uint64_t>{36, 32}));
  EXPECT_EQ(numbers({.principal = "token:odd", .event = "denied"}), std::vector<std::uint64_t>{});
  EXPECT_EQ(numbers({.since = clock_.wall() - Seconds{1}}), (std::vector<std::uint64_t>{40, 39}));
}

TEST_F(TheAuditTrail, HoldsWhateverBytesItIsGiven) {
  using std::string_literals::operator""s;
  AuditEntry odd = entry("p\xff", "e\0x"s, {"bro\xffken", "quo\"te"});
  odd.detail = "line\nline";
  ASSERT_TRUE(journal_->audit(odd));
  EXPECT_EQ(verdict().first_bad, std::nullopt) << verdict().sentence;
  EXPECT_EQ(journal_->audit_rows({.limit = 1})->front().entry.event, "e\0x"s);
}

}  // namespace
}  // namespace noforce
