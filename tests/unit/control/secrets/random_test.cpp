#include "control/secrets/random.hpp"

#include <gtest/gtest.h>

namespace envgate::control::secrets {
namespace {

TEST(PasswordPolicy, WhatItMakesPassesAndIsLong) {
  const PasswordPolicy policy;
  for (int i = 0; i < 500; ++i) {
    const std::string password = policy.make();
    EXPECT_EQ(password.size(), 32u);
    EXPECT_TRUE(policy.check(password)) << password;
  }
}

TEST(PasswordPolicy, RefusesShortOnesAndMissingClasses) {
  const PasswordPolicy policy;
  EXPECT_TRUE(policy.check("abcDEF123-xy"));
  for (const char* bad :
       {"", "abDE12-xyz9", "abcdef123-xyz", "ABCDEF123-XYZ", "abcDEFghi-xyz", "abcDEF123xyz"})
    EXPECT_FALSE(policy.check(bad)) << bad;
}

TEST(Ids, AreSixteenOfTheAlphabetAndDiffer) {
  const std::string id = make_id();
  EXPECT_EQ(id.size(), 16u);
  EXPECT_EQ(id.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789"), std::string::npos);
  EXPECT_NE(id, make_id());
}

}  // namespace
}  // namespace envgate::control::secrets
