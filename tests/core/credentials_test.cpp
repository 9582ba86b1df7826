#include "core/credentials.hpp"

#include <gtest/gtest.h>

#include "core/digest.hpp"
#include "tests/core/journal_samples.hpp"

namespace noforce {
namespace {

class Tokens : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = Journal::open(directory_.file("noforce.db"), clock_);
    ASSERT_TRUE(opened) << opened.error().detail;
    journal_ = std::move(*opened);
    credentials_ = std::make_unique<Credentials>(*journal_, clock_);
    ASSERT_TRUE(credentials_->load());
  }
  NewToken create(const std::string& name, Role role = Role::operator_,
                  std::optional<WallTime> expires_at = std::nullopt) {
    auto made = credentials_->create(name, role, {"smtp*"}, {"restart"}, expires_at, "local:root");
    EXPECT_TRUE(made) << made.error().detail;
    return *made;
  }
  ErrorKind why_not(std::string_view secret) {
    const auto checked = credentials_->check(secret);
    EXPECT_FALSE(checked);
    return checked ? ErrorKind::internal : checked.error().kind;
  }

  test::TemporaryDirectory directory_{test::memory()};
  test::HandClock clock_;
  std::unique_ptr<Journal> journal_;
  std::unique_ptr<Credentials> credentials_;
};

TEST_F(Tokens, AreNotNarrowedForAnAdmin) {
  const auto made =
      credentials_->create("half", Role::admin, {"w3*"}, {}, std::nullopt, "local:root");
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().kind, ErrorKind::malformed);
}

TEST_F(Tokens, AreCheckedByTheirSecret) {
  const NewToken made = create("ci-deploy");
  EXPECT_EQ(made.secret.size(), 46U);
  EXPECT_TRUE(made.secret.starts_with("nf_"));
  const auto principal = credentials_->check(made.secret);
  ASSERT_TRUE(principal);
  EXPECT_EQ(principal->name, "token:ci-deploy");
  EXPECT_EQ(principal->role, Role::operator_);
  EXPECT_EQ(principal->services, std::vector<std::string>{"smtp*"});
  EXPECT_EQ(principal->actions, std::vector<std::string>{"restart"});

  EXPECT_EQ(why_not(""), ErrorKind::unauthorized);
  EXPECT_EQ(why_not("nf_"), ErrorKind::unauthorized);
  EXPECT_EQ(why_not(made.secret + "x"), ErrorKind::unauthorized);
  EXPECT_EQ(why_not(made.secret.substr(0, 45)), ErrorKind::unauthorized);
  EXPECT_EQ(why_not(made.record.hash), ErrorKind::unauthorized);
  EXPECT_EQ(why_not("nf_" + std::string(100'000, 'x')), ErrorKind::unauthorized);
}

TEST_F(Tokens, AreKeptAsHashesOnly) {
  const NewToken made = create("ci-deploy");
  EXPECT_EQ(made.record.hash, sha256_hex(made.secret));
  const auto kept = journal_->tokens();
  ASSERT_EQ(kept->size(), 1U);
  EXPECT_EQ(kept->front().hash, made.record.hash);
  EXPECT_EQ(kept->front().created_at, clock_.wall());
  const auto rows = journal_->audit_rows({});
  ASSERT_EQ(rows->size(), 1U);
  for (const AuditRow& row : *rows) {
    EXPECT_EQ(row.entry.detail.find(made.secret), std::string::npos);
    EXPECT_EQ(row.entry.event, "token.created");
    EXPECT_EQ(row.entry.principal, "local:root");
  }
}

TEST_F(Tokens, AreKnownToTheNextAgent) {
  const NewToken made = create("ci-deploy");
  Credentials next(*journal_, clock_);
  EXPECT_FALSE(next.check(made.secret));
  ASSERT_TRUE(next.load());
  EXPECT_TRUE(next.check(made.secret));
  EXPECT_EQ(next.list().size(), 1U);
}

TEST_F(Tokens, Expire) {
  const NewToken made = create("short", Role::viewer, clock_.wall() + Seconds{60});
  clock_.advance(Milliseconds{59'999});
  EXPECT_TRUE(credentials_->check(made.secret));
  clock_.advance(Milliseconds{1});
  EXPECT_EQ(why_not(made.secret), ErrorKind::unauthorized);
  EXPECT_NE(credentials_->check(made.secret).error().detail.find("expired"), std::string::npos);
  EXPECT_EQ(credentials_->revoke("short", "local:root").error().kind, ErrorKind::not_found);
}

TEST_F(Tokens, AreRevoked) {
  const NewToken made = create("lost");
  ASSERT_TRUE(credentials_->revoke("lost", "local:root"));
  EXPECT_EQ(why_not(made.secret), ErrorKind::unauthorized);
  EXPECT_NE(credentials_->check(made.secret).error().detail.find("revoked"), std::string::npos);
  EXPECT_EQ(credentials_->revoke("lost", "local:root").error().kind, ErrorKind::not_found);
  EXPECT_EQ(credentials_->revoke("never", "local:root").error().kind, ErrorKind::not_found);
  EXPECT_TRUE(credentials_->list().front().revoked_at);
  Credentials next(*journal_, clock_);
  ASSERT_TRUE(next.load());
  EXPECT_FALSE(next.check(made.secret));
  EXPECT_EQ(journal_->audit_rows({.event = "token.revoked"})->size(), 1U);
}

TEST_F(Tokens, AreNotMadeOfNonsense) {
  create("taken");
  const auto refused = [&](const std::string& name, std::vector<std::string> services,
                           std::vector<std::string> actions,
                           std::optional<WallTime> expires_at = std::nullopt) {
    const auto made = credentials_->create(name, Role::viewer, std::move(services),
                                           std::move(actions), expires_at, "local:root");
    return !made && made.error().kind == ErrorKind::malformed;
  };
  EXPECT_TRUE(refused("taken", {}, {}));
  EXPECT_TRUE(refused("", {}, {}));
  EXPECT_TRUE(refused("a b", {}, {}));
  EXPECT_TRUE(refused("ä", {}, {}));
  EXPECT_TRUE(refused(std::string(65, 'a'), {}, {}));
  EXPECT_TRUE(refused("n", {""}, {}));
  EXPECT_TRUE(refused("n", {"a\nb"}, {}));
  EXPECT_TRUE(refused("n", {std::string(257, 'a')}, {}));
  EXPECT_TRUE(refused("n", {}, {"kill"}));
  EXPECT_TRUE(refused("n", {}, {}, clock_.wall()));
  EXPECT_EQ(credentials_->list().size(), 1U);
  // The name of a revoked token stays its own: the audit trail speaks of it.
  ASSERT_TRUE(credentials_->revoke("taken", "local:root"));
  EXPECT_TRUE(refused("taken", {}, {}));
}

TEST_F(Tokens, AreListedByName) {
  create("b");
  create("a");
  create("c");
  std::vector<std::string> names;
  for (const TokenRecord& token : credentials_->list())
    names.push_back(token.name);
  EXPECT_EQ(names, (std::vector<std::string>{"a", "b", "c"}));
}

}  // namespace
}  // namespace noforce
