#include "gateway/relay/throttle.hpp"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace envgate::relay {
namespace {

using std::chrono::milliseconds;

const loop::Time kNow = loop::Time(std::chrono::hours(1));

TEST(Bandwidth, AQuarterOfASecondGoesAtOnceAndTheRestAtTheRate) {
  Bandwidth bandwidth;
  EXPECT_LE(bandwidth.take(true, 250, 1000, kNow), kNow);
  EXPECT_EQ(bandwidth.take(true, 100, 1000, kNow), kNow + milliseconds(100));
  EXPECT_EQ(bandwidth.take(true, 100, 1000, kNow), kNow + milliseconds(200));
  EXPECT_EQ(bandwidth.take(true, 100, 1000, kNow + milliseconds(200)), kNow + milliseconds(300));
}

TEST(Bandwidth, TheTwoWaysDoNotCountTogether) {
  Bandwidth bandwidth;
  EXPECT_GT(bandwidth.take(true, 1000, 1000, kNow), kNow);
  EXPECT_LE(bandwidth.take(false, 250, 1000, kNow), kNow);
}

TEST(Bandwidth, SilenceSavesUpNoMoreThanTheBurst) {
  Bandwidth bandwidth;
  bandwidth.take(true, 1000, 1000, kNow);
  const loop::Time later = kNow + std::chrono::hours(10);
  EXPECT_LE(bandwidth.take(true, 250, 1000, later), later);
  EXPECT_GT(bandwidth.take(true, 1, 1000, later), later);
}

TEST(Bandwidth, ManyThreadsShareOneRate) {
  Bandwidth bandwidth;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i)
    threads.emplace_back([&] {
      for (int n = 0; n < 10'000; ++n) bandwidth.take(true, 1, 1000, kNow);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(bandwidth.take(true, 0, 1000, kNow), kNow + std::chrono::seconds(40) - milliseconds(250));
}

TEST(Throttle, StepsAreShortOfTheirRate) {
  Throttle throttle{std::make_shared<Bandwidth>(), 1'600'000};
  EXPECT_EQ(throttle.step(1 << 20), 100'000u);
  EXPECT_EQ(throttle.step(17 * 1024), 17u * 1024);
  throttle.rate = 100;
  EXPECT_EQ(throttle.step(1 << 20), 1024u);
}

}  // namespace
}  // namespace envgate::relay
