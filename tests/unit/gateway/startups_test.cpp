#include "gateway/startups.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace envgate::gateway {
namespace {

using Verdict = Startups::Verdict;

IpAddress ip(const std::string& text) { return *IpAddress::parse(text); }

std::vector<StartupPlace> fill(Startups& startups, unsigned count) {
  std::vector<StartupPlace> places(count);
  for (unsigned i = 0; i < count; ++i)
    EXPECT_EQ(startups.enter(ip("10.0.0." + std::to_string(i % 250)), 99, places[i]), Verdict::admitted);
  return places;
}

TEST(Startups, NobodyIsRefusedBelowTheStart) {
  Startups startups({.start = 2, .rate = 100, .full = 4});
  StartupPlace a, b, c;
  EXPECT_EQ(startups.enter(ip("10.0.0.1"), 0, a), Verdict::admitted);
  EXPECT_EQ(startups.enter(ip("10.0.0.1"), 0, b), Verdict::admitted);
  EXPECT_EQ(startups.enter(ip("10.0.0.1"), 99, c), Verdict::early_drop);
  EXPECT_FALSE(c.held());
  EXPECT_EQ(startups.waiting(), 2u);
}

// sshd_config(5): refused with a probability of rate/100 from start on, in a straight line to full.
TEST(Startups, TheChanceGrowsInAStraightLine) {
  Startups startups({.start = 10, .rate = 30, .full = 100});
  std::vector<StartupPlace> places = fill(startups, 10);
  const auto percent = [&] {  // of 100 chances, those that are refused
    unsigned refused = 0;
    for (unsigned chance = 0; chance < 100; ++chance) {
      StartupPlace place;
      refused += startups.enter(ip("10.1.0.1"), chance, place) == Verdict::early_drop;
    }
    return refused;
  };
  EXPECT_EQ(percent(), 30u);
  for (int i = 0; i < 45; ++i) startups.enter(ip("10.0.1.1"), 99, places.emplace_back());
  ASSERT_EQ(startups.waiting(), 55u);
  EXPECT_EQ(percent(), 65u);
  for (int i = 0; i < 44; ++i) startups.enter(ip("10.0.1.1"), 99, places.emplace_back());
  ASSERT_EQ(startups.waiting(), 99u);
  EXPECT_EQ(percent(), 99u);
  startups.enter(ip("10.0.1.1"), 99, places.emplace_back());
  StartupPlace place;
  EXPECT_EQ(startups.enter(ip("10.0.1.1"), 99, place), Verdict::full);
  EXPECT_FALSE(place.held());
}

TEST(Startups, APlaceIsGivenBackOnce) {
  Startups startups({.start = 1, .rate = 0, .full = 1});
  StartupPlace a, b;
  EXPECT_EQ(startups.enter(ip("10.0.0.1"), 0, a), Verdict::admitted);
  EXPECT_EQ(startups.enter(ip("10.0.0.1"), 0, b), Verdict::full);
  b = std::move(a);
  EXPECT_FALSE(a.held());
  EXPECT_TRUE(b.held());
  EXPECT_EQ(startups.waiting(), 1u);
  b.release();
  b.release();
  EXPECT_EQ(startups.waiting(), 0u);
  EXPECT_EQ(startups.enter(ip("10.0.0.1"), 0, a), Verdict::admitted);
  { const StartupPlace gone = std::move(a); }
  EXPECT_EQ(startups.waiting(), 0u);
}

TEST(Startups, APlaceThatIsTakenAnewGivesBackTheOld) {
  Startups startups({});
  StartupPlace place;
  EXPECT_EQ(startups.enter(ip("10.0.0.1"), 0, place), Verdict::admitted);
  EXPECT_EQ(startups.enter(ip("10.0.0.2"), 0, place), Verdict::admitted);
  EXPECT_EQ(startups.waiting(), 1u);
}

TEST(Startups, OneSourceHasItsOwnLimit) {
  Startups startups({.per_source = 1});
  StartupPlace a, b, c, d;
  EXPECT_EQ(startups.enter(ip("2001:db8::1"), 0, a), Verdict::admitted);
  EXPECT_EQ(startups.enter(ip("2001:db8::2"), 0, b), Verdict::source);
  EXPECT_EQ(startups.enter(ip("2001:db8:0:1::1"), 0, c), Verdict::admitted);
  a.release();
  EXPECT_EQ(startups.enter(ip("2001:db8::2"), 0, b), Verdict::admitted);
  EXPECT_EQ(startups.enter(ip("10.0.0.1"), 0, d), Verdict::admitted);
}

TEST(Startups, Counts) {
  Startups startups({.start = 1, .rate = 50, .full = 2, .per_source = 1});
  StartupPlace a, b, c;
  startups.enter(ip("10.0.0.1"), 0, a);
  startups.enter(ip("10.0.0.1"), 0, b);
  startups.enter(ip("10.0.0.2"), 49, b);
  startups.enter(ip("10.0.0.2"), 50, b);
  startups.enter(ip("10.0.0.3"), 99, c);
  const Startups::Counts counts = startups.counts();
  EXPECT_EQ(counts.admitted, 2u);
  EXPECT_EQ(counts.source, 1u);
  EXPECT_EQ(counts.early_drop, 1u);
  EXPECT_EQ(counts.full, 1u);
}

TEST(Startups, LimitsThatMakeNoSense) {
  Startups startups({.start = 5, .rate = 1000, .full = 2});
  StartupPlace a, b, c;
  EXPECT_EQ(startups.enter(ip("10.0.0.1"), 0, a), Verdict::admitted);
  EXPECT_EQ(startups.enter(ip("10.0.0.1"), 0, b), Verdict::admitted);
  EXPECT_EQ(startups.enter(ip("10.0.0.1"), 0, c), Verdict::full);
  startups.set({.start = 0, .rate = 0, .full = 0});
  EXPECT_EQ(startups.enter(ip("10.0.0.1"), 99, c), Verdict::full);
}

}  // namespace
}  // namespace envgate::gateway
