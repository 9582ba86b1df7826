#include "api/server/client_certificate.hpp"

#include <filesystem>
#include <fstream>

#include <gtest/gtest.h>
#include <openssl/objects.h>

#include "api/clients.hpp"
#include "core/digest.hpp"
#include "tests/api/client_certificates.hpp"
#include "tests/core/journal_samples.hpp"

namespace noforce::api {
namespace {

using std::chrono::hours;
using test::CertificateWish;
using test::Signer;

class ClientCertificates : public testing::Test {
 protected:
  static Signer ca(const std::string& name, const Signer* above = nullptr) {
    return Signer({.name = name, .is_ca = true, .from = now - hours(99), .until = now + hours(99)},
                  above);
  }
  static CertificateWish ci() {
    return {.sans = "DNS:ci.example.org", .from = now - hours(9), .until = now + hours(9)};
  }
  std::shared_ptr<const ClientAuthority> authority(const std::string& pem) {
    auto loaded = ClientAuthority::load(written(pem));
    EXPECT_TRUE(loaded) << loaded.error().detail;
    return loaded ? *loaded : nullptr;
  }
  std::string written(const std::string& pem) {
    const std::string file = directory_.file("ca.pem");
    std::ofstream(file) << pem;
    return file;
  }
  static std::shared_ptr<const ClientCertificate> shown(const std::string& pem) {
    auto certificate = client_certificate_from(pem);
    EXPECT_TRUE(certificate) << certificate.error().detail;
    return certificate ? *certificate : nullptr;
  }
  // "good", or why not.
  std::string verdict(const std::string& pem, WallTime when = now) {
    const auto checked = authority_->check(*shown(pem), when);
    return checked ? "good" : checked.error().detail;
  }
  std::string verdict(const CertificateWish& wish, WallTime when = now) {
    return verdict(Signer(wish, &root_).pem(), when);
  }
  static bool has(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
  }

  static inline const WallTime now =
      std::chrono::floor<std::chrono::seconds>(system_clock().wall());
  test::TemporaryDirectory directory_;
  const Signer root_ = ca("root");
  const std::shared_ptr<const ClientAuthority> authority_ = authority(root_.pem());
};

TEST_F(ClientCertificates, AreKnownByTheirAlternativeNamesAlone) {
  const auto names = [](const std::string& sans) {
    CertificateWish wish = ci();
    wish.name = "common.example.org";
    wish.sans = sans;
    return shown(Signer(wish).pem())->names;
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(names("DNS:CI.Example.org,email:A@B.c,URI:spiffe://X/y,IP:192.0.2.1,IP:2001:db8::1"),
            (Names{"dns:ci.example.org", "email:A@b.c", "uri:spiffe://x/y", "ip:192.0.2.1",
                   "ip:2001:db8::1"}));
  EXPECT_EQ(names("DNS:a,DNS:A,DNS:*.b,RID:1.2.3"), Names{"dns:a"}) << "once, and no wildcard";
  EXPECT_EQ(names(""), Names{});
  EXPECT_EQ(names("DNS:*.b"), Names{});
}

TEST_F(ClientCertificates, CountWhenTheirCaIsTheRightOne) {
  EXPECT_EQ(verdict(ci()), "good");
  const Signer other = ca("root");
  EXPECT_TRUE(has(verdict(Signer(ci(), &other).pem()), "not signed by a CA of [tls] client_ca"));
  EXPECT_TRUE(has(verdict(Signer(ci()).pem()), "not signed by a CA")) << "signed by itself";
  CertificateWish server = ci();
  server.usage = "serverAuth";
  EXPECT_TRUE(has(verdict(server), "extendedKeyUsage has to allow clientAuth"));
  server.usage = "serverAuth,clientAuth";
  EXPECT_EQ(verdict(server), "good");
  CertificateWish nameless = ci();
  nameless.sans.clear();
  EXPECT_TRUE(has(verdict(nameless), "carries no subject alternative name"));
  CertificateWish weak = ci();
  weak.rsa_bits = 1024;
  EXPECT_TRUE(has(verdict(weak), "too weak"));
}

TEST_F(ClientCertificates, CountWhileTheyAreValidWhateverWasFoundBefore) {
  const auto certificate = shown(Signer(ci(), &root_).pem());
  const auto at = [&](WallTime when) {
    const auto checked = authority_->check(*certificate, when);
    return checked ? std::string("good") : checked.error().detail;
  };
  EXPECT_TRUE(has(at(now - hours(10)), "is not valid before"));
  EXPECT_EQ(at(now), "good");
  EXPECT_EQ(at(now), "good") << "the second look, at what the first one found";
  EXPECT_EQ(at(now + hours(9) - Seconds{1}), "good");
  EXPECT_TRUE(has(at(now + hours(9) + Seconds{1}), "expired at"));
  EXPECT_EQ(at(now), "good") << "the clock was set back";
}

TEST_F(ClientCertificates, EndWithTheCaAboveThem) {
  const Signer between(
      {.name = "between", .is_ca = true, .from = now - hours(1), .until = now + hours(1)}, &root_);
  const std::string both = Signer(ci(), &between).pem() + between.pem();
  const auto certificate = shown(both);
  EXPECT_TRUE(authority_->check(*certificate, now));
  const auto later = authority_->check(*certificate, now + hours(2));
  ASSERT_FALSE(later);
  EXPECT_TRUE(has(later.error().detail, "hangs on a CA that has expired")) << later.error().detail;
}

TEST_F(ClientCertificates, HangOnFewCasThatComeAlong) {
  std::vector<Signer> cas;
  std::string along;
  for (int i = 0; i < deepest_client_chain + 1; ++i) {
    cas.push_back(ca("ca " + std::to_string(i), i == 0 ? &root_ : &cas.back()));
    along = cas.back().pem() + along;
    const std::string found = verdict(Signer(ci(), &cas.back()).pem() + along);
    EXPECT_EQ(found == "good", i < deepest_client_chain) << i << ": " << found;
  }
  EXPECT_TRUE(has(verdict(Signer(ci(), &cas[0]).pem()), "send its certificate along"));
  CertificateWish leaf = ci();
  const Signer no_ca(leaf, &root_);
  EXPECT_NE(verdict(Signer(ci(), &no_ca).pem() + no_ca.pem()), "good") << "signed by a client";
}

TEST_F(ClientCertificates, AreJudgedAnewByEachAuthority) {
  const auto certificate = shown(Signer(ci(), &root_).pem());
  const Signer other = ca("other");
  const auto next = authority(other.pem());
  const auto both = authority(other.pem() + root_.pem());
  EXPECT_TRUE(authority_->check(*certificate, now));
  EXPECT_FALSE(next->check(*certificate, now));
  EXPECT_TRUE(both->check(*certificate, now));
  EXPECT_FALSE(next->check(*certificate, now));
}

TEST_F(ClientCertificates, AreWorthNothingOnceTheyAreRevoked) {
  const Signer lost(ci(), &root_);
  const Signer kept(ci(), &root_);
  const Signer other = ca("other");
  const auto revoking =
      authority(root_.pem() + other.pem() + root_.crl(lost, now - hours(1), now + hours(1)));
  const auto is_good = [&](const Signer& one, WallTime when) {
    const auto checked = revoking->check(*shown(one.pem()), when);
    return checked ? "good" : checked.error().detail;
  };
  EXPECT_TRUE(has(is_good(lost, now), "was revoked by its CA"));
  EXPECT_EQ(is_good(kept, now), "good");
  EXPECT_EQ(is_good(Signer(ci(), &other), now), "good") << "a CA without a CRL has revoked nothing";
  EXPECT_TRUE(has(is_good(kept, now + hours(2)), "the CRL of its CA is not of this time"));
  EXPECT_EQ(revoking->not_after(), now + hours(1));
}

TEST_F(ClientCertificates, NeedACrlThatOpenSslDoesNotPassBy) {
  using namespace std::string_literals;
  const Signer lost(ci(), &root_);
  const auto why = [&](int number, const std::string& der) {
    const std::string crl =
        root_.crl(lost, now - hours(1), now + hours(1), {{.number = number, .der = der}});
    const auto loaded = ClientAuthority::load(written(root_.pem() + crl));
    return loaded ? "" : loaded.error().detail;
  };
  EXPECT_TRUE(has(why(NID_delta_crl, "\x02\x01\x01"s), "it holds a delta CRL"));
  EXPECT_TRUE(has(why(NID_issuing_distribution_point, "\x30\x03\x84\x01\xff"s), "an indirect CRL"));
  EXPECT_TRUE(has(why(NID_issuing_distribution_point, "\x30\x04\x83\x02\x06\x40"s),
                  "does not name all that is revoked"));
  EXPECT_EQ(why(NID_issuing_distribution_point, "\x30\x03\x81\x01\xff"s), "")
      << "one for users' certificates is whole";
}

TEST_F(ClientCertificates, AreBoundedInTheNumberOfTheirNames) {
  const auto with = [](std::size_t count) {
    CertificateWish wish = ci();
    for (std::size_t i = 1; i < count; ++i)
      wish.sans += ",DNS:n" + std::to_string(i);
    return wish;
  };
  EXPECT_EQ(verdict(with(most_client_names)), "good");
  EXPECT_TRUE(has(verdict(with(most_client_names + 1)), "more than 64 alternative names"));
}

TEST_F(ClientCertificates, NeedACaThatIsOne) {
  const auto refusal = [this](const std::string& pem) {
    const auto loaded = ClientAuthority::load(written(pem));
    return loaded ? "taken" : loaded.error().detail;
  };
  EXPECT_EQ(refusal(root_.pem()), "taken");
  EXPECT_TRUE(has(refusal(""), "no certificate in it"));
  EXPECT_TRUE(has(refusal(Signer(ci(), &root_).pem()), "a certificate that is no CA"));
  EXPECT_TRUE(has(refusal(root_.pem() + root_.key_pem()), "private key"));
  EXPECT_TRUE(has(refusal(std::string(largest_client_ca + 1, ' ')), "more than"));
  EXPECT_FALSE(ClientAuthority::load(directory_.file("missing.pem")));
  EXPECT_TRUE(authority_->holds(root_.pem()));
  EXPECT_FALSE(authority_->holds(ca("root").pem()));
}

TEST_F(ClientCertificates, BelongToWhomTheSettingsSayAtThisMoment) {
  test::HandClock clock;
  Clients clients(clock);
  const WallTime then = clock.wall();
  const Signer early(
      {.name = "ca", .is_ca = true, .from = then - hours(9), .until = then + hours(9)});
  const auto certificate = shown(
      Signer({.sans = "DNS:ci", .from = then - hours(1), .until = then + hours(1)}, &early).pem());
  EXPECT_FALSE(clients.check(*certificate)) << "nobody is known before there is a CA";
  clients.replace({{.san = "dns:ci", .role = Role::operator_}}, authority(early.pem()));
  ASSERT_TRUE(clients.check(*certificate)) << clients.check(*certificate).error().detail;
  EXPECT_EQ(clients.check(*certificate)->name, "cert:dns:ci");
  clients.replace({{.san = "dns:ci", .role = Role::viewer}}, authority(early.pem()));
  EXPECT_EQ(clients.check(*certificate)->role, Role::viewer);
  clock.advance(hours(2));
  EXPECT_FALSE(clients.check(*certificate)) << "it has expired";
  clients.replace({}, nullptr);
  EXPECT_FALSE(clients.check(*certificate));
}

}  // namespace
}  // namespace noforce::api
