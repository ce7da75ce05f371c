#include "control/secrets/verifier.hpp"

#include <gtest/gtest.h>

namespace envgate::control::secrets {
namespace {

TEST(Verifier, KnowsItsPasswordAndNoOther) {
  const backends::Secret password("Correct-horse-1");
  const auto verifier = make_verifier(password);
  ASSERT_TRUE(verifier) << verifier.error().message;
  EXPECT_TRUE(verifier->starts_with("$y$"));
  EXPECT_TRUE(verifies(*verifier, password));
  EXPECT_FALSE(verifies(*verifier, backends::Secret("Correct-horse-2")));
  EXPECT_FALSE(verifies(*verifier, backends::Secret("")));
  EXPECT_FALSE(verifies("", password));
  EXPECT_FALSE(verifies("*", password));
}

TEST(Verifier, IsSaltedAnewEachTime) {
  const backends::Secret password("Correct-horse-1");
  EXPECT_NE(make_verifier(password).value(), make_verifier(password).value());
}

}  // namespace
}  // namespace envgate::control::secrets
