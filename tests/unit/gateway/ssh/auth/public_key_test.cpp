#include "gateway/ssh/auth/public_key.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>

#include "gateway/ssh/auth/base64.hpp"
#include "material.hpp"

namespace envgate::ssh::auth {
namespace {

using namespace std::string_literals;
using test::unhex;
using testing::HasSubstr;

constexpr KeyType kAllTypes[] = {KeyType::ed25519,      KeyType::ecdsa_p256, KeyType::ecdsa_p384,
                                 KeyType::ecdsa_p521,   KeyType::rsa,        KeyType::sk_ed25519,
                                 KeyType::sk_ecdsa_p256};

std::string why_not(std::string_view blob) {
  const auto key = parse_public_key(blob);
  return key ? "accepted" : key.error().message;
}

std::string why_not_line(std::string_view line) {
  const auto key = parse_authorized_key(line);
  return key ? "accepted" : key.error().message;
}

std::string rsa_blob(std::string_view exponent, std::string_view modulus) {
  return Writer().string("ssh-rsa").mpint(exponent).mpint(modulus).bytes();
}

std::string odd_number(std::size_t bits) {
  std::string out((bits + 7) / 8, '\xff');
  out[0] = static_cast<char>(0xff >> (out.size() * 8 - bits));
  return out;
}

class KeysOfOpenSsh : public test::WithKeygen {};

TEST_F(KeysOfOpenSsh, AreParsedAndHaveItsFingerprints) {
  for (const test::FileType& type : test::kFileTypes) {
    const test::KeyPair pair = make_file(std::string(type.name), std::string(type.arguments));
    EXPECT_EQ(pair.key.name(), type.name);
    EXPECT_THAT(keygen("-lf " + path(std::string(type.name))), HasSubstr(" " + pair.key.fingerprint() + " "));
    std::string line = envgate::test::read_file(path(std::string(type.name) + ".pub"));
    line.pop_back();
    const auto parsed = parse_authorized_key(line);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->comment, "a comment");
    EXPECT_EQ(std::string(type.name) + " " + base64(parsed->key.blob()) + " a comment", line);
  }
}

TEST_F(KeysOfOpenSsh, TakesTheSecurityKeysThatAreWrittenHere) {
  for (const KeyType type : {KeyType::sk_ed25519, KeyType::sk_ecdsa_p256}) {
    const PublicKey key = test::make_pair(type).key;
    write_public("sk", key);
    EXPECT_THAT(keygen("-lf " + path("sk.pub")), HasSubstr(" " + key.fingerprint() + " "));
  }
}

TEST_F(KeysOfOpenSsh, RefusedTypesAndSizes) {
  const auto why = [&](const std::string& name, const std::string& arguments) {
    keygen("-q -N '' -f " + path(name) + " " + arguments);
    const std::string line = envgate::test::read_file(path(name + ".pub"));
    return why_not_line(line.substr(0, line.size() - 1));
  };
  EXPECT_EQ(why("dss", "-t dsa"), "keys of the type 'ssh-dss' are not accepted");
  EXPECT_EQ(why("short", "-t rsa -b 1024"), "the RSA key has 1024 bits; 2048 to 16384 are accepted");
}

TEST(PublicKey, EachTypeThereAndBack) {
  for (const KeyType type : kAllTypes) {
    const PublicKey key = test::make_pair(type).key;
    const auto back = parse_public_key(key.blob());
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(*back, key);
    EXPECT_EQ(back->blob(), key.blob());
    EXPECT_NE(*back, test::make_pair(type).key);
  }
}

TEST(PublicKey, CutOffAnywhereOrLongerIsRefused) {
  for (const KeyType type : kAllTypes) {
    const std::string blob = test::make_pair(type).key.blob();
    for (std::size_t size = 0; size < blob.size(); ++size)
      EXPECT_NE(why_not(blob.substr(0, size)), "accepted") << facts(type).name << " of " << size << " bytes";
    EXPECT_EQ(why_not(blob + "\0"s), "1 bytes follow the " + std::string(facts(type).name) + " key");
  }
}

TEST(PublicKey, TheApplicationIsPartOfTheKey) {
  PublicKey key = test::make_pair(KeyType::sk_ed25519).key;
  PublicKey other = key;
  other.application = "ssh:other";
  EXPECT_NE(key, other);
  EXPECT_NE(key.fingerprint(), other.fingerprint());
  for (const std::string& application : {""s, "a\0b"s, std::string(256, 'a')}) {
    key.application = application;
    EXPECT_THAT(why_not(key.blob()), HasSubstr("application"));
  }
}

TEST(PublicKey, TheSizeOfRsa) {
  const std::string e = "\x01\0\x01"s;
  EXPECT_THAT(why_not(rsa_blob(e, odd_number(2047))), HasSubstr("has 2047 bits"));
  EXPECT_EQ(why_not(rsa_blob(e, odd_number(2048))), "accepted");
  EXPECT_EQ(why_not(rsa_blob(e, odd_number(16384))), "accepted");
  EXPECT_THAT(why_not(rsa_blob(e, odd_number(16385))), HasSubstr("has 16385 bits"));
  EXPECT_THAT(why_not(rsa_blob(e, "")), HasSubstr("has 0 bits"));
  std::string even = odd_number(2048);
  even.back() = '\xfe';
  EXPECT_THAT(why_not(rsa_blob(e, even)), HasSubstr("even"));
}

TEST(PublicKey, TheExponentOfRsa) {
  const std::string n = odd_number(2048);
  for (const std::string& e : {"\x03"s, "\x25"s, "\x01\0\x01"s, odd_number(64)})
    EXPECT_EQ(why_not(rsa_blob(e, n)), "accepted");
  for (const std::string& e : {""s, "\x01"s, "\x02"s, "\x01\0\0"s, odd_number(65)})
    EXPECT_THAT(why_not(rsa_blob(e, n)), HasSubstr("exponent"));
}

TEST(PublicKey, NumbersOfRsaInOneFormOnly) {
  const std::string n = "\0"s + odd_number(2048);
  const auto blob = [&](std::string_view e, std::string_view modulus) {
    return Writer().string("ssh-rsa").string(e).string(modulus).bytes();
  };
  EXPECT_EQ(why_not(blob("\x03", n)), "accepted");
  EXPECT_THAT(why_not(blob("\0\x03"s, n)), HasSubstr("not as it must be"));
  EXPECT_THAT(why_not(blob("\x03", "\0"s + n)), HasSubstr("not as it must be"));
  EXPECT_THAT(why_not(blob("\x03", n.substr(1))), HasSubstr("not as it must be"));
}

TEST(PublicKey, APointThatIsNotOnTheCurve) {
  for (const KeyType type : {KeyType::ecdsa_p256, KeyType::ecdsa_p384, KeyType::ecdsa_p521}) {
    const PublicKey good = test::make_pair(type).key;
    PublicKey key = good;
    key.point = test::with_flipped(good.point, good.point.size() - 1, 1);
    EXPECT_THAT(why_not(key.blob()), HasSubstr("not on its curve"));
    EXPECT_EQ(ERR_peek_error(), 0u) << "OpenSSL's errors are left for the worker's TLS to trip over";
    key.point = std::string(good.point.size(), '\0');
    EXPECT_THAT(why_not(key.blob()), HasSubstr("uncompressed"));
    key.point = "\0"s;  // infinity
    EXPECT_THAT(why_not(key.blob()), HasSubstr("uncompressed"));
    key.point = (good.point.back() & 1 ? "\x03" : "\x02") + good.point.substr(1, facts(type).scalar);
    EXPECT_THAT(why_not(key.blob()), HasSubstr("uncompressed"));
    key.point = std::string("\x04") + std::string(good.point.size() - 1, '\xff');
    EXPECT_THAT(why_not(key.blob()), HasSubstr("not on its curve"));
  }
}

TEST(PublicKey, ACurveThatIsNotTheTypes) {
  const std::string point = test::make_pair(KeyType::ecdsa_p256).key.point;
  const std::string blob = Writer().string("ecdsa-sha2-nistp256").string("nistp384").string(point).bytes();
  EXPECT_THAT(why_not(blob), HasSubstr("names the curve 'nistp384'"));
}

TEST(PublicKey, Ed25519HasThirtyTwoBytes) {
  for (const std::size_t size : {0, 31, 33, 64})
    EXPECT_THAT(why_not(Writer().string("ssh-ed25519").string(std::string(size, 'a')).bytes()),
                HasSubstr("not " + std::to_string(size)));
}

TEST(PublicKey, OtherTypes) {
  for (const char* type : {"ssh-dss", "ssh-ed448", "SSH-ED25519", "rsa-sha2-512", "ssh-ed25519 ", ""})
    EXPECT_THAT(why_not(Writer().string(type).string("x").bytes()), HasSubstr("are not accepted"));
  EXPECT_THAT(why_not(Writer().string("ssh-ed25519-cert-v01@openssh.com").bytes()),
              HasSubstr("is a certificate"));
  EXPECT_EQ(why_not(Writer().string("a\n\xff"s + std::string(100, 'x')).bytes()),
            "keys of the type 'a??" + std::string(77, 'x') + "...' are not accepted");
}

class AuthorizedKeyLine : public testing::Test {
 protected:
  const PublicKey key_ = test::make_pair(KeyType::ed25519).key;
  const std::string text_ = base64(key_.blob());
};

TEST_F(AuthorizedKeyLine, Blanks) {
  for (const std::string& line : {"ssh-ed25519 " + text_, "  ssh-ed25519\t \t" + text_ + " \t"}) {
    const auto parsed = parse_authorized_key(line);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(parsed->key, key_);
    EXPECT_EQ(parsed->comment, "");
  }
  EXPECT_EQ(parse_authorized_key("ssh-ed25519 " + text_ + "  a  b@c \xc3\xa9 ")->comment, "a  b@c \xc3\xa9");
}

TEST_F(AuthorizedKeyLine, OptionsAreRefusedAsSuch) {
  for (const char* options : {"restrict", "no-pty,no-X11-forwarding", "from=\"10.0.0.0/8\"", "cert-authority",
                              "command=\"echo a b\"", "expiry-time=\"20300101\"", "environment=\"A=ssh\""})
    EXPECT_THAT(why_not_line(options + " ssh-ed25519 "s + text_), HasSubstr("options before a key"));
}

TEST_F(AuthorizedKeyLine, WhatIsRefused) {
  for (const char* line : {"", "  ", "# ssh-ed25519 AAAA"})
    EXPECT_EQ(why_not_line(line), "there is no key in the line");
  for (const std::string& line : {"ssh-ed25519"s, "ssh-ed25519 "s, "ssh-ed25519 " + text_ + "=",
                                  "ssh-ed25519 " + text_.substr(1), "ssh-ed25519 \"" + text_ + "\""})
    EXPECT_EQ(why_not_line(line), "what follows ssh-ed25519 is not base64");
  for (const char* end : {"\n", "\r", "\0", "\x1b[0m", "\x7f"})
    EXPECT_EQ(why_not_line("ssh-ed25519 " + text_ + " a" + std::string(end, 1)),
              "the line of the key has control characters");
  EXPECT_EQ(why_not_line("ssh-rsa " + text_),
            "the line says ssh-rsa, but its key is of the type ssh-ed25519");
  EXPECT_THAT(why_not_line("ssh-ed25519-cert-v01@openssh.com " + text_), HasSubstr("is a certificate"));
  EXPECT_THAT(why_not_line(text_), HasSubstr("are not accepted"));
}

}  // namespace
}  // namespace envgate::ssh::auth
