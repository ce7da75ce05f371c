#include "gateway/ssh/auth/totp.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <string>

namespace envgate::ssh::auth {
namespace {

constexpr std::string_view kRfcSecret = "12345678901234567890";
constexpr std::string_view kRfcBase32 = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

std::chrono::sys_seconds at(std::int64_t seconds) {
  return std::chrono::sys_seconds(std::chrono::seconds(seconds));
}

// RFC 4226 appendix D.
TEST(Totp, CodesOfTheRfcByCounter) {
  constexpr std::uint32_t kCodes[] = {755224, 287082, 359152, 969429, 338314,
                                      254676, 287922, 162583, 399871, 520489};
  for (std::uint64_t step = 0; step < 10; ++step) EXPECT_EQ(totp_code(kRfcSecret, step), kCodes[step]);
}

// RFC 6238 appendix B, SHA-1: the last six of its eight digits.
TEST(Totp, CodesOfTheRfcByTime) {
  constexpr struct {
    std::int64_t time;
    std::string_view code;
  } kVectors[] = {{59, "287082"},         {1111111109, "081804"}, {1111111111, "050471"},
                  {1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"}};
  for (const auto& vector : kVectors)
    EXPECT_EQ(match_totp(kRfcSecret, vector.code, at(vector.time)),
              static_cast<std::uint64_t>(vector.time / 30))
        << vector.time;
}

TEST(Totp, OneStepEarlierOrLaterIsRight) {
  // 287082 is of step 1: seconds 30 to 59.
  EXPECT_EQ(match_totp(kRfcSecret, "287082", at(0)), 1u);
  EXPECT_EQ(match_totp(kRfcSecret, "287082", at(89)), 1u);
  EXPECT_EQ(match_totp(kRfcSecret, "287082", at(90)), std::nullopt);
  EXPECT_EQ(match_totp(kRfcSecret, "359152", at(29)), std::nullopt);
  EXPECT_EQ(match_totp(kRfcSecret, "359152", at(30)), 2u);
}

TEST(Totp, CodesAsTyped) {
  EXPECT_EQ(match_totp(kRfcSecret, " 287 082 ", at(59)), 1u);
  for (const std::string_view code :
       {"", "28708", "2870820", "28708a", "+87082", "287082\n", "94287082", "287083"})
    EXPECT_EQ(match_totp(kRfcSecret, code, at(59)), std::nullopt) << code;
}

TEST(Totp, SecretsInBase32) {
  for (const std::string_view text :
       {"GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", "gezd gnbv gy3t qojq gezd gnbv gy3t qojq",
        "GEZDGNBV-GY3TQOJQ-GEZDGNBV-GY3TQOJQ", "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ===="}) {
    const auto secret = parse_totp_secret(text);
    ASSERT_TRUE(secret) << text;
    EXPECT_EQ(secret->view(), kRfcSecret) << text;
  }
}

TEST(Totp, SecretsThatAreRefused) {
  const std::string rfc(kRfcBase32);
  for (const std::string& text : {std::string(), rfc + "1", rfc + "0", rfc + "!", rfc + "=A", rfc + "A",
                                  rfc + "AB", rfc.substr(0, 24), std::string(8 * 13, 'A')}) {
    const auto secret = parse_totp_secret(text);
    EXPECT_FALSE(secret) << text;
    if (!secret) {
      EXPECT_EQ(secret.error().message.find("GEZD"), std::string::npos) << "the message has the secret";
    }
  }
  // 16 bytes are 26 characters, whose last two bits are zero.
  EXPECT_TRUE(parse_totp_secret(rfc.substr(0, 24) + "AA"));
  EXPECT_FALSE(parse_totp_secret(rfc.substr(0, 24) + "AB"));
  EXPECT_TRUE(parse_totp_secret(std::string(102, 'A') + "A"));  // 64 bytes
}

}  // namespace
}  // namespace envgate::ssh::auth
