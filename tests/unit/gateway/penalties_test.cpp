#include "gateway/penalties.hpp"

#include <gtest/gtest.h>

namespace envgate::gateway {
namespace {

using std::chrono::seconds;

IpAddress ip(const std::string& text) { return *IpAddress::parse(text); }
const Penalties::Clock::time_point kNow{seconds(1000)};

TEST(Penalties, NothingIsRefusedBeforeTheLeast) {
  Penalties penalties({});
  penalties.add(ip("10.0.0.1"), Offence::authfail, kNow);
  penalties.add(ip("10.0.0.1"), Offence::authfail, kNow);
  EXPECT_FALSE(penalties.refuses(ip("10.0.0.1"), kNow));
  penalties.add(ip("10.0.0.1"), Offence::authfail, kNow);
  EXPECT_TRUE(penalties.refuses(ip("10.0.0.1"), kNow));
  EXPECT_FALSE(penalties.refuses(ip("10.0.0.2"), kNow));
  EXPECT_EQ(penalties.counts().refused, 1u);
  EXPECT_EQ(penalties.counts().offences[static_cast<std::size_t>(Offence::authfail)], 3u);
}

// Once it is refused it is refused to the end, not until fewer than `min` seconds are left.
TEST(Penalties, TheyEndWithTime) {
  Penalties penalties({});
  for (int i = 0; i < 3; ++i) penalties.add(ip("10.0.0.1"), Offence::authfail, kNow);
  EXPECT_TRUE(penalties.refuses(ip("10.0.0.1"), kNow + seconds(14)));
  penalties.add(ip("10.0.0.1"), Offence::noauth, kNow + seconds(14));
  EXPECT_TRUE(penalties.refuses(ip("10.0.0.1"), kNow + seconds(15)));
  EXPECT_FALSE(penalties.refuses(ip("10.0.0.1"), kNow + seconds(16)));
  EXPECT_EQ(penalties.tracked(), 0u);
}

TEST(Penalties, WhatHasPassedIsNotHeldAgainstIt) {
  Penalties penalties({});
  for (int i = 0; i < 10; ++i) {
    penalties.add(ip("10.0.0.1"), Offence::authfail, kNow + seconds(5 * i));
    EXPECT_FALSE(penalties.refuses(ip("10.0.0.1"), kNow + seconds(5 * i)));
  }
}

TEST(Penalties, EachOffenceHasItsOwn) {
  const std::pair<Offence, int> kDefaults[] = {{Offence::crash, 90},
                                               {Offence::authfail, 5},
                                               {Offence::invaliduser, 5},
                                               {Offence::noauth, 1},
                                               {Offence::grace_exceeded, 10}};
  for (const auto& [offence, length] : kDefaults) {
    Penalties penalties({.min = seconds(0)});
    penalties.add(ip("10.0.0.1"), offence, kNow);
    EXPECT_TRUE(penalties.refuses(ip("10.0.0.1"), kNow + seconds(length - 1))) << to_string(offence);
    EXPECT_FALSE(penalties.refuses(ip("10.0.0.1"), kNow + seconds(length))) << to_string(offence);
  }
}

TEST(Penalties, TheyAddUpToTheMost) {
  Penalties penalties({});
  for (int i = 0; i < 100; ++i) penalties.add(ip("10.0.0.1"), Offence::crash, kNow);
  EXPECT_TRUE(penalties.refuses(ip("10.0.0.1"), kNow + seconds(599)));
  EXPECT_FALSE(penalties.refuses(ip("10.0.0.1"), kNow + seconds(600)));
}

TEST(Penalties, AnIpv6SourceIsItsSlash64) {
  Penalties penalties({});
  penalties.add(ip("2001:db8::1"), Offence::crash, kNow);
  EXPECT_TRUE(penalties.refuses(ip("2001:db8::ffff:2"), kNow));
  EXPECT_FALSE(penalties.refuses(ip("2001:db8:0:1::1"), kNow));
  penalties.add(ip("10.0.0.1"), Offence::crash, kNow);
  EXPECT_TRUE(penalties.refuses(ip("::ffff:10.0.0.1"), kNow));
}

TEST(Penalties, TheExemptAreNeverRefused) {
  Penalties penalties({.exempt = {*Cidr::parse("10.0.0.0/8")}});
  penalties.add(ip("10.0.0.1"), Offence::crash, kNow);
  penalties.add(ip("11.0.0.1"), Offence::crash, kNow);
  EXPECT_FALSE(penalties.refuses(ip("10.0.0.1"), kNow));
  EXPECT_TRUE(penalties.refuses(ip("11.0.0.1"), kNow));
  EXPECT_EQ(penalties.tracked(), 1u);
  // Who becomes exempt is let in at once.
  penalties.set({.exempt = {*Cidr::parse("11.0.0.0/8")}});
  EXPECT_FALSE(penalties.refuses(ip("11.0.0.1"), kNow));
}

TEST(Penalties, TheTableIsBoundedAndForgetsWhoEndsFirst) {
  Penalties penalties({.sources = 2});
  penalties.add(ip("10.0.0.1"), Offence::crash, kNow);
  penalties.add(ip("10.0.0.1"), Offence::crash, kNow);
  penalties.add(ip("10.0.0.2"), Offence::crash, kNow);
  penalties.add(ip("10.0.0.2"), Offence::noauth, kNow);  // one that is there makes nobody leave
  EXPECT_EQ(penalties.counts().evicted, 0u);
  penalties.add(ip("10.0.0.3"), Offence::crash, kNow);
  EXPECT_EQ(penalties.tracked(), 2u);
  EXPECT_EQ(penalties.counts().evicted, 1u);
  EXPECT_TRUE(penalties.refuses(ip("10.0.0.1"), kNow));
  EXPECT_FALSE(penalties.refuses(ip("10.0.0.2"), kNow));
  EXPECT_TRUE(penalties.refuses(ip("10.0.0.3"), kNow));
  penalties.set({.sources = 0});
  EXPECT_EQ(penalties.tracked(), 0u);
  penalties.add(ip("10.0.0.1"), Offence::crash, kNow);
  EXPECT_FALSE(penalties.refuses(ip("10.0.0.1"), kNow));
}

TEST(Penalties, AnOffenceMayBeFree) {
  Penalties penalties({.noauth = seconds(0), .min = seconds(0)});
  penalties.add(ip("10.0.0.1"), Offence::noauth, kNow);
  EXPECT_FALSE(penalties.refuses(ip("10.0.0.1"), kNow));
  EXPECT_EQ(penalties.tracked(), 0u);
}

}  // namespace
}  // namespace envgate::gateway
