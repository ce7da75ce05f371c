#include "backends/docker/names.hpp"

#include <gtest/gtest.h>

#include "fixtures.hpp"

namespace envgate::backends::docker {
namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

TEST(Names, FollowFromInstallEnvironmentAndOwner) {
  EXPECT_EQ(container_name("test", demo()), "envgate-test-demo");
  EXPECT_EQ(volume_name("test", demo(), "data"), "envgate-test-demo-data");
  EXPECT_EQ(network_name("test", "alice"), "envgate-test.owner-alice");
}

TEST(Names, InstallsOwnersUsers) {
  EXPECT_TRUE(valid_install("a1"));
  for (const char* bad : {"", "A", "a-b", "a.b", "12345678901234567"})
    EXPECT_FALSE(valid_install(bad)) << bad;
  EXPECT_TRUE(valid_owner("alice.b-c_d"));
  for (const char* bad : {"", "-a", ".a", "a/b", "A", "a b"}) EXPECT_FALSE(valid_owner(bad)) << bad;
  EXPECT_TRUE(valid_user("_svc-1"));
  for (const char* bad : {"", "1a", "-a", "a:b", "a\nb", "$1"}) EXPECT_FALSE(valid_user(bad)) << bad;
}

TEST(ImageNames, AreTakenApart) {
  const auto plain = ImageName::parse("debian");
  ASSERT_TRUE(plain);
  EXPECT_EQ(plain->registry, "");
  EXPECT_EQ(plain->full(), "debian:latest");

  const auto tagged = ImageName::parse("localhost:5000/group/app:v1.2");
  ASSERT_TRUE(tagged);
  EXPECT_EQ(tagged->registry, "localhost:5000");
  EXPECT_EQ(tagged->repository, "localhost:5000/group/app");
  EXPECT_EQ(tagged->version(), "v1.2");

  const auto pinned = ImageName::parse("group/app@" + kDigest);
  ASSERT_TRUE(pinned);
  EXPECT_EQ(pinned->registry, "");
  EXPECT_EQ(pinned->tag, "");
  EXPECT_EQ(pinned->full(), "group/app@" + kDigest);
  EXPECT_EQ(ImageName::parse("app:1@" + kDigest)->version(), kDigest);
}

TEST(ImageNames, BadOnes) {
  const std::string bad[] = {"",
                             "App",
                             "a b",
                             "a//b",
                             "/a",
                             "a/",
                             "a:",
                             "a:-x",
                             "a@sha256:12",
                             "a@md5:" + std::string(64, 'a'),
                             "a;reboot",
                             "../a",
                             "host:99999/a",
                             "a?x=1",
                             "a#b",
                             "a%2f",
                             "a:b:c",
                             "-a.b/c",
                             std::string(513, 'a'),
                             "a@" + kDigest + "0",
                             "a/../b"};
  for (const std::string& name : bad) EXPECT_FALSE(ImageName::parse(name)) << name;
}

TEST(Encodings, PercentAndBase64) {
  EXPECT_EQ(percent_encode("a/b:c {\"x\"}"), "a%2Fb%3Ac%20%7B%22x%22%7D");
  EXPECT_EQ(base64url(""), "");
  EXPECT_EQ(base64url("f"), "Zg==");
  EXPECT_EQ(base64url("fo"), "Zm8=");
  EXPECT_EQ(base64url("foo"), "Zm9v");
  EXPECT_EQ(base64url("\xfb\xff"), "-_8=");
}

}  // namespace
}  // namespace envgate::backends::docker
