#include "base/metrics.hpp"

#include <gmock/gmock.h>

#include <algorithm>
#include <thread>

namespace envgate::metrics {
namespace {

using testing::HasSubstr;

TEST(Counter, SumsEveryThread) {
  Counter& c = counter("test_events_total", "Events.");
  const std::uint64_t before = c.value();
  std::vector<std::thread> threads;
  for (int i = 0; i < 12; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) c.add();
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(c.value() - before, 12'000u);
}

TEST(Counter, TheSameNameAndLabelsAreTheSameMetric) {
  Counter& a = counter("test_refused_total", "Refused.", {{"reason", "banner"}});
  Counter& b = counter("test_refused_total", "Refused.", {{"reason", "banner"}});
  Counter& other = counter("test_refused_total", "Refused.", {{"reason", "rate"}});
  EXPECT_EQ(&a, &b);
  EXPECT_NE(&a, &other);
  a.add(3);
  const std::string text = exposition();
  EXPECT_THAT(text, HasSubstr("# HELP test_refused_total Refused.\n# TYPE test_refused_total counter\n"));
  EXPECT_THAT(text, HasSubstr("test_refused_total{reason=\"banner\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("test_refused_total{reason=\"rate\"} 0\n"));
}

TEST(CounterDeathTest, OneNameHasOneType) {
  counter("test_typed_total", "Once.");
  EXPECT_DEATH(gauge("test_typed_total", "Twice."), "CHECK");
}

TEST(Gauge, GoesUpAndDownAndBelowZero) {
  Gauge& g = gauge("test_open", "Open.");
  g.set(5);
  g.add(-7);
  EXPECT_EQ(g.value(), -2);
  EXPECT_THAT(exposition(), HasSubstr("# TYPE test_open gauge\ntest_open -2\n"));
}

TEST(Gauge, AFunctionIsAskedAtEachScrape) {
  int asked = 0;
  gauge_function("test_age_seconds", "Age.", [&asked] { return ++asked + 0.5; });
  EXPECT_EQ(asked, 0);
  EXPECT_THAT(exposition(), HasSubstr("test_age_seconds 1.5\n"));
  EXPECT_THAT(exposition(), HasSubstr("test_age_seconds 2.5\n"));
  gauge_function("test_age_seconds", "Age.", [] { return 0.0; });  // nothing refers to `asked` from here on
}

TEST(Histogram, BucketsAreCumulativeAndIncludeTheirBound) {
  Histogram& h = histogram("test_seconds", "Latency.", {0.1, 1, 10}, {{"way", "in"}});
  for (const double seconds : {0.05, 0.1, 0.5, 1.0, 5.0, 50.0}) h.observe(seconds);
  EXPECT_EQ(h.count(), 6u);
  const std::string text = exposition();
  EXPECT_THAT(text, HasSubstr("test_seconds_bucket{way=\"in\",le=\"0.1\"} 2\n"
                              "test_seconds_bucket{way=\"in\",le=\"1\"} 4\n"
                              "test_seconds_bucket{way=\"in\",le=\"10\"} 5\n"
                              "test_seconds_bucket{way=\"in\",le=\"+Inf\"} 6\n"
                              "test_seconds_sum{way=\"in\"} 56.65\n"
                              "test_seconds_count{way=\"in\"} 6\n"));
}

TEST(Histogram, ANegativeTimeCountsAsNone) {
  Histogram h({1});
  h.observe(-3);
  std::string out;
  h.write(out, "x", "");
  EXPECT_THAT(out, HasSubstr("x_bucket{le=\"1\"} 1\n"));
  EXPECT_THAT(out, HasSubstr("x_sum 0\n"));
}

TEST(Histogram, LatencyBoundsAscend) {
  const auto bounds = latency_bounds();
  ASSERT_GE(bounds.size(), 2u);
  EXPECT_TRUE(std::is_sorted(bounds.begin(), bounds.end()));
}

// The text format: '\', '"' and line feeds are escaped in label values.
TEST(Exposition, EscapesLabelValues) {
  counter("test_escaped_total", "Escaped.", {{"v", "a\\b\"c\nd"}}).add();
  EXPECT_THAT(exposition(), HasSubstr("test_escaped_total{v=\"a\\\\b\\\"c\\nd\"} 1\n"));
}

TEST(Exposition, EachFamilyIsDeclaredOnce) {
  counter("test_once_total", "Once.", {{"a", "1"}});
  counter("test_once_total", "Once.", {{"a", "2"}});
  const std::string text = exposition();
  const auto first = text.find("# TYPE test_once_total");
  ASSERT_NE(first, std::string::npos);
  EXPECT_EQ(text.find("# TYPE test_once_total", first + 1), std::string::npos);
  EXPECT_EQ(text.back(), '\n');
}

TEST(Shard, IsFixedForAThreadAndInRange) {
  EXPECT_EQ(this_shard(), this_shard());
  EXPECT_LT(this_shard(), kShards);
}

}  // namespace
}  // namespace envgate::metrics
