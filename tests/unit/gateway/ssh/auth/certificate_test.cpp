#include "gateway/ssh/auth/certificate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "gateway/ssh/auth/decision.hpp"
#include "material.hpp"

namespace envgate::ssh::auth {
namespace {

using namespace std::string_literals;
using test::certified;
using test::KeyPair;
using test::make_pair;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t kNow = 1'800'000'000;

// What the gateway says of these bytes: "accepted", or the reason.
std::string verdict(std::string_view blob, const PublicKey& ca) {
  const auto certificate = parse_certificate(blob);
  if (!certificate) return std::string(name(certificate.error().reason));
  const PublicKey trusted[] = {ca};
  const auto decision = decide({*certificate, "alice", IpAddress::v4(0x0a000001),
                                std::chrono::sys_seconds(std::chrono::seconds(kNow)), trusted});
  return decision ? "accepted" : std::string(name(decision.error().reason));
}

std::string why_not(std::string_view blob) {
  const auto certificate = parse_certificate(blob);
  return certificate ? "accepted" : certificate.error().text;
}

Certificate plain_certificate(const PublicKey& key) {
  Certificate out;
  out.key = key;
  out.nonce = std::string(32, 'n');
  out.serial = 0x0102030405060708;
  out.key_id = "alice's laptop";
  out.principals = {"alice", "root"};
  out.valid_after = kNow - 60;
  out.valid_before = kNow + 60;
  out.extensions = {{"permit-pty", ""}};
  return out;
}

class CertificatesOfOpenSsh : public test::WithKeygen {};

TEST_F(CertificatesOfOpenSsh, EachTypeOfKey) {
  const KeyPair ca = make_file("ca", "-t ed25519");
  for (const test::FileType& type : test::kFileTypes) {
    const std::string file(type.name);
    const PublicKey key = make_file(file, std::string(type.arguments)).key;
    const std::string blob =
        certify("ca", file, "-I an-id -n alice,root -V 20200101000000Z:20400101000000Z -z 42");
    const auto certificate = parse_certificate(blob);
    ASSERT_TRUE(certificate) << certificate.error().text;
    EXPECT_EQ(certificate->key, key);
    EXPECT_EQ(certificate->ca, ca.key);
    EXPECT_EQ(certificate->serial, 42u);
    EXPECT_EQ(certificate->kind, Certificate::kUser);
    EXPECT_EQ(certificate->key_id, "an-id");
    EXPECT_THAT(certificate->principals, ElementsAre("alice", "root"));
    EXPECT_EQ(certificate->valid_after, 1577836800u);
    EXPECT_EQ(certificate->valid_before, 2208988800u);
    EXPECT_TRUE(certificate->critical_options.empty());
    EXPECT_EQ(certificate->extensions.size(), 5u);
    EXPECT_EQ(certificate->blob(), blob);
    EXPECT_EQ(verdict(blob, ca.key), "accepted") << type.name;
  }
}

TEST_F(CertificatesOfOpenSsh, SecurityKeys) {
  const KeyPair ca = make_file("ca", "-t ed25519");
  for (const KeyType type : {KeyType::sk_ed25519, KeyType::sk_ecdsa_p256}) {
    const PublicKey key = make_pair(type).key;
    write_public("sk", key);
    const std::string blob =
        certify("ca", "sk", "-I id -n alice -V always:forever -O no-touch-required -O verify-required");
    const auto certificate = parse_certificate(blob);
    ASSERT_TRUE(certificate) << certificate.error().text;
    EXPECT_EQ(certificate->key, key);
    EXPECT_EQ(certificate->valid_before, UINT64_MAX);
    EXPECT_EQ(certificate->blob(), blob);
    EXPECT_EQ(verdict(blob, ca.key), "accepted");
  }
}

TEST_F(CertificatesOfOpenSsh, EachTypeOfCa) {
  make_file("key", "-t ed25519");
  for (const test::FileType& type : test::kFileTypes) {
    const std::string file = "ca-" + std::string(type.name);
    const KeyPair ca = make_file(file, std::string(type.arguments));
    EXPECT_EQ(verdict(certify(file, "key", "-I id -n alice"), ca.key), "accepted") << type.name;
    if (type.name != "ssh-rsa") continue;
    EXPECT_EQ(verdict(certify(file, "key", "-t rsa-sha2-256 -I id -n alice"), ca.key), "accepted");
    const std::string sha1 = certify(file, "key", "-t ssh-rsa -I id -n alice");
    EXPECT_EQ(verdict(sha1, ca.key), "malformed");
    EXPECT_THAT(why_not(sha1), HasSubstr("SHA-1"));
  }
}

TEST_F(CertificatesOfOpenSsh, EveryByteCounts) {
  for (const test::FileType& type : test::kFileTypes) {
    const std::string file(type.name);
    const KeyPair ca = make_file("ca-" + file, std::string(type.arguments));
    make_file(file, std::string(type.arguments));
    const std::string blob = certify("ca-" + file, file, "-I id -n alice -O source-address=10.0.0.0/8");
    ASSERT_EQ(verdict(blob, ca.key), "accepted") << type.name;
    for (std::size_t at = 0; at < blob.size(); ++at)
      for (const int mask : {0x01, 0x80, 0xff})
        EXPECT_NE(verdict(test::with_flipped(blob, at, static_cast<std::uint8_t>(mask)), ca.key), "accepted")
            << type.name << ", byte " << at << " by " << mask;
    for (std::size_t size = 0; size < blob.size(); ++size)
      EXPECT_NE(why_not(blob.substr(0, size)), "accepted") << type.name << ", " << size << " bytes";
    EXPECT_EQ(why_not(blob + "\0"s), "1 bytes follow the certificate");
  }
}

TEST_F(CertificatesOfOpenSsh, OneOfAHostIsRefused) {
  const KeyPair ca = make_file("ca", "-t ed25519");
  make_file("key", "-t ed25519");
  EXPECT_EQ(verdict(certify("ca", "key", "-h -I id -n alice"), ca.key), "not_for_users");
}

TEST_F(CertificatesOfOpenSsh, WithoutPrincipalsIsRefused) {
  const KeyPair ca = make_file("ca", "-t ed25519");
  make_file("key", "-t ed25519");
  EXPECT_EQ(verdict(certify("ca", "key", "-I id"), ca.key), "no_principals");
}

TEST_F(CertificatesOfOpenSsh, LogInWithTheirKey) {
  make_file("ca", "-t ed25519");
  for (const test::FileType& type : test::kFileTypes) {
    const std::string file(type.name);
    const KeyPair pair = make_file(file, std::string(type.arguments));
    const std::string blob = certify("ca", file, "-I id -n alice");
    const Certificate certificate = *parse_certificate(blob);
    const std::string plain(test::algorithm_of(pair.key));
    const std::string algorithm = plain + "-cert-v01@openssh.com";
    const UserauthRequest request{"session", "root", algorithm};
    const std::string signature = test::sign(pair, plain, userauth_data(request, blob));
    const auto good = verify_userauth(request, certificate, signature);
    EXPECT_TRUE(good) << good.error().message;
    // The same key, not as it is in the certificate: neither stands for the other.
    EXPECT_FALSE(verify_userauth(request, pair.key, signature));
    EXPECT_FALSE(verify_userauth({"session", "root", plain}, certificate, signature));
    EXPECT_FALSE(verify_userauth({"session", "toor", algorithm}, certificate, signature));
    EXPECT_FALSE(verify_userauth(request, certificate,
                                 test::sign(make_pair(pair.key.type), plain, userauth_data(request, blob))));
    Certificate other = certificate;
    ++other.serial;
    EXPECT_FALSE(verify_userauth(request, other, signature));
  }
}

// Each signature is good, over just the data that the request makes: only the names do not go together.
TEST(Certificate, TheRequestsAlgorithmIsTheOneOfTheSignature) {
  const KeyPair ca = make_pair(KeyType::ed25519);
  const auto verdict_of = [&](KeyType type, std::string_view said, std::string_view signed_by) {
    const KeyPair pair = make_pair(type);
    const Certificate certificate = certified(plain_certificate(pair.key), ca);
    const UserauthRequest request{"session", "root", said};
    const auto result = verify_userauth(
        request, certificate, test::sign(pair, signed_by, userauth_data(request, certificate.blob())));
    return result ? "accepted" : result.error().message;
  };
  EXPECT_EQ(verdict_of(KeyType::rsa, "rsa-sha2-512-cert-v01@openssh.com", "rsa-sha2-512"), "accepted");
  for (const char* said : {"rsa-sha2-256-cert-v01@openssh.com", "ssh-rsa-cert-v01@openssh.com",
                           "rsa-sha2-512", "ssh-ed25519-cert-v01@openssh.com", ""})
    EXPECT_EQ(
        verdict_of(KeyType::rsa, said, "rsa-sha2-512"),
        "the request says '"s + said +
            "', but its signature is by rsa-sha2-512, which goes with rsa-sha2-512-cert-v01@openssh.com");
  EXPECT_THAT(verdict_of(KeyType::rsa, "ssh-rsa-cert-v01@openssh.com", "ssh-rsa"), HasSubstr("SHA-1"));
  EXPECT_THAT(verdict_of(KeyType::ed25519, "ssh-ed25519", "ssh-ed25519"), HasSubstr("the request says"));
}

TEST(Certificate, SecurityKeysLogIn) {
  const KeyPair ca = make_pair(KeyType::ed25519);
  for (const KeyType type : {KeyType::sk_ed25519, KeyType::sk_ecdsa_p256}) {
    const KeyPair pair = make_pair(type);
    const Certificate certificate = certified(plain_certificate(pair.key), ca);
    const std::string_view algorithm = signature_algorithm_by_name(pair.key.name())->certificate_name;
    const UserauthRequest request{"session", "root", algorithm};
    const std::string data = userauth_data(request, certificate.blob());
    EXPECT_TRUE(verify_userauth(request, certificate, test::sign(pair, pair.key.name(), data)));
    const std::string untouched = test::sign(pair, pair.key.name(), data, {.flags = 0});
    EXPECT_FALSE(verify_userauth(request, certificate, untouched));
    EXPECT_TRUE(verify_userauth(request, certificate, untouched, {.touched = false}));
  }
}

TEST(Certificate, OfASecurityKeyAsCa) {
  for (const KeyType type : {KeyType::sk_ed25519, KeyType::sk_ecdsa_p256}) {
    const KeyPair ca = make_pair(type);
    const Certificate certificate = certified(plain_certificate(make_pair(KeyType::ed25519).key), ca);
    EXPECT_EQ(verdict(certificate.blob(), ca.key), "accepted");
    Certificate untouched = certificate;
    untouched.signature =
        *parse_signature(test::sign(ca, ca.key.name(), certificate.signed_part(), {.flags = 0}));
    EXPECT_EQ(verdict(untouched.blob(), ca.key), "bad_signature");
  }
}

TEST(Certificate, SignedByACertificate) {
  const KeyPair root = make_pair(KeyType::ed25519), middle = make_pair(KeyType::ed25519);
  const Certificate of_middle = certified(plain_certificate(middle.key), root);
  const Certificate leaf = certified(plain_certificate(make_pair(KeyType::ed25519).key), middle);
  // The leaf again, with the certificate of its CA where the CA's key must be, and signed as such.
  std::string part = leaf.signed_part();
  part.resize(part.size() - 4 - middle.key.blob().size());
  part += Writer().string(of_middle.blob()).bytes();
  const std::string blob = Writer().raw(part).string(test::sign(middle, "ssh-ed25519", part)).bytes();
  EXPECT_EQ(verdict(leaf.blob(), middle.key), "accepted");
  EXPECT_EQ(verdict(blob, middle.key), "nested");
  EXPECT_EQ(why_not(blob), "the key that signed the certificate is itself a certificate");
}

TEST(Certificate, ATypeThatIsNotAccepted) {
  for (const char* type : {"ssh-dss-cert-v01@openssh.com", "ssh-ed25519", "ssh-rsa-cert-v00@openssh.com",
                           "rsa-sha2-256-cert-v01@openssh.com"})
    EXPECT_THAT(why_not(Writer().string(type).string("nonce").bytes()),
                "certificates of the type '"s + type + "' are not accepted");
}

TEST(Certificate, WhatIsMalformed) {
  const KeyPair ca = make_pair(KeyType::ed25519);
  const Certificate good = certified(plain_certificate(make_pair(KeyType::ecdsa_p256).key), ca);
  ASSERT_EQ(why_not(good.blob()), "accepted");
  const auto why = [&](auto change) {
    Certificate changed = good;
    change(changed);
    return why_not(certified(changed, ca).blob());
  };
  const char* const kPrincipals = "the certificate's principals are not a list of at most 256 names";
  EXPECT_EQ(why([](Certificate& c) { c.principals = {"a", ""}; }), kPrincipals);
  EXPECT_EQ(why([](Certificate& c) { c.principals = {"root\0x"s}; }), kPrincipals);
  EXPECT_EQ(why([](Certificate& c) { c.principals.assign(256, "a"); }), "accepted");
  EXPECT_EQ(why([](Certificate& c) { c.principals.assign(257, "a"); }), kPrincipals);
  const char* const kOptions = "the certificate's options are not a list of at most 64 names and values";
  EXPECT_EQ(why([](Certificate& c) { c.critical_options = {{"", ""}}; }), kOptions);
  EXPECT_EQ(why([](Certificate& c) { c.extensions = {{"permit-pty\0"s, ""}}; }), kOptions);
  EXPECT_EQ(why([](Certificate& c) { c.extensions.assign(65, {"a", ""}); }), kOptions);
  EXPECT_THAT(why([](Certificate& c) { c.key.point.back() ^= 1; }), HasSubstr("not on its curve"));
  EXPECT_EQ(why([](Certificate& c) { c.nonce.assign(70'000, 'n'); }),
            "the certificate has more than 65536 bytes");
}

TEST(Certificate, WeakRsaIsRefusedAsKeyAndAsCa) {
  PublicKey weak = make_pair(KeyType::rsa).key;
  weak.modulus.erase(0, 128);
  weak.modulus[0] = static_cast<char>(weak.modulus[0] | 0x80);
  const KeyPair ca = make_pair(KeyType::ed25519);
  EXPECT_THAT(why_not(certified(plain_certificate(weak), ca).blob()), HasSubstr("has 1024 bits"));
  Certificate of_weak = certified(plain_certificate(ca.key), ca);
  of_weak.ca = weak;
  EXPECT_THAT(why_not(of_weak.blob()), HasSubstr("has 1024 bits"));
}

}  // namespace
}  // namespace envgate::ssh::auth
