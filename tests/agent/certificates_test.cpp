#include "agent/certificates.hpp"

#include <chrono>
#include <memory>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

namespace noforce::agent {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const WallTime now = std::chrono::floor<Milliseconds>(std::chrono::system_clock::now());

using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Certificate parsed(const std::string& pem) {
  BIO* bio = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
  Certificate certificate(PEM_read_bio_X509(bio, nullptr, nullptr, nullptr), &X509_free);
  BIO_free(bio);
  return certificate;
}

// What a strict client says to this certificate; "ok" when it takes it.
std::string verdict(const std::string& server, const std::string& ca, const std::string& host,
                    WallTime when) {
  const Certificate leaf = parsed(server);
  const Certificate root = parsed(ca);
  X509_STORE* store = X509_STORE_new();
  X509_STORE_add_cert(store, root.get());
  X509_STORE_CTX* context = X509_STORE_CTX_new();
  X509_STORE_CTX_init(context, store, leaf.get(), nullptr);
  X509_VERIFY_PARAM* wanted = X509_STORE_CTX_get0_param(context);
  X509_VERIFY_PARAM_set_flags(wanted, X509_V_FLAG_X509_STRICT);
  X509_VERIFY_PARAM_set_purpose(wanted, X509_PURPOSE_SSL_SERVER);
  X509_VERIFY_PARAM_set_time(wanted, std::chrono::system_clock::to_time_t(when));
  if (X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) != 1) {
    X509_VERIFY_PARAM_set1_host(wanted, host.c_str(), host.size());
  }
  X509_verify_cert(context);
  const std::string said = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
  X509_STORE_CTX_free(context);
  X509_STORE_free(store);
  return said;
}

class TheServersCertificate : public ::testing::Test {
 protected:
  void SetUp() override {
    auto made_ca = make_ca("test", now);
    ASSERT_TRUE(made_ca) << made_ca.error().detail;
    ca = *made_ca;
    auto made = make_server_certificate(ca, {"agent.example.org", "127.0.0.1", "::1"}, now);
    ASSERT_TRUE(made) << made.error().detail;
    server = *made;
  }

  KeyPair ca;
  KeyPair server;
};

TEST_F(TheServersCertificate, IsTakenByAStrictClientForEachOfItsNames) {
  for (const std::string host : {"agent.example.org", "127.0.0.1", "::1"}) {
    EXPECT_EQ(verdict(server.certificate, ca.certificate, host, now), "ok") << host;
  }
  EXPECT_EQ(verdict(server.certificate, ca.certificate, "other.example.org", now),
            "hostname mismatch");
}

TEST_F(TheServersCertificate, LastsAsLongAsItSaysAndWorksForSlowClocks) {
  using std::chrono::days;
  const auto at = [this](WallTime when) {
    return verdict(server.certificate, ca.certificate, "127.0.0.1", when);
  };
  EXPECT_EQ(at(now - std::chrono::minutes(50)), "ok");
  EXPECT_EQ(at(now + days(server_days - 1)), "ok");
  EXPECT_EQ(at(now + days(server_days)), "certificate has expired");
}

TEST_F(TheServersCertificate, GivesItsNamesAndItsEndBack) {
  const auto facts = read_certificate(server.certificate);
  ASSERT_TRUE(facts);
  EXPECT_THAT(facts->names, ElementsAre("agent.example.org", "127.0.0.1", "::1"));
  const auto left = facts->not_after - now;
  EXPECT_LT(left, std::chrono::days(server_days));
  EXPECT_GT(left, std::chrono::days(server_days - 1));
}

TEST_F(TheServersCertificate, CanBeRenewedOnItsKey) {
  const auto renewed = make_server_certificate(ca, {"new.example.org"}, now, server.key);
  ASSERT_TRUE(renewed);
  EXPECT_EQ(renewed->key, server.key);
  EXPECT_NE(renewed->certificate, server.certificate);
  EXPECT_EQ(verdict(renewed->certificate, ca.certificate, "new.example.org", now), "ok");
}

TEST_F(TheServersCertificate, CannotSignOthers) {
  const auto below = make_server_certificate(server, {"evil.example.org"}, now);
  ASSERT_TRUE(below);  // it can be written; nobody believes it
  EXPECT_NE(verdict(below->certificate, ca.certificate, "evil.example.org", now), "ok");
}

TEST_F(TheServersCertificate, IsNotMadeForWhatIsNoName) {
  for (const std::string name : {"", "a b", "-x", "DNS:a,IP:1.2.3.4", "*.example.org", "a/b"}) {
    const auto made = make_server_certificate(ca, {name}, now);
    ASSERT_FALSE(made) << name;
    EXPECT_EQ(made.error().kind, ErrorKind::malformed);
  }
  EXPECT_FALSE(make_server_certificate(ca, {}, now));
}

TEST_F(TheServersCertificate, IsNotMadeWithAnothersKey) {
  const auto other = make_ca("other", now);
  ASSERT_TRUE(other);
  const auto made = make_server_certificate({.certificate = ca.certificate, .key = other->key},
                                            {"localhost"}, now);
  ASSERT_FALSE(made);
  EXPECT_THAT(made.error().detail, HasSubstr("do not belong together"));
}

TEST(APrivateCa, MaySignServersDirectlyAndNothingElse) {
  const auto ca = make_ca("test", now);
  ASSERT_TRUE(ca);
  const Certificate certificate = parsed(ca->certificate);
  EXPECT_EQ(X509_check_ca(certificate.get()), 1);
  EXPECT_EQ(X509_get_pathlen(certificate.get()), 0);
  EXPECT_EQ(X509_get_key_usage(certificate.get()),
            static_cast<std::uint32_t>(KU_KEY_CERT_SIGN | KU_CRL_SIGN));
}

TEST(ReadingACertificate, RefusesWhatIsNone) {
  EXPECT_FALSE(read_certificate(""));
  EXPECT_FALSE(read_certificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"));
}

TEST(ThisMachine, IsAlwaysLocalhostToo) {
  EXPECT_THAT(names_of_this_machine(), ::testing::IsSupersetOf({"localhost", "127.0.0.1", "::1"}));
}

}  // namespace
}  // namespace noforce::agent
