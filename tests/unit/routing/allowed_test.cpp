#include "routing/allowed.hpp"

#include <gtest/gtest.h>

namespace envgate::routing {
namespace {

IpAddress address(const char* text) { return *IpAddress::parse(text); }
std::vector<Cidr> networks(std::initializer_list<const char*> texts) {
  std::vector<Cidr> list;
  for (const char* text : texts) list.push_back(*Cidr::parse(text));
  return list;
}

const std::vector<IpAddress> kOwn = {address("10.9.9.9")};

TEST(AllowedTargets, ByDefaultPrivateNetworksOnly) {
  const AllowedTargets allowed(AllowedTargets::defaults(), kOwn);
  for (const char* good :
       {"10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.101", "100.64.0.1", "fd00::1"}) {
    EXPECT_TRUE(allowed.check(address(good))) << good;
  }
  for (const char* bad :
       {"8.8.8.8", "172.32.0.1", "100.128.0.1", "2001:db8::1", "127.0.0.1", "::1", "0.0.0.0",
        "::", "169.254.1.1", "169.254.169.254", "fd00:ec2::254", "100.100.100.200", "fe80::1", "224.0.0.1",
        "ff02::1", "255.255.255.255", "::ffff:127.0.0.1", "10.9.9.9", "0.1.2.3"}) {
    EXPECT_FALSE(allowed.check(address(bad))) << bad;
  }
}

TEST(AllowedTargets, SpecialAddressesMustBeNamed) {
  const AllowedTargets everything(networks({"0.0.0.0/0", "::/0"}), kOwn);
  EXPECT_TRUE(everything.check(address("8.8.8.8")));
  EXPECT_TRUE(everything.check(address("2001:db8::1")));
  for (const char* bad : {"127.0.0.1", "::1", "169.254.169.254", "169.254.0.1", "fd00:ec2::254", "224.1.1.1",
                          "0.0.0.0", "10.9.9.9"}) {
    EXPECT_FALSE(everything.check(address(bad))) << bad;
  }
  const AllowedTargets named(networks({"127.0.0.0/8", "10.9.9.9", "169.254.0.0/16", "169.254.169.254"}),
                             kOwn);
  for (const char* good : {"127.0.0.1", "127.1.2.3", "10.9.9.9", "169.254.3.3", "169.254.169.254"}) {
    EXPECT_TRUE(named.check(address(good))) << good;
  }
  EXPECT_FALSE(named.check(address("10.0.0.1")));
  // A link-local network does not name the metadata server in it, nor 10/8 the gateway's own address.
  EXPECT_FALSE(AllowedTargets(networks({"169.254.0.0/16"}), kOwn).check(address("169.254.169.254")));
  EXPECT_FALSE(AllowedTargets(networks({"10.9.9.0/24"}), kOwn).check(address("10.9.9.9")));
}

TEST(AllowedTargets, SayWhatToDo) {
  const AllowedTargets allowed(AllowedTargets::defaults(), kOwn);
  EXPECT_EQ(allowed.check(address("127.0.0.1")).error().message,
            "address 127.0.0.1 is a loopback address; to allow it, list 127.0.0.1 (or its network) in "
            "routes.allowed_targets");
  EXPECT_NE(allowed.check(address("8.8.8.8")).error().message.find("in none of the networks"),
            std::string::npos);
}

TEST(AllowedTargets, OwnAddressesAreWithoutLoopback) {
  for (const IpAddress& own : AllowedTargets::own_addresses()) {
    EXPECT_NE(own.to_string(), "127.0.0.1");
    EXPECT_NE(own.to_string(), "::1");
    EXPECT_FALSE(AllowedTargets().check(own)) << own.to_string();
  }
}

}  // namespace
}  // namespace envgate::routing
