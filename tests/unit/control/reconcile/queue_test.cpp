#include "control/reconcile/queue.hpp"

#include <gtest/gtest.h>

#include <thread>

namespace envgate::control {
namespace {

using std::chrono::milliseconds;

std::string taken(Queue& queue) {
  const auto item = queue.take();
  return item ? item->id : "closed";
}

TEST(Queue, AnEngineAtItsLimitHoldsUpNoOther) {
  Queue queue;
  queue.set_limit("slow", 1);
  queue.nudge("a", "slow");
  queue.nudge("b", "slow");
  queue.nudge("c", "quick");
  const auto first = queue.take();
  EXPECT_EQ(first->id, "a");
  EXPECT_EQ(taken(queue), "c");
  queue.done(*first);
  EXPECT_EQ(taken(queue), "b");
}

TEST(Queue, WhatIsNudgedWhileItIsWorkedOnComesAgain) {
  Queue queue;
  queue.nudge("a", "e");
  const auto item = queue.take();
  queue.nudge("a", "e");
  queue.nudge_if_idle("a", "e");
  EXPECT_EQ(queue.waiting(), 0u) << "never twice at a time";
  queue.done(*item);
  EXPECT_EQ(taken(queue), "a");
}

TEST(Queue, AFailureWaitsUnlessItIsNudgedOrItsEngineComesBack) {
  Queue queue;
  queue.nudge("a", "e");
  queue.again(*queue.take(), std::chrono::hours(1));
  queue.nudge_if_idle("a", "e");
  queue.nudge("b", "other");
  EXPECT_EQ(taken(queue), "b");
  queue.nudge_waiting("e");
  const auto again = queue.take();
  EXPECT_EQ(again->id, "a");
  EXPECT_EQ(again->attempts, 1u);
  queue.again(*again, std::chrono::hours(1));
  queue.nudge("a", "e");
  EXPECT_EQ(queue.take()->attempts, 0u) << "asked for anew";
}

// All workers asleep, some until something that is due later: each that becomes due finds one of them.
TEST(Queue, ManyWorkersMissNothing) {
  Queue queue;
  queue.set_limit("e", 3);
  constexpr int kItems = 20'000;
  std::atomic<int> done = 0, at_once = 0, most = 0;
  std::vector<std::jthread> workers;
  for (int i = 0; i < 16; ++i)
    workers.emplace_back([&] {
      while (auto item = queue.take()) {
        if (const int now = ++at_once; now > most) most = now;
        --at_once;
        if (item->attempts < 2)
          queue.again(*item, milliseconds(item->attempts));
        else
          queue.done(*item), ++done;
      }
    });
  for (int i = 0; i < kItems; ++i) queue.nudge(std::to_string(i), "e");
  const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(2);
  while (done < kItems && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(milliseconds(1));
  EXPECT_EQ(done, kItems);
  EXPECT_LE(most, 3);
  EXPECT_EQ(queue.waiting() + queue.working(), 0u);
  queue.close();
}

}  // namespace
}  // namespace envgate::control
