#include "gateway/ssh/auth/signature.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/err.h>
#include <openssl/evp.h>

#include <sstream>

#include "gateway/ssh/auth/base64.hpp"
#include "material.hpp"

namespace envgate::ssh::auth {
namespace {

using namespace std::string_literals;
using test::KeyPair;
using test::make_pair;
using test::unhex;
using testing::HasSubstr;

const std::string kSession = "\x01\0 a session's id of 32 bytes ..."s;

std::string why_not(const Result<void>& result) { return result ? "accepted" : result.error().message; }

std::string why_not_parsed(std::string_view blob) {
  const auto signature = parse_signature(blob);
  return signature ? "accepted" : signature.error().message;
}

UserauthRequest request_of(std::string_view algorithm) { return {kSession, "root", algorithm}; }

// The data as RFC 4252 section 7 lists it, by hand: not by the function under test.
std::string data_of(std::string_view algorithm, std::string_view key_blob) {
  return Writer()
      .string(kSession)
      .raw("\x32")
      .string("root")
      .string("ssh-connection")
      .string("publickey")
      .raw("\x01")
      .string(algorithm)
      .string(key_blob)
      .bytes();
}

struct Signed {
  KeyPair pair;
  std::string algorithm;
  std::string signature;

  std::string verdict(std::string_view of) const {
    return why_not(verify_userauth(request_of(algorithm), pair.key, of));
  }
};

Signed signed_by(KeyType type, std::string_view algorithm) {
  const KeyPair pair = make_pair(type);
  return {pair, std::string(algorithm), test::sign(pair, algorithm, data_of(algorithm, pair.key.blob()))};
}

const std::pair<KeyType, std::string_view> kAll[] = {
    {KeyType::ed25519, "ssh-ed25519"},
    {KeyType::ecdsa_p256, "ecdsa-sha2-nistp256"},
    {KeyType::ecdsa_p384, "ecdsa-sha2-nistp384"},
    {KeyType::ecdsa_p521, "ecdsa-sha2-nistp521"},
    {KeyType::rsa, "rsa-sha2-256"},
    {KeyType::rsa, "rsa-sha2-512"},
    {KeyType::sk_ed25519, "sk-ssh-ed25519@openssh.com"},
    {KeyType::sk_ecdsa_p256, "sk-ecdsa-sha2-nistp256@openssh.com"},
};

TEST(Userauth, GoodSignaturesOfEachAlgorithm) {
  for (const auto& [type, algorithm] : kAll) {
    const Signed good = signed_by(type, algorithm);
    EXPECT_EQ(good.verdict(good.signature), "accepted") << algorithm;
    EXPECT_EQ(parse_signature(good.signature)->blob(), good.signature) << algorithm;
  }
}

TEST(Userauth, EveryByteOfASignatureCounts) {
  for (const auto& [type, algorithm] : kAll) {
    const Signed good = signed_by(type, algorithm);
    ASSERT_EQ(good.verdict(good.signature), "accepted") << algorithm;
    for (std::size_t at = 0; at < good.signature.size(); ++at)
      for (const int mask : {0x01, 0x80, 0xff})
        EXPECT_NE(good.verdict(test::with_flipped(good.signature, at, static_cast<std::uint8_t>(mask))),
                  "accepted")
            << algorithm << ", byte " << at << " by " << mask;
  }
  EXPECT_EQ(ERR_peek_error(), 0u) << "OpenSSL's errors are left for the worker's TLS to trip over";
}

TEST(Userauth, CutOffAnywhereOrLongerIsRefused) {
  for (const auto& [type, algorithm] : kAll) {
    const Signed good = signed_by(type, algorithm);
    for (std::size_t size = 0; size < good.signature.size(); ++size)
      EXPECT_NE(good.verdict(good.signature.substr(0, size)), "accepted") << algorithm << ", " << size;
    EXPECT_EQ(good.verdict(good.signature + "\0"s), "1 bytes follow the "s + good.algorithm + " signature");
  }
}

TEST(Userauth, EveryPartIsSigned) {
  const Signed good = signed_by(KeyType::ed25519, "ssh-ed25519");
  const auto verdict = [&](UserauthRequest request, const PublicKey& key) {
    return why_not(verify_userauth(request, key, good.signature));
  };
  const UserauthRequest request = request_of("ssh-ed25519");
  ASSERT_EQ(verdict(request, good.pair.key), "accepted");
  const char* const kWrong = "the signature is not this key's over this data";
  const std::string other_session = test::with_flipped(kSession, 31, 1);
  EXPECT_EQ(verdict({other_session, "root", "ssh-ed25519"}, good.pair.key), kWrong);
  EXPECT_EQ(verdict({kSession, "toor", "ssh-ed25519"}, good.pair.key), kWrong);
  EXPECT_EQ(verdict({kSession, "root", "ssh-ed25519", "ssh-userauth"}, good.pair.key), kWrong);
  EXPECT_EQ(verdict(request, make_pair(KeyType::ed25519).key), kWrong);
}

TEST(Userauth, TheAlgorithmFitsRequestAndKey) {
  const Signed rsa = signed_by(KeyType::rsa, "rsa-sha2-256");
  for (const char* said :
       {"rsa-sha2-512", "ssh-rsa", "rsa-sha2-256-cert-v01@openssh.com", "", "RSA-SHA2-256"})
    EXPECT_EQ(why_not(verify_userauth(request_of(said), rsa.pair.key, rsa.signature)),
              "the request says '"s + said + "', but its signature is by rsa-sha2-256");
  for (const auto& [type, algorithm] : kAll) {
    if (type == KeyType::rsa) continue;
    const std::string signature = test::sign(rsa.pair, "rsa-sha2-256", "data");
    EXPECT_THAT(why_not(verify(make_pair(type).key, *parse_signature(signature), "data")),
                HasSubstr("cannot be of a key of the type"))
        << algorithm;
  }
  // The same curve and the same mathematics, and yet another type.
  const KeyPair plain = make_pair(KeyType::ed25519);
  PublicKey as_security_key = plain.key;
  as_security_key.type = KeyType::sk_ed25519;
  as_security_key.application = "ssh:";
  EXPECT_THAT(why_not(verify_userauth(
                  request_of("ssh-ed25519"), as_security_key,
                  test::sign(plain, "ssh-ed25519", data_of("ssh-ed25519", as_security_key.blob())))),
              HasSubstr("cannot be of a key of the type"));
}

TEST(Userauth, Sha1IsRefused) {
  const Signed sha1 = signed_by(KeyType::rsa, "ssh-rsa");
  EXPECT_THAT(sha1.verdict(sha1.signature), HasSubstr("with SHA-1, are not accepted"));
  // Nor under another name: a SHA-1 signature that says rsa-sha2-256.
  std::string renamed = "\0\0\0\x0crsa-sha2-256"s + sha1.signature.substr(4 + 7);
  ASSERT_TRUE(parse_signature(renamed));
  EXPECT_EQ(why_not(verify_userauth(request_of("rsa-sha2-256"), sha1.pair.key, renamed)),
            "the signature is not this key's over this data");
}

TEST(Signature, RsaMayBeShorterThanItsKeyAsInOpenSsh) {
  const KeyPair pair = make_pair(KeyType::rsa);
  Signature signature;
  std::string data;
  for (int i = 0; i < 20'000 && (signature.value.empty() || signature.value[0] != 0); ++i) {
    data = std::to_string(i);
    signature = *parse_signature(test::sign(pair, "rsa-sha2-256", data));
  }
  ASSERT_EQ(signature.value[0], 0) << "no signature began with a zero";
  EXPECT_EQ(why_not(verify(pair.key, signature, data)), "accepted");
  Signature shorter = signature, longer = signature;
  shorter.value.erase(0, 1);
  EXPECT_EQ(why_not(verify(pair.key, *parse_signature(shorter.blob()), data)), "accepted");
  longer.value.insert(0, 1, '\0');
  EXPECT_EQ(why_not(verify(pair.key, *parse_signature(longer.blob()), data)),
            "the signature is longer than its RSA key");
  shorter.value.pop_back();
  EXPECT_EQ(why_not(verify(pair.key, shorter, data)), "the signature is not this key's over this data");
}

TEST(Signature, EcdsaNumbersAreInRange) {
  const KeyPair pair = make_pair(KeyType::ecdsa_p256);
  const Signature good = *parse_signature(test::sign(pair, "ecdsa-sha2-nistp256", "data"));
  ASSERT_EQ(why_not(verify(pair.key, good, "data")), "accepted");
  const auto verdict = [&](std::string_view r, std::string_view s) {
    const std::string blob =
        Writer().string("ecdsa-sha2-nistp256").string(Writer().mpint(r).mpint(s).bytes()).bytes();
    const auto parsed = parse_signature(blob);
    return parsed ? why_not(verify(pair.key, *parsed, "data")) : parsed.error().message;
  };
  EXPECT_EQ(verdict(good.r, good.s), "accepted");
  const char* const kRange = "a number of the ECDSA signature is out of range";
  EXPECT_EQ(verdict("", good.s), kRange);
  EXPECT_EQ(verdict(good.r, ""), kRange);
  EXPECT_EQ(verdict(good.r, std::string(33, '\x01')), kRange);
  const char* const kWrong = "the signature is not this key's over this data";
  // The order of P-256.
  const std::string n = unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
  for (const std::string& number : {n, std::string(32, '\xff'), "\x01"s}) {
    EXPECT_EQ(verdict(number, good.s), kWrong);
    EXPECT_EQ(verdict(good.r, number), kWrong);
  }
  // r and s in another form of the same numbers, and bytes behind them.
  const auto raw = [&](std::string_view inner) {
    return why_not_parsed(Writer().string("ecdsa-sha2-nistp256").string(inner).bytes());
  };
  const std::string numbers = Writer().mpint(good.r).mpint(good.s).bytes();
  EXPECT_EQ(raw(numbers), "accepted");
  EXPECT_THAT(raw(numbers + "\0"s), HasSubstr("cut short, or a field"));
  EXPECT_THAT(raw(Writer().string("\0\0"s + good.r).mpint(good.s).bytes()),
              HasSubstr("cut short, or a field"));
}

TEST(Signature, SizesAndNames) {
  const auto verdict = [](std::string_view algorithm, std::size_t size) {
    return why_not_parsed(Writer().string(algorithm).string(std::string(size, 'a')).bytes());
  };
  for (const std::size_t size : {0, 63, 65, 128})
    EXPECT_THAT(verdict("ssh-ed25519", size), HasSubstr("not " + std::to_string(size)));
  EXPECT_EQ(verdict("rsa-sha2-256", 2048), "accepted");
  EXPECT_EQ(verdict("rsa-sha2-256", 2049), "an RSA signature cannot have 2049 bytes");
  EXPECT_EQ(verdict("rsa-sha2-256", 0), "an RSA signature cannot have 0 bytes");
  for (const char* name : {"ssh-dss", "ssh-ed25519-cert-v01@openssh.com", "rsa-sha2-256-cert-v01@openssh.com",
                           "webauthn-sk-ecdsa-sha2-nistp256@openssh.com", ""})
    EXPECT_EQ(verdict(name, 64), "signatures by '"s + name + "' are not accepted");
}

TEST(SecurityKey, PresenceAsItIsDemanded) {
  struct Row {
    std::uint8_t flags;
    Presence demanded;
    const char* verdict;
  };
  const char* const kTouch = "the security key was not touched for this signature";
  const char* const kUser = "the security key did not verify its user for this signature, as is required";
  const Row rows[] = {
      {0x01, {}, "accepted"},
      {0x00, {}, kTouch},
      {0x04, {}, kTouch},
      {0x05, {}, "accepted"},
      {0x00, {.touched = false}, "accepted"},
      {0x01, {.verified = true}, kUser},
      {0x05, {.verified = true}, "accepted"},
      {0x04, {.touched = false, .verified = true}, "accepted"},
      {0x00, {.touched = false, .verified = true}, kUser},
  };
  for (const KeyType type : {KeyType::sk_ed25519, KeyType::sk_ecdsa_p256}) {
    const KeyPair pair = make_pair(type);
    for (const Row& row : rows) {
      const std::string signature =
          test::sign(pair, pair.key.name(), data_of(pair.key.name(), pair.key.blob()), {row.flags, 0});
      EXPECT_EQ(why_not(verify_userauth(request_of(pair.key.name()), pair.key, signature, row.demanded)),
                row.verdict)
          << pair.key.name() << " " << int(row.flags);
    }
  }
}

TEST(SecurityKey, FlagsCounterAndApplicationAreSigned) {
  const KeyPair pair = make_pair(KeyType::sk_ed25519);
  const Signature good = *parse_signature(test::sign(pair, pair.key.name(), "data"));
  ASSERT_EQ(why_not(verify(pair.key, good, "data")), "accepted");
  const char* const kWrong = "the signature is not this key's over this data";
  Signature changed = good;
  changed.flags = 0x05;
  EXPECT_EQ(why_not(verify(pair.key, changed, "data", {.verified = true})), kWrong);
  changed = good;
  ++changed.counter;
  EXPECT_EQ(why_not(verify(pair.key, changed, "data")), kWrong);
  PublicKey elsewhere = pair.key;
  elsewhere.application = "https://example.org";
  EXPECT_EQ(why_not(verify(elsewhere, good, "data")), kWrong);
}

// RFC 8032 section 7.1, test 2.
TEST(Signature, TheRfcsEd25519) {
  PublicKey key;
  key.point = unhex("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
  const std::string value = unhex(
      "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
      "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
  const auto signature = parse_signature(Writer().string("ssh-ed25519").string(value).bytes());
  EXPECT_EQ(why_not(verify(key, *signature, "\x72")), "accepted");
  EXPECT_NE(why_not(verify(key, *signature, "\x73")), "accepted");
}

class SignaturesOfOpenSsh : public test::WithKeygen {};

// `ssh-keygen -Y sign`: the data that OpenSSH's PROTOCOL.sshsig describes, signed by OpenSSH itself.
TEST_F(SignaturesOfOpenSsh, AreVerified) {
  for (const test::FileType& type : test::kFileTypes) {
    const std::string name(type.name);
    const PublicKey key = make_file(name, std::string(type.arguments)).key;
    directory_.write("message", "what is signed");
    keygen("-Y sign -q -O hashalg=sha256 -n a-namespace -f " + path(name) + " " + path("message"));
    std::istringstream lines(envgate::test::read_file(path("message.sig")));
    std::string armour;
    for (std::string line; std::getline(lines, line);)
      if (line.rfind("-----", 0) != 0) armour += line;
    std::filesystem::remove(path("message.sig"));
    const std::string blob = from_base64(armour).value();
    Reader reader(std::string_view(blob).substr(6));
    std::uint32_t version;
    std::string_view public_key, space, reserved, hash, signature;
    ASSERT_TRUE(reader.uint32(version) && reader.string(public_key) && reader.string(space) &&
                reader.string(reserved) && reader.string(hash) && reader.string(signature));
    EXPECT_EQ(*parse_public_key(public_key), key);
    unsigned char digest[32];
    ASSERT_EQ(EVP_Digest("what is signed", 14, digest, nullptr, EVP_sha256(), nullptr), 1);
    const std::string data = Writer()
                                 .raw("SSHSIG")
                                 .string(space)
                                 .string("")
                                 .string("sha256")
                                 .string({reinterpret_cast<const char*>(digest), sizeof digest})
                                 .bytes();
    const auto parsed = parse_signature(signature);
    ASSERT_TRUE(parsed) << parsed.error().message;
    EXPECT_EQ(why_not(verify(key, *parsed, data)), "accepted") << name;
    EXPECT_NE(why_not(verify(key, *parsed, data + "x")), "accepted") << name;
  }
}

// A private key that ssh-keygen made, and the data of a login.
TEST_F(SignaturesOfOpenSsh, KeysOfOpenSshLogIn) {
  for (const test::FileType& type : test::kFileTypes) {
    const KeyPair pair = make_file(std::string(type.name), std::string(type.arguments));
    const std::string_view algorithm = test::algorithm_of(pair.key);
    EXPECT_EQ(why_not(verify_userauth(request_of(algorithm), pair.key,
                                      test::sign(pair, algorithm, data_of(algorithm, pair.key.blob())))),
              "accepted")
        << type.name;
  }
}

}  // namespace
}  // namespace envgate::ssh::auth
