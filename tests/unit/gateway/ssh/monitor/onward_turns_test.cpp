#include "gateway/ssh/monitor/onward_turns.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <thread>
#include <vector>

namespace envgate::ssh::monitor {
namespace {

using routing::EnvId;

const EnvId kOne = *EnvId::parse("one"), kOther = *EnvId::parse("other");

TEST(OnwardTurnsTest, SoManyAndNoMoreOfOneTarget) {
  OnwardTurns turns;
  std::array<OnwardTurn, OnwardTurns::kMost> held;
  for (OnwardTurn& turn : held) EXPECT_TRUE(turns.take(kOne, turn));
  OnwardTurn late, elsewhere;
  EXPECT_FALSE(turns.take(kOne, late));
  EXPECT_TRUE(turns.take(kOther, elsewhere));
  held[1].release();
  held[1].release();
  EXPECT_TRUE(turns.take(kOne, late));
  EXPECT_FALSE(turns.take(kOne, held[1]));
}

TEST(OnwardTurnsTest, DestroyedItIsGivenBack) {
  OnwardTurns turns;
  for (unsigned i = 0; i < 3 * OnwardTurns::kMost; ++i) {
    OnwardTurn turn;
    EXPECT_TRUE(turns.take(kOne, turn));
  }
}

TEST(OnwardTurnsTest, NeverMoreHoweverManyThreadsAsk) {
  OnwardTurns turns;
  std::atomic<unsigned> inside{0}, most{0}, served{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] {
      for (int round = 0; round < 200;) {
        OnwardTurn turn;
        if (!turns.take(kOne, turn)) continue;
        const unsigned now = ++inside;
        for (unsigned seen = most; now > seen && !most.compare_exchange_weak(seen, now);) {
        }
        --inside;
        ++served, ++round;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(served, 8u * 200u);
  EXPECT_LE(most, OnwardTurns::kMost);
}

}  // namespace
}  // namespace envgate::ssh::monitor
