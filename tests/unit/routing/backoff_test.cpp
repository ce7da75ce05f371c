#include "routing/backoff.hpp"

#include <gtest/gtest.h>

namespace envgate::routing {
namespace {

using namespace std::chrono_literals;

TEST(Backoff, DoublesUpToItsMostAndBeginsAnew) {
  Backoff backoff(50ms, 2000ms);
  for (const auto most : {50ms, 100ms, 200ms, 400ms, 800ms, 1600ms, 2000ms, 2000ms}) {
    const auto delay = backoff.next();
    EXPECT_GE(delay, most / 2);
    EXPECT_LE(delay, most);
  }
  for (int i = 0; i < 100; ++i) EXPECT_LE(backoff.next(), 2000ms);
  backoff.reset();
  EXPECT_LE(backoff.next(), 50ms);
}

}  // namespace
}  // namespace envgate::routing
