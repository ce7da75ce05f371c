#include "base/ip.hpp"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace envgate {
namespace {

IpAddress ip(const char* text) { return IpAddress::parse(text).value(); }
Cidr cidr(const char* text) { return Cidr::parse(text).value(); }

TEST(IpAddress, ReadsAndWritesBothFamilies) {
  EXPECT_EQ(ip("192.168.1.101").to_string(), "192.168.1.101");
  EXPECT_TRUE(ip("192.168.1.101").is_v4());
  EXPECT_EQ(ip("2001:DB8::1").to_string(), "2001:db8::1");
  EXPECT_FALSE(ip("2001:db8::1").is_v4());
  EXPECT_EQ(IpAddress().to_string(), "::");
  EXPECT_EQ(IpAddress::v4(0x0a000001), ip("10.0.0.1"));
}

TEST(IpAddress, AMappedLiteralIsTheIpv4Address) {
  EXPECT_EQ(ip("::ffff:127.0.0.1"), ip("127.0.0.1"));
  EXPECT_TRUE(ip("::ffff:7f00:1").is_v4());
  EXPECT_NE(ip("::127.0.0.1"), ip("127.0.0.1"));  // the deprecated "compatible" form is another address
}

TEST(IpAddress, RefusesEverythingElse) {
  for (const char* text : {"", "localhost", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ", " 1.2.3.4",
                           "01.2.3.4", "0x7f.1", "127.1", "2130706433", "[::1]", "fe80::1%eth0",
                           "::1::", "1.2.3.4:80", "1111:2222:3333:4444:5555:6666:7777:8888:9999"})
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0x", 9)));
  EXPECT_FALSE(IpAddress::parse(std::string(1000, '1')));
}

TEST(Endpoint, ReadsHostAndPort) {
  EXPECT_EQ(Endpoint::parse("1.2.3.4:80").value(), (Endpoint{ip("1.2.3.4"), 80}));
  EXPECT_EQ(Endpoint::parse("[::1]:443").value(), (Endpoint{ip("::1"), 443}));
  EXPECT_EQ(Endpoint::parse(":80").value(), (Endpoint{IpAddress(), 80}));
  EXPECT_EQ(Endpoint::parse("*:80").value(), (Endpoint{IpAddress(), 80}));
  EXPECT_EQ(Endpoint::parse("127.0.0.1:0")->port, 0);
  EXPECT_EQ(Endpoint::parse("[::1]:443")->to_string(), "[::1]:443");
  EXPECT_EQ(Endpoint::parse("1.2.3.4:80")->to_string(), "1.2.3.4:80");
}

TEST(Endpoint, RefusesTheRest) {
  for (const char* text : {"", "80", "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1", "1.2.3.4:8 0",
                           "::1:443", "localhost:80", "[::1]", "[]:80", "[::1:80"})
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  EXPECT_NE(Endpoint::parse("::1:443").error().message.find("brackets"), std::string::npos);
}

TEST(Endpoint, SurvivesTheKernelsForm) {
  sockaddr_storage storage;
  for (const char* text : {"1.2.3.4:80", "[2001:db8::1]:443", "[::]:0"}) {
    const Endpoint endpoint = Endpoint::parse(text).value();
    const unsigned length = endpoint.to_sockaddr(storage);
    EXPECT_EQ(length, endpoint.address.is_v4() ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
    EXPECT_EQ(Endpoint::from_sockaddr(storage), endpoint) << text;
  }
}

TEST(Endpoint, AMappedPeerOfADualStackSocketIsIpv4) {
  sockaddr_storage storage{};
  auto& in = reinterpret_cast<sockaddr_in6&>(storage);
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(22);
  std::copy_n(ip("10.1.2.3").bytes().data(), 16, in.sin6_addr.s6_addr);
  EXPECT_EQ(Endpoint::from_sockaddr(storage).to_string(), "10.1.2.3:22");
}

TEST(Cidr, ContainsByPrefix) {
  EXPECT_TRUE(cidr("10.0.0.0/8").contains(ip("10.255.255.255")));
  EXPECT_FALSE(cidr("10.0.0.0/8").contains(ip("11.0.0.0")));
  EXPECT_TRUE(cidr("172.16.0.0/12").contains(ip("172.31.255.255")));
  EXPECT_FALSE(cidr("172.16.0.0/12").contains(ip("172.32.0.0")));
  EXPECT_TRUE(cidr("192.168.1.1").contains(ip("192.168.1.1")));
  EXPECT_FALSE(cidr("192.168.1.1").contains(ip("192.168.1.0")));
  EXPECT_TRUE(cidr("2001:db8::/33").contains(ip("2001:db8:7fff::")));
  EXPECT_FALSE(cidr("2001:db8::/33").contains(ip("2001:db8:8000::")));
}

TEST(Cidr, TheFamiliesDoNotMix) {
  EXPECT_TRUE(cidr("0.0.0.0/0").contains(ip("8.8.8.8")));
  EXPECT_FALSE(cidr("0.0.0.0/0").contains(ip("2001:db8::1")));
  EXPECT_TRUE(cidr("127.0.0.0/8").contains(ip("::ffff:127.0.0.1")));
  EXPECT_FALSE(cidr("fc00::/7").contains(ip("10.0.0.1")));
}

TEST(Cidr, WritesWhatItReads) {
  for (const char* text :
       {"10.0.0.0/8", "0.0.0.0/0", "1.2.3.4/32", "fc00::/7", "2001:db8::/33", "::1/128", "::/0"})
    EXPECT_EQ(cidr(text).to_string(), text);
  EXPECT_EQ(cidr("1.2.3.4").to_string(), "1.2.3.4/32");
}

TEST(Cidr, RefusesHostBitsAndBadPrefixes) {
  for (const char* text : {"", "/8", "10.0.0.1/8", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/-1", "10.0.0.0/8x",
                           "10.0.0.0/8/8", "fc00::1/7", "fc00::/129", "10/8"})
    EXPECT_FALSE(Cidr::parse(text)) << text;
  EXPECT_NE(Cidr::parse("10.0.0.1/8").error().message.find("host bits"), std::string::npos);
}

TEST(Cidr, AnyContains) {
  const std::vector<Cidr> networks = {cidr("10.0.0.0/8"), cidr("fd00::/8")};
  EXPECT_TRUE(any_contains(networks, ip("fd00::1")));
  EXPECT_FALSE(any_contains(networks, ip("192.168.0.1")));
  EXPECT_FALSE(any_contains({}, ip("10.0.0.1")));
}

}  // namespace
}  // namespace envgate
