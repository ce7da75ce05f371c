#include "routing/misses.hpp"

#include <gtest/gtest.h>

#include "routing/absent.hpp"
#include "tests/unit/routing/fixtures.hpp"

namespace envgate::routing {
namespace {

using testing::id;
using testing::spec;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

class MissesTest : public ::testing::Test {
 protected:
  Misses::Ask add(Misses& misses, const std::string& env, Clock::time_point now) {
    Router::Resolved resolved = [this](Resolution resolution) { answers.push_back(resolution.outcome); };
    return misses.add(id(env), resolved, now);
  }
  std::vector<Resolution::Outcome> answers;
  const Clock::time_point start = Clock::now();
};

TEST_F(MissesTest, AskOnceHoweverManyWait) {
  Misses misses(1s, 1000);
  EXPECT_EQ(add(misses, "a", start), Misses::Ask::yes);
  EXPECT_EQ(add(misses, "a", start), Misses::Ask::waiting);
  EXPECT_EQ(add(misses, "a", start), Misses::Ask::waiting);
  EXPECT_EQ(add(misses, "b", start), Misses::Ask::yes);
  EXPECT_TRUE(answers.empty());
  misses.answer(id("a"), {Resolution::Outcome::found, Route::make(spec("a", "10.0.0.1"))});
  EXPECT_EQ(answers, std::vector(3, Resolution::Outcome::found));
  misses.answer(id("a"), {});
  EXPECT_EQ(answers.size(), 3u);
  EXPECT_EQ(misses.size(), 1u);
}

TEST_F(MissesTest, HaveADeadline) {
  Misses misses(1s, 1000);
  add(misses, "a", start);
  add(misses, "b", start + 500ms);
  EXPECT_EQ(misses.expire(start + 999ms), start + 1s);
  EXPECT_TRUE(answers.empty());
  EXPECT_EQ(misses.expire(start + 1s), start + 1500ms);
  EXPECT_EQ(answers, std::vector(1, Resolution::Outcome::unavailable));
  add(misses, "a", start + 1100ms);  // asked again: a deadline of its own
  EXPECT_EQ(misses.expire(start + 1500ms), start + 2100ms);
  EXPECT_EQ(misses.expire(start + 2100ms), Clock::time_point::max());
  EXPECT_EQ(answers.size(), 3u);
}

TEST_F(MissesTest, AStormIsBounded) {
  Misses misses(1s, 100);
  int asked = 0;
  for (int i = 0; i < 10000; ++i) {
    asked +=
        add(misses, "x" + std::to_string(i), start + std::chrono::microseconds(i * 100)) == Misses::Ask::yes;
  }
  EXPECT_GE(asked, 190);  // a burst of 100, then 100 in the one second
  EXPECT_LE(asked, 201);
  misses.answer_all({});
  EXPECT_EQ(answers.size(), static_cast<std::size_t>(asked));
  EXPECT_EQ(misses.size(), 0u);
}

TEST(AbsentCache, BelievesForAWhile) {
  AbsentCache cache(1024, 1000ms);
  const auto now = Clock::now();
  EXPECT_FALSE(cache.contains(id("a"), now));
  cache.insert(id("a"), now);
  EXPECT_TRUE(cache.contains(id("a"), now));
  EXPECT_FALSE(cache.contains(id("b"), now));
  EXPECT_TRUE(cache.contains(id("a"), now + 900ms));
  EXPECT_FALSE(cache.contains(id("a"), now + 1040ms));
  cache.insert(id("a"), now);
  cache.erase(id("a"));
  EXPECT_FALSE(cache.contains(id("a"), now));
}

TEST(AbsentCache, IsBoundedAndPrefersTheNewest) {
  AbsentCache cache(1024, 10s);
  const auto now = Clock::now();
  for (int i = 0; i < 100000; ++i)
    cache.insert(id("x" + std::to_string(i)), now + std::chrono::milliseconds(i / 50));
  int kept = 0, newest = 0;
  for (int i = 0; i < 100000; ++i) {
    if (!cache.contains(id("x" + std::to_string(i)), now + 2s)) continue;
    ++kept;
    newest += i >= 90000;
  }
  EXPECT_LE(kept, 1024);
  EXPECT_GE(kept, 900);
  EXPECT_GE(newest, kept * 9 / 10);
}

}  // namespace
}  // namespace envgate::routing
