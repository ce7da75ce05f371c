#include "gateway/loop/timer_wheel.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <vector>

namespace envgate::loop {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

struct Probe final : Timer {
  explicit Probe(std::vector<int>& log, int name = 0) : fired(log), id(name) {}
  void expired() override { fired.push_back(id); }
  std::vector<int>& fired;
  int id;
};

class TimerWheelTest : public ::testing::Test {
 protected:
  Time start{seconds(1000)};
  TimerWheel wheel{start};
  std::vector<int> fired;
};

TEST_F(TimerWheelTest, FiresNeverEarlyAndAtMostOneTickLate) {
  for (const int count : {1, 8, 9, 511, 512, 513, 32'768, 40'000, 3'600'000}) {
    const milliseconds due(count);
    fired.clear();
    TimerWheel fresh(start);
    Probe probe(fired);
    fresh.arm(probe, start + due);
    fresh.advance(start + due - milliseconds(1));
    EXPECT_TRUE(fired.empty()) << due.count();
    fresh.advance(start + due + TimerWheel::kTick);
    EXPECT_EQ(fired.size(), 1u) << due.count();
    EXPECT_FALSE(probe.armed());
  }
}

TEST_F(TimerWheelTest, DisarmedTimersDoNotFire) {
  Probe probe(fired);
  wheel.arm(probe, start + milliseconds(50));
  probe.disarm();
  wheel.advance(start + seconds(1));
  EXPECT_TRUE(fired.empty());
}

TEST_F(TimerWheelTest, DestroyedTimersAreForgotten) {
  { Probe probe(fired); wheel.arm(probe, start + milliseconds(50)); }
  wheel.advance(start + seconds(1));
  EXPECT_TRUE(fired.empty());
}

TEST_F(TimerWheelTest, UntilNextNeverOversleeps) {
  Probe near(fired, 1), far(fired, 2);
  wheel.arm(far, start + minutes(10));
  EXPECT_LE(wheel.until_next(start), minutes(10) + TimerWheel::kTick);
  EXPECT_GT(wheel.until_next(start), milliseconds(0));
  wheel.arm(near, start + milliseconds(100));
  EXPECT_LE(wheel.until_next(start), milliseconds(100) + TimerWheel::kTick);
  // Sleeping exactly as told, as the reactor does, both come in time.
  Time now = start;
  for (int turns = 0; turns < 1000 && fired.size() < 2; ++turns) {
    now += std::max(milliseconds(1), wheel.until_next(now));
    wheel.advance(now);
  }
  EXPECT_EQ(fired, (std::vector<int>{1, 2}));
  EXPECT_LE(now - start, minutes(10) + 2 * TimerWheel::kTick);
}

TEST_F(TimerWheelTest, AnExpiredTimerMayArmAndDestroyOthers) {
  struct Chain final : Timer {
    TimerWheel& wheel;
    Time next;
    int left = 5;
    Chain(TimerWheel& w, Time t) : wheel(w), next(t) {}
    void expired() override {
      if (--left > 0) wheel.arm(*this, next += milliseconds(20));
    }
  } chain(wheel, start + milliseconds(20));
  wheel.arm(chain, chain.next);
  wheel.advance(start + seconds(2));
  EXPECT_EQ(chain.left, 0);
}

TEST_F(TimerWheelTest, AgreesWithASortedListOverRandomUse) {
  std::mt19937_64 random(7);
  std::deque<Probe> probes;
  std::vector<Time> due;
  Time now = start;
  for (int i = 0; i < 3000; ++i) {
    probes.emplace_back(fired, i);
    // From a millisecond to some days: every level, and beyond the wheel's span.
    const auto delay = milliseconds(1 + random() % (1ull << (random() % 28)));
    due.push_back(now + delay);
    wheel.arm(probes.back(), due.back());
    if (random() % 4 == 0) probes[random() % probes.size()].disarm();
    now += milliseconds(random() % 50);
    const std::size_t before = fired.size();
    wheel.advance(now);
    for (std::size_t k = before; k < fired.size(); ++k)
      ASSERT_LE(due[static_cast<std::size_t>(fired[k])], now);
    for (std::size_t p = 0; p < probes.size(); ++p)
      if (probes[p].armed()) {
        ASSERT_GT(due[p] + TimerWheel::kTick, now - milliseconds(0)) << p;
      }
  }
}

}  // namespace
}  // namespace envgate::loop
