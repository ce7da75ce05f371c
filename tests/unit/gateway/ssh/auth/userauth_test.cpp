#include "gateway/ssh/auth/userauth.hpp"

#include "userauth_fixture.hpp"

namespace envgate::ssh::auth::test {
namespace {

using namespace std::string_literals;
using testing::ElementsAre;

TEST_F(UserauthTest, NoneListsTheMethodsForNothing) {
  settings_.max_tries = 1;
  const Step step = take(request("alice", "none"));
  EXPECT_EQ(reason(step), "none");
  const auto reply = read_failure(payload_of(step));
  ASSERT_TRUE(reply);
  EXPECT_THAT(reply->methods, ElementsAre("publickey", "password", "keyboard-interactive"));
  EXPECT_FALSE(reply->partial);
  EXPECT_EQ(auth_->failures(), 0u);
  // Not a second time.
  EXPECT_EQ(settled(request("alice", "none")), "end: none");
}

TEST_F(UserauthTest, TheAccountIsAskedForOnceAndByItsName) {
  start();
  const Step step = auth_->take(password_request("alice", "right"), kNow);
  ASSERT_TRUE(std::holds_alternative<NeedAccount>(step));
  EXPECT_EQ(std::get<NeedAccount>(step).user, "alice");
  EXPECT_FALSE(auth_->known());
  // The request that waited for it is not lost.
  EXPECT_TRUE(std::holds_alternative<CheckPassword>(auth_->account(alice_)));
  EXPECT_TRUE(auth_->known());
  auth_->password_checked(false);
  EXPECT_TRUE(std::holds_alternative<CheckPassword>(auth_->take(password_request("alice", "x"), kNow)));
}

TEST_F(UserauthTest, APasswordIsCheckedAndLetsIn) {
  Step step = take(password_request("alice", "right"));
  ASSERT_TRUE(std::holds_alternative<CheckPassword>(step));
  EXPECT_EQ(std::get<CheckPassword>(step).password.view(), "right");
  EXPECT_EQ(std::get<CheckPassword>(step).verifier, kVerifier);
  step = auth_->password_checked(true);
  ASSERT_TRUE(std::holds_alternative<Accepted>(step));
  const Identity& identity = std::get<Accepted>(step).identity;
  EXPECT_EQ(identity.user, "alice");
  EXPECT_EQ(identity.method, "password");
  EXPECT_FALSE(identity.second_factor);
  EXPECT_EQ(identity.fingerprint, "");
  EXPECT_EQ(identity.permissions, all_permissions());
  EXPECT_EQ(settled(request("alice", "none")), "end: out_of_turn");
}

TEST_F(UserauthTest, AWrongPasswordFailsAndMayBeTriedAgain) {
  EXPECT_EQ(settled(password_request("alice", "wrong")), "bad_password");
  EXPECT_EQ(auth_->failures(), 1u);
  EXPECT_EQ(settled(password_request("alice", "right")), "accepted");
}

TEST_F(UserauthTest, WhatNoPasswordCanBeIsNotChecked) {
  settings_.max_tries = 10;
  EXPECT_EQ(settled(password_request("alice", "")), "empty_password");
  EXPECT_EQ(settled(password_request("alice", std::string(1025, 'p'))), "password_too_long");
  EXPECT_EQ(settled(password_request("alice", "right\0"s + "x")), "bad_password");
  EXPECT_EQ(settled(request("alice", "password", Writer().boolean(true).string("right").string("n").bytes())),
            "password_change");
  EXPECT_EQ(auth_->failures(), 4u);
  EXPECT_THAT(checked_, ElementsAre());
  EXPECT_EQ(settled(password_request("alice", std::string(1024, 'p'))), "bad_password");
  EXPECT_THAT(checked_, ElementsAre(kVerifier));
}

// What a stranger sees of each account, and what it costs: the replies to the same packets, byte by byte.
TEST_F(UserauthTest, AnUnknownUserIsAnsweredAsAKnownOne) {
  const auto seen = [this](const std::string& user) {
    auth_.reset();
    looked_up_ = false;
    checked_.clear();
    std::vector<std::string> out;
    for (const std::string& payload :
         {request(user, "none"), password_request(user, "wrong"), password_request(user, ""),
          interactive_request(user), answer("wrong"), request(user, "hostbased"),
          request(user, "publickey",
                  Writer().boolean(false).string("ssh-ed25519").string("no key").bytes())}) {
      Step step = settle(payload);
      out.push_back(std::holds_alternative<End>(step) ? std::get<End>(step).text : payload_of(step));
    }
    EXPECT_EQ(checked_.size(), 2u) << user;
    out.push_back(std::to_string(auth_->failures()));
    return out;
  };
  const auto known = seen("alice");
  EXPECT_EQ(seen("mallory"), known);
  EXPECT_THAT(checked_, ElementsAre(kDummy, kDummy));
  alice_.password_allowed = false;
  EXPECT_EQ(seen("alice"), known);
  alice_.password_allowed = true;
  alice_.totp = true;
  EXPECT_EQ(seen("alice"), known);
  for (const char* const locked : {"", "!", "*", "$1$salt$qJH7.N4xYta3aEG/dfqo/0"}) {
    alice_.verifier = locked;
    EXPECT_EQ(seen("alice"), known);
    EXPECT_THAT(checked_, ElementsAre(kDummy, kDummy));
  }
}

TEST_F(UserauthTest, WhoHasNoPasswordIsNotLetInByTheDummyEither) {
  settings_.max_tries = 10;
  EXPECT_EQ(settled(password_request("mallory", "right")), "unknown_user");
  EXPECT_THAT(checked_, ElementsAre(kDummy));
  // Nor by the one that is given for its cost.
  auth_.reset();
  looked_up_ = false;
  alice_.known = false;
  EXPECT_EQ(settled(password_request("alice", "right")), "unknown_user");
  EXPECT_THAT(checked_, ElementsAre(kDummy, kVerifier));
  alice_.known = true;
  auth_.reset();
  looked_up_ = false;
  alice_.password_allowed = false;
  EXPECT_EQ(settled(password_request("alice", "right")), "password_not_allowed");
  auth_.reset();
  looked_up_ = false;
  alice_.password_allowed = true;
  alice_.verifier = "";
  EXPECT_EQ(settled(password_request("alice", "right")), "no_password");
}

TEST_F(UserauthTest, BusyIsAFailureThatDoesNotCount) {
  settings_.max_tries = 1;
  ASSERT_TRUE(std::holds_alternative<CheckPassword>(take(password_request("alice", "right"))));
  EXPECT_EQ(reason(auth_->password_busy()), "busy");
  EXPECT_EQ(auth_->failures(), 0u);
  EXPECT_EQ(settled(password_request("alice", "right")), "accepted");
}

TEST_F(UserauthTest, PasswordsAreNotOfferedWhereTheyAreOff) {
  settings_.passwords = false;
  Step step = settle(password_request("alice", "right"));
  EXPECT_EQ(reason(step), "method_not_offered");
  EXPECT_THAT(read_failure(payload_of(step))->methods, ElementsAre("publickey"));
  EXPECT_EQ(settled(interactive_request("alice")), "method_not_offered");
  EXPECT_THAT(checked_, ElementsAre());
}

TEST_F(UserauthTest, OtherMethodsAreRefused) {
  for (const char* const method : {"hostbased", "gssapi-with-mic", "publickey-hostbound", ""})
    EXPECT_EQ(settled(request("alice", method, "anything")), "unknown_method");
  EXPECT_EQ(auth_->failures(), 4u);
}

// ---- keyboard-interactive ----

TEST_F(UserauthTest, InteractiveAsksForThePassword) {
  EXPECT_EQ(read_prompt(payload_of(settle(interactive_request("alice")))), "Password: ");
  const Step step = settle(answer("right"));
  ASSERT_EQ(reason(step), "accepted");
  EXPECT_EQ(std::get<Accepted>(step).identity.method, "keyboard-interactive");
}

TEST_F(UserauthTest, InteractiveGoesOnToTheCode) {
  alice_.totp = true;
  settle(interactive_request("alice"));
  EXPECT_EQ(read_prompt(payload_of(settle(answer("right")))), "Verification code: ");
  EXPECT_FALSE(auth_->partial());
  const Step step = settle(answer("123456"));
  ASSERT_EQ(reason(step), "accepted");
  EXPECT_EQ(std::get<Accepted>(step).identity.method, "keyboard-interactive");
  EXPECT_TRUE(std::get<Accepted>(step).identity.second_factor);
}

TEST_F(UserauthTest, AWrongPasswordLeadsToNoCode) {
  alice_.totp = true;
  settle(interactive_request("alice"));
  EXPECT_EQ(settled(answer("wrong")), "bad_password");
  EXPECT_EQ(settled(answer("123456")), "end: out_of_turn");
}

TEST_F(UserauthTest, AfterAWrongCodeThePasswordIsAskedForAgain) {
  alice_.totp = true;
  settle(interactive_request("alice"));
  settle(answer("right"));
  EXPECT_EQ(settled(answer("000000")), "bad_code");
  EXPECT_EQ(auth_->failures(), 1u);
  EXPECT_EQ(read_prompt(payload_of(settle(interactive_request("alice")))), "Password: ");
}

TEST_F(UserauthTest, APromptThatIsAbandonedGivesNothing) {
  alice_.totp = true;
  settle(interactive_request("alice"));
  settle(answer("right"));
  EXPECT_EQ(read_prompt(payload_of(settle(interactive_request("alice")))), "Password: ");
  EXPECT_EQ(settled(request("alice", "hostbased")), "unknown_method");
  EXPECT_EQ(settled(answer("right")), "end: out_of_turn");
}

TEST_F(UserauthTest, AfterAPasswordTheCodeIsDueAndNothingElse) {
  alice_.totp = true;
  const Step step = settle(password_request("alice", "right"));
  const auto reply = read_failure(payload_of(step));
  ASSERT_TRUE(reply);
  EXPECT_TRUE(reply->partial);
  EXPECT_THAT(reply->methods, ElementsAre("keyboard-interactive"));
  EXPECT_EQ(auth_->failures(), 0u);
  EXPECT_TRUE(auth_->partial());

  const Step again = settle(password_request("alice", "right"));
  EXPECT_EQ(reason(again), "second_factor_due");
  EXPECT_FALSE(read_failure(payload_of(again))->partial);
  EXPECT_THAT(read_failure(payload_of(again))->methods, ElementsAre("keyboard-interactive"));

  EXPECT_EQ(read_prompt(payload_of(settle(interactive_request("alice")))), "Verification code: ");
  EXPECT_EQ(settled(answer("000000")), "bad_code");
  // The password stays good: it is the code alone that is asked for again.
  EXPECT_EQ(read_prompt(payload_of(settle(interactive_request("alice")))), "Verification code: ");
  const Step last = settle(answer("123456"));
  ASSERT_EQ(reason(last), "accepted");
  EXPECT_EQ(std::get<Accepted>(last).identity.method, "password");
  EXPECT_TRUE(std::get<Accepted>(last).identity.second_factor);
}

TEST_F(UserauthTest, AnswersMustFitThePrompt) {
  settings_.max_tries = 10;
  for (const std::uint32_t count : {0u, 2u, 0xffffffffu}) {
    settle(interactive_request("alice"));
    EXPECT_EQ(settled(Writer().byte(61).uint32(count).string("right").string("right").bytes()),
              "wrong_response_count");
  }
  EXPECT_EQ(auth_->failures(), 3u);
  settle(interactive_request("alice"));
  EXPECT_EQ(settled(answer("right") + "x"), "end: malformed");
}

TEST_F(UserauthTest, ALongCodeIsNotChecked) {
  alice_.totp = true;
  settle(interactive_request("alice"));
  settle(answer("right"));
  EXPECT_EQ(reason(take(answer(std::string(65, '1')))), "bad_code");
}

TEST_F(UserauthTest, AnAnswerToNoPromptEnds) {
  settle(request("alice", "none"));
  EXPECT_EQ(settled(answer("right")), "end: out_of_turn");
  auth_.reset();
  EXPECT_EQ(settled(answer("right")), "end: out_of_turn");
}

// ---- the end ----

TEST_F(UserauthTest, TheLastFailureEnds) {
  settings_.max_tries = 3;
  EXPECT_EQ(settled(request("alice", "none")), "none");
  EXPECT_EQ(settled(password_request("alice", "wrong")), "bad_password");
  EXPECT_EQ(settled(password_request("alice", "wrong")), "bad_password");
  const Step step = settle(password_request("alice", "wrong"));
  ASSERT_TRUE(std::holds_alternative<End>(step));
  EXPECT_EQ(std::get<End>(step).reason, 2u);
  EXPECT_EQ(std::get<End>(step).text, "Too many authentication failures");
  EXPECT_EQ(std::get<End>(step).failed.reason, "bad_password");
  EXPECT_EQ(settled(password_request("alice", "right")), "end: out_of_turn");
}

TEST_F(UserauthTest, RequestsAreCountedWhateverBecomesOfThem) {
  settings_.max_requests = 5;
  for (int i = 0; i < 5; ++i)
    EXPECT_EQ(read_prompt(payload_of(settle(interactive_request("alice")))), "Password: ");
  EXPECT_EQ(auth_->failures(), 0u);
  EXPECT_EQ(settled(interactive_request("alice")), "end: too_many_requests");
}

TEST_F(UserauthTest, UserAndServiceStay) {
  settle(request("alice", "none"));
  EXPECT_EQ(settled(request("bob", "none")), "end: user_changed");
  auth_.reset();
  looked_up_ = false;
  settle(request("alice", "none"));
  EXPECT_EQ(settled(request("alice", "none", "", "ssh-userauth")), "end: user_changed");
}

TEST_F(UserauthTest, ServiceMustBeTheConnection) {
  start();
  const Step step = auth_->take(request("alice", "none", "", "ssh-userauth"), kNow);
  EXPECT_EQ(reason(step), "end: unknown_service");
  EXPECT_EQ(std::get<End>(step).reason, 7u);
}

TEST_F(UserauthTest, UserNames) {
  for (const std::string& name :
       {""s, std::string(256, 'a'), "a\nb"s, "a\0b"s, "a\x7f"s, "\xc2\x9b"s, "\xff"s}) {
    auth_.reset();
    EXPECT_EQ(settled(request(name, "none")), "end: invalid_user_name") << name;
    EXPECT_FALSE(looked_up_);
  }
  for (const std::string& name : {std::string(255, 'a'), "root+6hiflzwte2xnkroq"s, "j\xc3\xb6rg"s, "a b"s}) {
    auth_.reset();
    looked_up_ = false;
    EXPECT_EQ(settled(request(name, "none")), "none") << name;
  }
}

TEST_F(UserauthTest, APacketWhileAnotherIsAtWorkEnds) {
  ASSERT_TRUE(std::holds_alternative<CheckPassword>(take(password_request("alice", "right"))));
  EXPECT_EQ(settled(password_request("alice", "right")), "end: out_of_turn");
  start();
  ASSERT_TRUE(std::holds_alternative<NeedAccount>(auth_->take(password_request("alice", "right"), kNow)));
  EXPECT_EQ(reason(auth_->take(request("alice", "none"), kNow)), "end: out_of_turn");
}

TEST_F(UserauthTest, MalformedPacketsEnd) {
  const std::string whole = password_request("alice", "right");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    auth_.reset();
    looked_up_ = false;
    EXPECT_EQ(settled(whole.substr(0, size)), "end: malformed") << size;
  }
  for (const std::string& packet :
       {whole + "x", request("alice", "none", "x"), interactive_request("alice") + "x",
        "\x05"s + whole.substr(1),
        request("alice", "password", Writer().boolean(true).string("right").bytes()),
        request("alice", "publickey", Writer().boolean(true).string("ssh-ed25519").string("k").bytes()),
        request("alice", "publickey",
                Writer().boolean(false).string("ssh-ed25519").string("k").string("s").bytes()),
        request("alice", "none") + std::string(96 * 1024, 'x')}) {
    auth_.reset();
    looked_up_ = false;
    EXPECT_EQ(settled(packet), "end: malformed");
  }
}

}  // namespace
}  // namespace envgate::ssh::auth::test
