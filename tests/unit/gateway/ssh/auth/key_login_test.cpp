#include "gateway/ssh/auth/key_login.hpp"

#include "material.hpp"
#include "userauth_fixture.hpp"

namespace envgate::ssh::auth::test {
namespace {

using testing::ElementsAre;

class KeyLoginTest : public UserauthTest {
 protected:
  KeyLoginTest() {
    alice_.keys = {make_pair(KeyType::ed25519).key, pair_.key};
    alice_.trusted = {ca_.key};
    alice_.principals = {"nobody", "alice"};
    certificate_.key = pair_.key;
    certificate_.nonce = std::string(32, 'n');
    certificate_.key_id = "alice's laptop";
    certificate_.serial = 4711;
    certificate_.principals = {"alice"};
    certificate_.valid_after = 1'800'000'000 - 60;
    certificate_.valid_before = 1'800'000'000 + 60;
    certificate_.extensions = {{"permit-pty", ""}};
  }
  std::string offer(std::string_view algorithm, std::string_view blob) {
    return request(user_, "publickey", Writer().boolean(false).string(algorithm).string(blob).bytes());
  }
  std::string with_signature(std::string_view algorithm, std::string_view blob, std::string_view signature) {
    return request(user_, "publickey",
                   Writer().boolean(true).string(algorithm).string(blob).string(signature).bytes());
  }
  // What the client signs; `session_id` and `user` may be another's.
  std::string login(const KeyPair& pair, std::string_view algorithm, std::string_view blob,
                    std::string_view session_id, std::string_view signed_user, Assertion assertion = {}) {
    std::string plain(algorithm);
    if (const auto* const certified = signature_algorithm_by_certificate_name(algorithm))
      plain = certified->name;
    const std::string data = Writer()
                                 .string(session_id)
                                 .byte(50)
                                 .string(signed_user)
                                 .string("ssh-connection")
                                 .string("publickey")
                                 .boolean(true)
                                 .string(algorithm)
                                 .string(blob)
                                 .bytes();
    return with_signature(algorithm, blob, sign(pair, plain, data, assertion));
  }
  std::string login(const KeyPair& pair) {
    return login(pair, algorithm_of(pair.key), pair.key.blob(), session_id_, user_);
  }
  std::string certificate_blob() { return certified(certificate_, ca_).blob(); }
  std::string certificate_login(Assertion assertion = {}) {
    const std::string_view algorithm = certificate_.key.type == KeyType::rsa
                                           ? "rsa-sha2-512-cert-v01@openssh.com"
                                           : facts(certificate_.key.type).certificate_name;
    return login(pair_, algorithm, certificate_blob(), session_id_, user_, assertion);
  }
  void again() {
    auth_.reset();
    looked_up_ = false;
  }
  std::string fresh(const std::string& payload) {
    again();
    return settled(payload);
  }

  std::string user_ = "alice";
  KeyPair pair_ = make_pair(KeyType::ed25519);
  KeyPair ca_ = make_pair(KeyType::ed25519);
  Certificate certificate_;
};

TEST_F(KeyLoginTest, AnOfferIsAnsweredAndMeansNothing) {
  const std::string blob = pair_.key.blob();
  const Step step = settle(offer("ssh-ed25519", blob));
  EXPECT_EQ(reason(step), "no failure");
  EXPECT_EQ(payload_of(step), Writer().byte(60).string("ssh-ed25519").string(blob).bytes());
  EXPECT_EQ(auth_->failures(), 0u);
  EXPECT_EQ(settled(with_signature("ssh-ed25519", blob, "")), "bad_signature");
  EXPECT_EQ(settled(login(pair_)), "accepted");
}

TEST_F(KeyLoginTest, ASignatureLetsIn) {
  const Step step = settle(login(pair_));
  ASSERT_EQ(reason(step), "accepted");
  const Identity& identity = std::get<Accepted>(step).identity;
  EXPECT_EQ(identity.user, "alice");
  EXPECT_EQ(identity.method, "publickey");
  EXPECT_EQ(identity.fingerprint, pair_.key.fingerprint());
  EXPECT_EQ(identity.key_blob, pair_.key.blob());
  EXPECT_EQ(identity.key_id, "");
  EXPECT_EQ(identity.permissions, all_permissions());
}

TEST_F(KeyLoginTest, EveryTypeOfKey) {
  for (const KeyType type : {KeyType::ed25519, KeyType::ecdsa_p256, KeyType::ecdsa_p384, KeyType::ecdsa_p521,
                             KeyType::rsa, KeyType::sk_ed25519, KeyType::sk_ecdsa_p256}) {
    const KeyPair pair = make_pair(type);
    alice_.keys = {pair.key};
    EXPECT_EQ(fresh(offer(algorithm_of(pair.key), pair.key.blob())), "no failure") << pair.key.name();
    EXPECT_EQ(fresh(login(pair)), "accepted") << pair.key.name();
  }
}

TEST_F(KeyLoginTest, AnotherKeyThanWasOfferedIsJudgedByItself) {
  const KeyPair other = make_pair(KeyType::ed25519);
  EXPECT_EQ(settled(offer("ssh-ed25519", pair_.key.blob())), "no failure");
  EXPECT_EQ(settled(login(other)), "key_not_authorized");
  // The signature of one under the blob of another.
  EXPECT_EQ(settled(login(other, "ssh-ed25519", pair_.key.blob(), session_id_, user_)), "bad_signature");
  alice_.keys.push_back(other.key);
  EXPECT_EQ(fresh(offer("ssh-ed25519", pair_.key.blob())), "no failure");
  EXPECT_EQ(settled(login(other)), "accepted");
}

TEST_F(KeyLoginTest, AnOfferAbandonsAPrompt) {
  EXPECT_EQ(read_prompt(payload_of(settle(interactive_request("alice")))), "Password: ");
  EXPECT_EQ(settled(offer("ssh-ed25519", pair_.key.blob())), "no failure");
  EXPECT_EQ(settled(answer("right")), "end: out_of_turn");
}

TEST_F(KeyLoginTest, OffersThatAreRefusedCount) {
  settings_.max_tries = 3;
  for (int i = 0; i < 2; ++i)
    EXPECT_EQ(settled(offer("ssh-ed25519", make_pair(KeyType::ed25519).key.blob())), "key_not_authorized");
  EXPECT_EQ(auth_->failures(), 2u);
  EXPECT_EQ(settled(offer("ssh-ed25519", make_pair(KeyType::ed25519).key.blob())), "end: key_not_authorized");
}

TEST_F(KeyLoginTest, TheSignatureIsOverThisSessionAndThisUser) {
  const std::string blob = pair_.key.blob();
  EXPECT_EQ(fresh(login(pair_, "ssh-ed25519", blob, std::string(32, 'x'), user_)), "bad_signature");
  EXPECT_EQ(fresh(login(pair_, "ssh-ed25519", blob, session_id_, "root")), "bad_signature");
  EXPECT_EQ(fresh(login(pair_, "ssh-ed25519", blob, session_id_, user_)), "accepted");
}

TEST_F(KeyLoginTest, TheAlgorithmMustGoWithTheKey) {
  settings_.max_tries = 20;
  const KeyPair rsa = make_pair(KeyType::rsa);
  alice_.keys.push_back(rsa.key);
  EXPECT_EQ(settled(offer("rsa-sha2-512", pair_.key.blob())), "key_not_accepted");
  EXPECT_EQ(settled(offer("ssh-rsa", rsa.key.blob())), "algorithm_not_accepted");
  EXPECT_EQ(settled(offer("ssh-dss", rsa.key.blob())), "algorithm_not_accepted");
  EXPECT_EQ(settled(offer("ssh-ed25519", "nonsense")), "key_not_accepted");
  EXPECT_EQ(settled(offer("ssh-ed25519-cert-v01@openssh.com", pair_.key.blob())), "certificate_malformed");
  EXPECT_EQ(settled(offer("ssh-ed25519", certificate_blob())), "key_not_accepted");
  certificate_.key = rsa.key;
  EXPECT_EQ(settled(offer("ssh-ed25519-cert-v01@openssh.com", certificate_blob())), "key_not_accepted");
  EXPECT_EQ(settled(offer("rsa-sha2-256", rsa.key.blob())), "no failure");
  // Offered by one, signed by the other.
  const std::string data = userauth_data({session_id_, user_, "rsa-sha2-256"}, rsa.key.blob());
  EXPECT_EQ(settled(with_signature("rsa-sha2-256", rsa.key.blob(), sign(rsa, "rsa-sha2-512", data))),
            "bad_signature");
}

TEST_F(KeyLoginTest, UnknownUsersHaveNoKeys) {
  user_ = "mallory";
  alice_.known = false;
  EXPECT_EQ(fresh(offer("ssh-ed25519", pair_.key.blob())), "unknown_user");
  EXPECT_EQ(fresh(login(pair_)), "unknown_user");
  EXPECT_EQ(fresh(certificate_login()), "unknown_user");
  // Keys in an account that is not known count for nothing.
  user_ = "alice";
  EXPECT_EQ(fresh(login(pair_)), "unknown_user");
  EXPECT_EQ(fresh(certificate_login()), "unknown_user");
}

TEST_F(KeyLoginTest, KeysThatAnotherVouchesFor) {
  alice_.keys.clear();
  EXPECT_EQ(fresh(login(pair_)), "key_not_authorized");
  alice_.also_authorized = [this](const PublicKey& key) { return key == pair_.key; };
  EXPECT_EQ(fresh(login(pair_)), "accepted");
  EXPECT_EQ(fresh(login(make_pair(KeyType::ed25519))), "key_not_authorized");
}

TEST_F(KeyLoginTest, ASecurityKeyMustHaveBeenTouched) {
  const KeyPair key = make_pair(KeyType::sk_ed25519);
  alice_.keys = {key.key};
  EXPECT_EQ(fresh(login(key, key.key.name(), key.key.blob(), session_id_, user_, {.flags = 0})),
            "bad_signature");
  EXPECT_EQ(fresh(login(key, key.key.name(), key.key.blob(), session_id_, user_, {.flags = 1})), "accepted");
}

TEST_F(KeyLoginTest, TheCodeFollows) {
  alice_.totp = true;
  const Step step = settle(login(pair_));
  EXPECT_EQ(reason(step), "no failure");
  const auto reply = read_failure(payload_of(step));
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->partial);
  EXPECT_THAT(reply->methods, ElementsAre("keyboard-interactive"));
  EXPECT_EQ(settled(login(pair_)), "second_factor_due");
  EXPECT_EQ(read_prompt(payload_of(settle(interactive_request("alice")))), "Verification code: ");
  const Step last = settle(answer("123456"));
  ASSERT_EQ(reason(last), "accepted");
  EXPECT_EQ(std::get<Accepted>(last).identity.method, "publickey");
  EXPECT_EQ(std::get<Accepted>(last).identity.fingerprint, pair_.key.fingerprint());
  EXPECT_TRUE(std::get<Accepted>(last).identity.second_factor);
}

TEST_F(KeyLoginTest, TheCodeFollowsWherePasswordsAreOff) {
  alice_.totp = true;
  settings_.passwords = false;
  EXPECT_THAT(read_failure(payload_of(settle(login(pair_))))->methods, ElementsAre("keyboard-interactive"));
  EXPECT_EQ(read_prompt(payload_of(settle(interactive_request("alice")))), "Verification code: ");
  EXPECT_EQ(settled(answer("123456")), "accepted");
}

// ---- bound to a host key ----

class HostBoundTest : public KeyLoginTest {
 protected:
  HostBoundTest() { settings_.host_key = host_key_; }
  // As OpenSSH's PROTOCOL, section 3.1, has it: `host_key` behind the key, and in what is signed.
  std::string fields(bool is_signed, std::string_view host_key) {
    return Writer()
        .boolean(is_signed)
        .string("ssh-ed25519")
        .string(pair_.key.blob())
        .string(host_key)
        .bytes();
  }
  std::string bound_offer(std::string_view host_key) {
    return request(user_, kBound, fields(false, host_key));
  }
  std::string bound_login(std::string_view host_key, std::string_view signed_host_key) {
    const std::string data =
        Writer().string(session_id_).raw(request(user_, kBound, fields(true, signed_host_key))).bytes();
    return request(user_, kBound,
                   fields(true, host_key) + Writer().string(sign(pair_, "ssh-ed25519", data)).bytes());
  }

  static constexpr std::string_view kBound = "publickey-hostbound-v00@openssh.com";
  std::string host_key_ = make_pair(KeyType::ed25519).key.blob();
};

TEST_F(HostBoundTest, ALoginBoundToThisHostKeyLetsIn) {
  EXPECT_EQ(fresh(bound_offer(host_key_)), "no failure");
  const Step step = settle(bound_login(host_key_, host_key_));
  ASSERT_EQ(reason(step), "accepted");
  EXPECT_EQ(std::get<Accepted>(step).identity.method, "publickey");
}

TEST_F(HostBoundTest, OneThatIsBoundToAnotherDoesNot) {
  const std::string other = make_pair(KeyType::ed25519).key.blob();
  EXPECT_EQ(fresh(bound_offer(other)), "other_host_key");
  EXPECT_EQ(fresh(bound_login(other, other)), "other_host_key");
  EXPECT_EQ(fresh(bound_login(host_key_, other)), "bad_signature");
  EXPECT_EQ(fresh(bound_login("", "")), "other_host_key");
}

TEST_F(HostBoundTest, ASignatureIsOfItsOwnMethod) {
  const std::string plain = userauth_data({session_id_, user_, "ssh-ed25519"}, pair_.key.blob());
  EXPECT_EQ(
      fresh(request(user_, kBound,
                    fields(true, host_key_) + Writer().string(sign(pair_, "ssh-ed25519", plain)).bytes())),
      "bad_signature");
  const std::string bound =
      Writer().string(session_id_).raw(request(user_, kBound, fields(true, host_key_))).bytes();
  EXPECT_EQ(fresh(with_signature("ssh-ed25519", pair_.key.blob(), sign(pair_, "ssh-ed25519", bound))),
            "bad_signature");
}

TEST_F(HostBoundTest, WhereNoHostKeyIsSetNoneIsTaken) {
  settings_.host_key = "";
  EXPECT_EQ(fresh(bound_login(host_key_, host_key_)), "other_host_key");
  EXPECT_EQ(fresh(bound_login("", "")), "other_host_key");
}

// ---- certificates ----

TEST_F(KeyLoginTest, ACertificateLetsInAndSaysWhatIsAllowed) {
  alice_.keys.clear();
  EXPECT_EQ(fresh(offer("ssh-ed25519-cert-v01@openssh.com", certificate_blob())), "no failure");
  certificate_.critical_options = {{"force-command", Writer().string("uptime").bytes()}};
  again();
  const Step step = settle(certificate_login());
  ASSERT_EQ(reason(step), "accepted");
  const Identity& identity = std::get<Accepted>(step).identity;
  EXPECT_EQ(identity.method, "certificate");
  EXPECT_EQ(identity.fingerprint, pair_.key.fingerprint());
  EXPECT_EQ(identity.key_id, "alice's laptop");
  EXPECT_EQ(identity.serial, 4711u);
  EXPECT_EQ(identity.key_blob, "");
  EXPECT_EQ(identity.permissions, (Permissions{.force_command = "uptime", .pty = true}));
}

TEST_F(KeyLoginTest, CertificatesOfRsaKeysByBothDigests) {
  pair_ = make_pair(KeyType::rsa);
  certificate_.key = pair_.key;
  for (const char* const algorithm :
       {"rsa-sha2-256-cert-v01@openssh.com", "rsa-sha2-512-cert-v01@openssh.com"})
    EXPECT_EQ(fresh(login(pair_, algorithm, certificate_blob(), session_id_, user_)), "accepted")
        << algorithm;
}

TEST_F(KeyLoginTest, CertificatesThatAreRefusedSayWhy) {
  certificate_.valid_before = 1'800'000'000;
  EXPECT_EQ(fresh(offer("ssh-ed25519-cert-v01@openssh.com", certificate_blob())), "certificate_expired");
  EXPECT_EQ(fresh(certificate_login()), "certificate_expired");
  certificate_.valid_before = 1'900'000'000;
  certificate_.valid_after = 1'800'000'001;
  EXPECT_EQ(fresh(certificate_login()), "certificate_not_yet_valid");
  certificate_.valid_after = 0;
  certificate_.principals = {"root"};
  EXPECT_EQ(fresh(certificate_login()), "certificate_wrong_principal");
  certificate_.principals = {"alice"};
  certificate_.critical_options = {{"source-address", Writer().string("198.51.100.0/24").bytes()}};
  EXPECT_EQ(fresh(certificate_login()), "certificate_source_address");
  certificate_.critical_options = {{"source-address", Writer().string("203.0.113.0/24").bytes()}};
  EXPECT_EQ(fresh(certificate_login()), "accepted");
  alice_.principals = {};
  EXPECT_EQ(fresh(certificate_login()), "certificate_wrong_principal");
  alice_.principals = {"alice"};
  alice_.trusted = {};
  EXPECT_EQ(fresh(certificate_login()), "certificate_ca_not_trusted");
}

TEST_F(KeyLoginTest, ACertificateIsNoGoodWithoutItsKey) {
  const std::string algorithm = "ssh-ed25519-cert-v01@openssh.com";
  EXPECT_EQ(fresh(login(make_pair(KeyType::ed25519), algorithm, certificate_blob(), session_id_, user_)),
            "bad_signature");
  // Nor does the authorized key's signature over itself stand for the certificate.
  const std::string data = userauth_data({session_id_, user_, "ssh-ed25519"}, pair_.key.blob());
  EXPECT_EQ(fresh(with_signature(algorithm, certificate_blob(), sign(pair_, "ssh-ed25519", data))),
            "bad_signature");
}

TEST_F(KeyLoginTest, ACertificateSaysWhatASecurityKeyMustShow) {
  pair_ = make_pair(KeyType::sk_ed25519);
  certificate_.key = pair_.key;
  EXPECT_EQ(fresh(certificate_login({.flags = 0})), "bad_signature");
  certificate_.extensions = {{"no-touch-required", ""}};
  EXPECT_EQ(fresh(certificate_login({.flags = 0})), "accepted");
  certificate_.extensions = {};
  certificate_.critical_options = {{"verify-required", ""}};
  EXPECT_EQ(fresh(certificate_login({.flags = 1})), "bad_signature");
  EXPECT_EQ(fresh(certificate_login({.flags = 5})), "accepted");
}

}  // namespace
}  // namespace envgate::ssh::auth::test
