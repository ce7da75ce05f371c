#include "control/secrets/totp.hpp"

#include <gtest/gtest.h>

namespace envgate::control::secrets {
namespace {

// "12345678901234567890", the key of RFC 6238, appendix B.
const backends::Secret kRfc("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");

TEST(Totp, TheTestVectorsOfTheRfc) {
  // The last 6 of its 8 digits.
  for (const auto& [seconds, code] :
       {std::pair{59ULL, "287082"}, std::pair{1111111109ULL, "081804"}, std::pair{1111111111ULL, "050471"},
        std::pair{1234567890ULL, "005924"}, std::pair{2000000000ULL, "279037"},
        std::pair{20000000000ULL, "353130"}})
    EXPECT_EQ(totp_code(kRfc, seconds / 30), code) << seconds;
}

TEST(Totp, OneStepEitherWayAndNoFurther) {
  const std::uint64_t now = 1000;
  for (const std::uint64_t step : {999, 1000, 1001})
    EXPECT_EQ(totp_step(kRfc, *totp_code(kRfc, step), now, 0), step);
  EXPECT_FALSE(totp_step(kRfc, *totp_code(kRfc, 998), now, 0));
  EXPECT_FALSE(totp_step(kRfc, *totp_code(kRfc, 1002), now, 0));
}

TEST(Totp, ACodeIsGoodOnceAndNoneBeforeItLater) {
  EXPECT_FALSE(totp_step(kRfc, *totp_code(kRfc, 1000), 1000, 1000));
  EXPECT_FALSE(totp_step(kRfc, *totp_code(kRfc, 999), 1000, 1000));
  EXPECT_EQ(totp_step(kRfc, *totp_code(kRfc, 1001), 1000, 1000), 1001u);
}

TEST(Totp, WhatIsNoCodeIsRefused) {
  for (const char* bad : {"", "1", "28708", "2870820", "abcdef"})
    EXPECT_FALSE(totp_step(kRfc, bad, 1, 0)) << bad;
  EXPECT_FALSE(totp_code(backends::Secret("not base32!"), 1));
  EXPECT_FALSE(totp_code(backends::Secret(""), 1));
}

TEST(Totp, ASecretIsLongAndItsUriIsRead) {
  const backends::Secret secret = make_totp_secret();
  EXPECT_EQ(secret.reveal().size(), 32u);
  EXPECT_NE(secret.reveal(), make_totp_secret().reveal());
  EXPECT_TRUE(totp_code(secret, 1));
  EXPECT_EQ(totp_uri(secret, "x-gpu.com", "ada b"),
            "otpauth://totp/x-gpu.com:ada%20b?secret=" + secret.reveal() +
                "&issuer=x-gpu.com&algorithm=SHA1&digits=6&period=30");
}

}  // namespace
}  // namespace envgate::control::secrets
