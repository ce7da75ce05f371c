#include "gateway/password_pool.hpp"

#include <crypt.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <thread>

namespace envgate::gateway {
namespace {

using namespace std::string_literals;

// As "openssl passwd -6 -salt saltstring" has it, and crypt_blowfish's own test.
const std::string kSha512 =
    "$6$saltstring$svn8UoSVapNtMuq1ukKS4tPQd8iKwSMHWjl/O817G3uBnIFNjnQJuesI68u4OTLiBFdcbYEdFCoEOfaS35inz1";
const std::string kBcrypt = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

std::string hashed(const char* password, const char* prefix, unsigned long cost) {
  char setting[CRYPT_GENSALT_OUTPUT_SIZE];
  const auto data = std::make_unique<crypt_data>();
  const char* const made = crypt_gensalt_rn(prefix, cost, "0123456789abcdef", 16, setting, sizeof setting);
  return made == nullptr ? "no setting" : crypt_r(password, setting, data.get());
}

TEST(VerifyPassword, TheHashesOfOthers) {
  EXPECT_TRUE(verify_password(Secret("Hello world!"), kSha512));
  EXPECT_FALSE(verify_password(Secret("Hello world"), kSha512));
  EXPECT_FALSE(verify_password(Secret("Hello world!"), kSha512.substr(0, kSha512.size() - 1) + "/"));
  EXPECT_TRUE(verify_password(Secret("U*U"), kBcrypt));
  EXPECT_FALSE(verify_password(Secret("U*U*"), kBcrypt));
}

TEST(VerifyPassword, EveryKindThatIsAccepted) {
  const std::string verifiers[] = {hashed("s3cret", "$y$", 1), hashed("s3cret", "$6$", 2000),
                                   hashed("s3cret", "$2b$", 4), hashed("s3cret", "$2y$", 4)};
  for (const std::string& verifier : verifiers) {
    EXPECT_TRUE(is_usable_verifier(verifier)) << verifier;
    EXPECT_TRUE(verify_password(Secret("s3cret"), verifier)) << verifier;
    EXPECT_FALSE(verify_password(Secret("S3cret"), verifier)) << verifier;
    EXPECT_FALSE(verify_password(Secret(""), verifier)) << verifier;
  }
}

TEST(VerifyPassword, OldHashesAreRefused) {
  for (const std::string& verifier : {hashed("s3cret", "$1$", 0), hashed("s3cret", "", 0),
                                      hashed("s3cret", "$5$", 1000), hashed("s3cret", "_", 0)}) {
    ASSERT_GT(verifier.size(), 10u);
    EXPECT_FALSE(is_usable_verifier(verifier)) << verifier;
    EXPECT_FALSE(verify_password(Secret("s3cret"), verifier)) << verifier;
  }
}

TEST(VerifyPassword, WhatLocksAnAccountMatchesNothing) {
  for (const std::string& verifier : {""s, "*"s, "!"s, "!!"s, "*0"s, "*1"s, "x"s, "!" + kSha512, "s3cret"s})
    for (const std::string& password : {verifier, ""s, "Hello world!"s})
      EXPECT_FALSE(verify_password(Secret(password), verifier)) << verifier;
}

TEST(VerifyPassword, CostsThatAThreadCannotBear) {
  const std::string yescrypt = hashed("s3cret", "$y$", 1);
  const std::string sha512 = hashed("s3cret", "$6$", 2000);
  const std::string bcrypt = hashed("s3cret", "$2b$", 4);
  const auto with = [](std::string text, std::size_t at, std::string_view piece) {
    return text.replace(at, piece.size(), piece);
  };
  EXPECT_TRUE(is_usable_verifier(with(yescrypt, 3, "jCT")));
  EXPECT_FALSE(is_usable_verifier(with(yescrypt, 3, "jDT")));
  EXPECT_FALSE(is_usable_verifier(with(yescrypt, 3, "j9U")));
  EXPECT_FALSE(is_usable_verifier(with(yescrypt, 3, "/9T")));
  EXPECT_TRUE(is_usable_verifier(with(bcrypt, 4, "14")));
  EXPECT_FALSE(is_usable_verifier(with(bcrypt, 4, "15")));
  EXPECT_FALSE(is_usable_verifier(with(bcrypt, 4, "03")));
  EXPECT_TRUE(is_usable_verifier(sha512));
  EXPECT_TRUE(is_usable_verifier("$6$rounds=1000000" + sha512.substr(14)));
  EXPECT_FALSE(is_usable_verifier("$6$rounds=1000001" + sha512.substr(14)));
  EXPECT_FALSE(is_usable_verifier("$6$rounds=99999999999" + sha512.substr(14)));
  EXPECT_FALSE(is_usable_verifier("$6$rounds=" + sha512.substr(14)));
  // A hash that is not whole, and one with more.
  for (const std::string& whole : {yescrypt, sha512, bcrypt}) {
    EXPECT_FALSE(is_usable_verifier(whole.substr(0, whole.size() - 1)));
    EXPECT_FALSE(is_usable_verifier(whole + "a"));
    EXPECT_FALSE(is_usable_verifier(whole + "\n"));
  }
}

TEST(VerifyPassword, NothingIsCutOffAPassword) {
  EXPECT_FALSE(verify_password(Secret("Hello world!\0more"s), kSha512));
  const std::string longest(kPasswordMax, 'p');
  // crypt(3) itself takes 512 bytes at most, and fails beyond.
  EXPECT_FALSE(verify_password(Secret(longest), kSha512));
  EXPECT_FALSE(verify_password(Secret(longest + "p"), kSha512));
}

TEST(DummyVerifier, IsAsCostlyAsANewPasswordAndMatchesNone) {
  const auto first = make_dummy_verifier(), second = make_dummy_verifier();
  ASSERT_TRUE(first && second);
  EXPECT_TRUE(is_usable_verifier(*first));
  EXPECT_EQ(first->substr(0, 7), "$y$j9T$");
  EXPECT_NE(*first, *second);
  EXPECT_FALSE(verify_password(Secret(""), *first));
}

TEST(PasswordPool, SaysRightAndWrongOnAThreadOfItsOwn) {
  PasswordPool pool(2, 8);
  for (const auto& [password, right] : {std::pair("Hello world!", true), std::pair("hello", false)}) {
    std::promise<std::pair<bool, std::thread::id>> answer;
    ASSERT_TRUE(pool.submit(Secret(password), kSha512, [&](bool is) {
      answer.set_value({is, std::this_thread::get_id()});
    }));
    const auto [is, thread] = answer.get_future().get();
    EXPECT_EQ(is, right);
    EXPECT_NE(thread, std::this_thread::get_id());
  }
  EXPECT_EQ(pool.counts().right, 1u);
  EXPECT_EQ(pool.counts().wrong, 1u);
}

// Its one thread is held within `done`.
TEST(PasswordPool, AFullQueueIsBusyAndEmptiesAgain) {
  PasswordPool pool(0, 2);
  std::promise<void> held, go, last;
  std::atomic<int> done{0};
  ASSERT_TRUE(pool.submit(Secret("a"), "*", [&](bool) {
    held.set_value();
    go.get_future().wait();
  }));
  held.get_future().wait();
  ASSERT_TRUE(pool.submit(Secret("b"), "*", [&](bool) { ++done; }));
  ASSERT_TRUE(pool.submit(Secret("c"), "*", [&](bool) {
    ++done;
    last.set_value();
  }));
  EXPECT_FALSE(pool.submit(Secret("d"), "*", [&](bool) { done += 100; }));
  EXPECT_EQ(pool.queued(), 2u);
  EXPECT_EQ(pool.counts().busy, 1u);
  EXPECT_EQ(done, 0);
  go.set_value();
  last.get_future().wait();
  EXPECT_EQ(done, 2);
  std::promise<void> again;
  EXPECT_TRUE(pool.submit(Secret("e"), "*", [&](bool) { again.set_value(); }));
  again.get_future().wait();
}

TEST(PasswordPool, WhatWaitsAtItsEndIsNotChecked) {
  std::promise<void> held, go;
  std::atomic<int> done{0};
  auto pool = std::make_unique<PasswordPool>(1, 1'000'000);
  PasswordPool* const ending = pool.get();  // it lives until its thread, which is held, has been joined
  ASSERT_TRUE(pool->submit(Secret("a"), "*", [&](bool) {
    held.set_value();
    go.get_future().wait();
    ++done;
  }));
  held.get_future().wait();
  std::thread end([&] { pool.reset(); });
  while (ending->submit(Secret("b"), "*", [&](bool) { done += 100; })) std::this_thread::yield();
  go.set_value();
  end.join();
  EXPECT_EQ(done, 1);
}

TEST(SecretTest, MovesItsOneCopyAndWipesIt) {
  Secret secret("hunter2");
  const char* const where = secret.c_str();
  Secret moved = std::move(secret);
  EXPECT_EQ(moved.c_str(), where);
  EXPECT_EQ(moved.view(), "hunter2");
  EXPECT_TRUE(secret.empty());
  EXPECT_EQ(secret.view(), "");
  moved.wipe();
  // The allocation is kept, so that what was there can be looked at.
  EXPECT_EQ(std::string(where, 7), std::string(7, '\0'));
  EXPECT_TRUE(moved.empty());
  EXPECT_TRUE(Secret("").empty());
}

}  // namespace
}  // namespace envgate::gateway
