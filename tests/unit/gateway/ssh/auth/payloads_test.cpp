#include "gateway/ssh/auth/payloads.hpp"

#include <gtest/gtest.h>

#include "gateway/ssh/auth/wire.hpp"
#include "material.hpp"

namespace envgate::ssh::auth {
namespace {

using namespace std::string_literals;
using test::unhex;

TEST(Payloads, FailureListsTheMethods) {
  constexpr std::string_view kMethods[] = {"publickey", "password"};
  EXPECT_EQ(failure_payload(kMethods, false), unhex("33 00000012") + "publickey,password" + unhex("00"));
  EXPECT_EQ(failure_payload({}, true), unhex("33 00000000 01"));
}

TEST(Payloads, PkOkRepeatsTheKey) {
  EXPECT_EQ(pk_ok_payload("ssh-ed25519", "blob"),
            unhex("3c 0000000b") + "ssh-ed25519" + unhex("00000004") + "blob");
}

TEST(Payloads, InfoRequestHasOnePromptWithoutEcho) {
  EXPECT_EQ(info_request_payload("Password: "),
            unhex("3c 00000000 00000000 00000000 00000001 0000000a") + "Password: " + unhex("00"));
}

std::string banner(std::string_view text) {
  const std::string payload = banner_payload(text);
  Reader reader(payload);
  std::uint8_t type = 0;
  std::string_view shown, language;
  EXPECT_TRUE(reader.byte(type) && reader.string(shown) && reader.string(language) && reader.at_end());
  EXPECT_EQ(type, 53);
  EXPECT_EQ(language, "");
  return std::string(shown);
}

TEST(Payloads, BannerIsMadeFitToBeShown) {
  EXPECT_EQ(banner(""), "");
  EXPECT_EQ(banner("Welcome\nto \xc3\xa9nvgate\r\n"), "Welcome\r\nto \xc3\xa9nvgate\r\n");
  EXPECT_EQ(banner("a\x1b[2J\tb\rc\0d\xff\xc2\x9b"s), "a?[2J\tb?c?d??");
}

TEST(Payloads, BannerIsCutAtACharacter) {
  EXPECT_EQ(banner(std::string(5000, 'a')), std::string(4096, 'a'));
  EXPECT_EQ(banner(std::string(4095, 'a') + "\xc3\xa9"), std::string(4095, 'a'));
  EXPECT_EQ(banner(std::string(4095, 'a') + "\n"), std::string(4095, 'a'));
}

}  // namespace
}  // namespace envgate::ssh::auth
