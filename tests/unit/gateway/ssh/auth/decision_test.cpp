#include "gateway/ssh/auth/decision.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "material.hpp"

namespace envgate::ssh::auth {
namespace {

using namespace std::string_literals;
using test::certified;
using test::KeyPair;
using test::make_pair;
using testing::HasSubstr;
using Options = std::vector<CertificateOption>;

constexpr std::int64_t kNow = 1'800'000'000;

std::string text(std::string_view value) { return Writer().string(value).bytes(); }

class Decision : public testing::Test {
 protected:
  Decision() {
    certificate_.key = make_pair(KeyType::ed25519).key;
    certificate_.nonce = std::string(32, 'n');
    certificate_.key_id = "alice's laptop";
    certificate_.principals = {"alice", "root"};
    certificate_.valid_after = kNow - 60;
    certificate_.valid_before = kNow + 60;
  }

  // As if it had come from the network, and signed by the trusted CA.
  tl::expected<Permissions, Refused> decision() {
    const auto parsed = parse_certificate(certified(certificate_, ca_).blob());
    if (!parsed) return tl::unexpected(parsed.error());
    return decide({*parsed, principal_, IpAddress::parse(peer_).value(),
                   std::chrono::sys_seconds(std::chrono::seconds(now_)), trusted_});
  }
  std::string verdict() {
    const auto answer = decision();
    if (answer) return "accepted";
    EXPECT_THAT(answer.error().text, HasSubstr("certificate"));
    return std::string(name(answer.error().reason));
  }
  std::string reason_text() {
    const auto answer = decision();
    return answer ? "accepted" : answer.error().text;
  }

  KeyPair ca_ = make_pair(KeyType::ed25519);
  std::vector<PublicKey> trusted_ = {make_pair(KeyType::ecdsa_p256).key, ca_.key};
  Certificate certificate_;
  std::string principal_ = "alice";
  std::string peer_ = "203.0.113.7";
  std::int64_t now_ = kNow;
};

TEST_F(Decision, NothingIsPermittedThatIsNotNamed) {
  const auto answer = decision();
  ASSERT_TRUE(answer) << answer.error().text;
  EXPECT_EQ(*answer, Permissions());
  EXPECT_TRUE(answer->presence().touched);
  EXPECT_FALSE(answer->presence().verified);
}

TEST_F(Decision, EachExtensionIsOnePermission) {
  const std::pair<const char*, bool Permissions::*> rows[] = {
      {"no-touch-required", &Permissions::no_touch_required},
      {"permit-X11-forwarding", &Permissions::x11_forwarding},
      {"permit-agent-forwarding", &Permissions::agent_forwarding},
      {"permit-port-forwarding", &Permissions::port_forwarding},
      {"permit-pty", &Permissions::pty},
      {"permit-user-rc", &Permissions::user_rc},
  };
  Permissions all;
  Options every;
  for (const auto& [extension, permission] : rows) {
    certificate_.extensions = {{extension, ""}};
    Permissions expected;
    expected.*permission = true;
    EXPECT_EQ(decision().value(), expected) << extension;
    all.*permission = true;
    every.push_back({extension, ""});
    certificate_.extensions = {{extension, text("x")}};
    EXPECT_EQ(verdict(), "bad_option") << extension;
  }
  certificate_.extensions = every;
  EXPECT_EQ(decision().value(), all);
  EXPECT_FALSE(decision()->presence().touched);
}

TEST_F(Decision, AnUnknownExtensionIsPassedOver) {
  certificate_.extensions = {{"login@example.org", text("alice")}, {"permit-pty", ""}, {"permit-ptyx", ""}};
  Permissions expected;
  expected.pty = true;
  EXPECT_EQ(decision().value(), expected);
}

TEST_F(Decision, TheTimesBoundaries) {
  const std::pair<std::int64_t, const char*> rows[] = {
      {kNow - 61, "not_yet_valid"}, {kNow - 60, "accepted"}, {kNow + 59, "accepted"},
      {kNow + 60, "expired"},       {0, "not_yet_valid"},    {-5, "not_yet_valid"},
  };
  for (const auto& [now, expected] : rows) {
    now_ = now;
    EXPECT_EQ(verdict(), expected) << now;
  }
  now_ = kNow + 70;
  EXPECT_EQ(reason_text(), "the certificate has expired, 10 seconds ago");
  now_ = kNow - 70;
  EXPECT_EQ(reason_text(), "the certificate is not yet valid, 10 seconds too early");
}

TEST_F(Decision, ForEverAndForNoTime) {
  certificate_.valid_after = 0;
  certificate_.valid_before = UINT64_MAX;
  for (const std::int64_t now : {std::int64_t(0), kNow}) {
    now_ = now;
    EXPECT_EQ(verdict(), "accepted");
  }
  certificate_.valid_before = 0;
  EXPECT_EQ(verdict(), "expired");
  certificate_.valid_after = UINT64_MAX;
  EXPECT_EQ(verdict(), "not_yet_valid");
}

TEST_F(Decision, ThePrincipalIsOneOfThem) {
  for (const char* principal : {"alice", "root"}) {
    principal_ = principal;
    EXPECT_EQ(verdict(), "accepted");
  }
  for (const char* principal : {"", "Alice", "alic", "alice ", "alice,root", "*"}) {
    principal_ = principal;
    EXPECT_EQ(verdict(), "wrong_principal") << principal;
  }
  certificate_.principals = {"*", "al?ce", "!bob"};
  principal_ = "alice";
  EXPECT_EQ(verdict(), "wrong_principal") << "a pattern is no pattern here";
}

TEST_F(Decision, NoPrincipalsMeansNobody) {
  certificate_.principals.clear();
  for (const char* principal : {"alice", ""}) {
    principal_ = principal;
    EXPECT_EQ(verdict(), "no_principals");
  }
}

TEST_F(Decision, TheKindIsUser) {
  for (const std::uint32_t kind : {0u, 2u, 3u, 0xffffffffu}) {
    certificate_.kind = kind;
    EXPECT_EQ(verdict(), "not_for_users") << kind;
  }
}

TEST_F(Decision, ACaThatIsNotTrusted) {
  trusted_.pop_back();
  EXPECT_EQ(verdict(), "ca_not_trusted");
  EXPECT_THAT(reason_text(), HasSubstr(ca_.key.fingerprint()));
  trusted_.clear();
  EXPECT_EQ(verdict(), "ca_not_trusted");
  trusted_ = {certificate_.key};
  EXPECT_EQ(verdict(), "ca_not_trusted") << "the customer's own key is no CA";
}

TEST_F(Decision, ATrustedCasNameOnAnothersSignature) {
  const KeyPair stranger = make_pair(KeyType::ed25519);
  Certificate forged = certified(certificate_, stranger);
  forged.ca = ca_.key;
  forged.signature = *parse_signature(test::sign(stranger, "ssh-ed25519", forged.signed_part()));
  const auto answer =
      decide({forged, "alice", IpAddress(), std::chrono::sys_seconds(std::chrono::seconds(kNow)), trusted_});
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().reason, Refusal::bad_signature);
  EXPECT_THAT(answer.error().text, HasSubstr("signature is not this key's"));
}

TEST_F(Decision, TheKeyIdIsPrintable) {
  for (const std::string& id : {""s, "\xc3\xa9l\xc3\xa8ne"s, std::string(256, 'a')}) {
    certificate_.key_id = id;
    EXPECT_EQ(verdict(), "accepted") << id;
  }
  for (const std::string& id :
       {"a\nb"s, "a\0"s, "\x1b[0m"s, "\x7f"s, "\xff"s, "\xc2\x9b"s, "\xc3"s, std::string(257, 'a')}) {
    certificate_.key_id = id;
    EXPECT_EQ(verdict(), "bad_key_id");
  }
}

TEST_F(Decision, SourceAddress) {
  struct Row {
    const char* networks;
    const char* peer;
    const char* verdict;
  };
  const Row rows[] = {
      {"203.0.113.0/24", "203.0.113.7", "accepted"},
      {"203.0.113.7", "203.0.113.7", "accepted"},
      {"203.0.113.7/32", "203.0.113.8", "source_address"},
      {"10.0.0.0/8,203.0.113.0/24", "203.0.113.255", "accepted"},
      {"10.0.0.0/8,203.0.113.0/24", "203.0.114.0", "source_address"},
      {"2001:db8::/32", "2001:db8:1::1", "accepted"},
      {"2001:db8::/32", "2001:db9::1", "source_address"},
      {"2001:db8::1", "2001:db8::1", "accepted"},
      {"0.0.0.0/0", "203.0.113.7", "accepted"},
      {"0.0.0.0/0", "2001:db8::1", "source_address"},
      {"::/0", "2001:db8::1", "accepted"},
      {"::/0", "203.0.113.7", "source_address"},
      {"203.0.113.0/24", "::ffff:203.0.113.7", "accepted"},
      // A list that is wrong anywhere refuses, though another item holds.
      {"203.0.113.0/24,", "203.0.113.7", "bad_option"},
      {",203.0.113.0/24", "203.0.113.7", "bad_option"},
      {"203.0.113.0/24,example.org", "203.0.113.7", "bad_option"},
      {"203.0.113.0/24, 10.0.0.0/8", "203.0.113.7", "bad_option"},
      {"203.0.113.7/24", "203.0.113.7", "bad_option"},
      {"203.0.113.0/33", "203.0.113.7", "bad_option"},
      {"!203.0.113.0/24", "10.0.0.1", "bad_option"},
      {"*", "203.0.113.7", "bad_option"},
      {"", "203.0.113.7", "bad_option"},
  };
  for (const Row& row : rows) {
    certificate_.critical_options = {{"source-address", text(row.networks)}};
    peer_ = row.peer;
    EXPECT_EQ(verdict(), row.verdict) << row.networks << " and " << row.peer;
  }
  peer_ = "203.0.113.7";
  for (const std::string& data :
       {""s, "203.0.113.0/24"s, text("203.0.113.0/24") + "x", text("203.0.113.0/24\0"s)}) {
    certificate_.critical_options = {{"source-address", data}};
    EXPECT_EQ(verdict(), "bad_option");
  }
}

TEST_F(Decision, ForceCommand) {
  certificate_.critical_options = {{"force-command", text("/bin/echo 'a b'")}};
  EXPECT_EQ(decision().value().force_command, "/bin/echo 'a b'");
  for (const std::string& data : {""s, text(""), text("a\0b"s), text("a") + "b", "a"s}) {
    certificate_.critical_options = {{"force-command", data}};
    EXPECT_EQ(verdict(), "bad_option");
  }
}

TEST_F(Decision, VerifyRequired) {
  certificate_.critical_options = {{"verify-required", ""}};
  EXPECT_EQ(verdict(), "cannot_verify_user");
  certificate_.key = make_pair(KeyType::sk_ed25519).key;
  ASSERT_EQ(verdict(), "accepted");
  EXPECT_TRUE(decision()->verify_required && decision()->presence().verified);
  certificate_.critical_options = {{"verify-required", text("")}};
  EXPECT_EQ(verdict(), "bad_option");
}

TEST_F(Decision, AnUnknownCriticalOptionRefuses) {
  for (const char* option : {"permit-pty", "Force-command", "force-command2", "x@example.org"}) {
    certificate_.critical_options = {{option, ""}};
    EXPECT_EQ(verdict(), "unknown_critical_option") << option;
  }
  certificate_.critical_options = {{"force-command", text("true")}, {"z@example.org", text("")}};
  EXPECT_EQ(reason_text(), "the certificate's critical option 'z@example.org' is not known here");
}

TEST_F(Decision, ACriticalOptionAmongTheExtensionsRestrictsNothing) {
  certificate_.extensions = {{"force-command", text("true")}};
  EXPECT_EQ(decision().value(), Permissions()) << "as in OpenSSH: an unknown extension";
}

TEST_F(Decision, OptionsAreInOrderAndOnce) {
  const CertificateOption force{"force-command", text("true")}, source{"source-address", text("0.0.0.0/0")};
  certificate_.critical_options = {force, source};
  EXPECT_EQ(verdict(), "accepted");
  for (const Options& wrong :
       {Options{source, force}, Options{force, force}, Options{force, source, source}}) {
    certificate_.critical_options = wrong;
    EXPECT_EQ(verdict(), "options_order");
  }
  EXPECT_EQ(reason_text(), "the certificate's critical option 'source-address' is there twice");
  certificate_.critical_options.clear();
  certificate_.extensions = {{"permit-X11-forwarding", ""}, {"permit-pty", ""}};  // X is before a
  EXPECT_EQ(verdict(), "accepted");
  certificate_.extensions = {{"permit-pty", ""}, {"permit-X11-forwarding", ""}};
  EXPECT_EQ(verdict(), "options_order");
  EXPECT_EQ(reason_text(),
            "the certificate's extension 'permit-X11-forwarding' is not in the order of their names");
  certificate_.extensions = {{"x@example.org", "1"}, {"x@example.org", "2"}};
  EXPECT_EQ(verdict(), "options_order");
}

TEST_F(Decision, WhatIsReservedIsPassedOver) {
  certificate_.reserved = "for later";
  EXPECT_EQ(verdict(), "accepted");
}

class DecisionOnOpenSsh : public test::WithKeygen {};

TEST_F(DecisionOnOpenSsh, AllItsOptions) {
  const KeyPair ca = make_file("ca", "-t ed25519");
  make_file("key", "-t ed25519");
  const auto decided = [&](const std::string& arguments, std::uint32_t peer, std::int64_t now) {
    const Certificate certificate = parse_certificate(certify("ca", "key", arguments)).value();
    const std::vector<PublicKey> trusted = {ca.key};
    return decide({certificate, "alice", IpAddress::v4(peer),
                   std::chrono::sys_seconds(std::chrono::seconds(now)), trusted});
  };
  const std::string options =
      "-I id -n alice -V 20200101000000Z:20400101000000Z -O clear -O permit-pty -O force-command='ls -l' "
      "-O source-address=10.0.0.0/8,192.0.2.0/24 -O extension:x@example.org=1 -O permit-port-forwarding";
  Permissions expected;
  expected.pty = expected.port_forwarding = true;
  expected.force_command = "ls -l";
  const auto answer = decided(options, 0xc0000201, kNow);
  ASSERT_TRUE(answer) << answer.error().text;
  EXPECT_EQ(*answer, expected);
  EXPECT_EQ(decided(options, 0xc0000301, kNow).error().reason, Refusal::source_address);
  EXPECT_EQ(decided(options, 0x0a000001, 2208988800).error().reason, Refusal::expired);
  EXPECT_TRUE(decided(options, 0x0a000001, 2208988799));
  EXPECT_TRUE(decided(options, 0x0a000001, 1577836800));
  EXPECT_EQ(decided(options, 0x0a000001, 1577836799).error().reason, Refusal::not_yet_valid);
  EXPECT_EQ(decided("-I id -n alice -O critical:x@example.org=1", 0x0a000001, kNow).error().reason,
            Refusal::unknown_critical_option);
}

}  // namespace
}  // namespace envgate::ssh::auth
