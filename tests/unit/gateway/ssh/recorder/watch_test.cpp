#include "gateway/ssh/recorder/watch.hpp"

#include <gmock/gmock.h>

#include "tests/unit/gateway/ssh/recorder/fixtures.hpp"

namespace envgate::ssh::recorder::test {
namespace {

using Kind = Watched::Kind;
using testing::IsEmpty;

std::string text_of(const std::vector<Watched>& pieces) {
  std::string out;
  for (const Watched& piece : pieces) out += piece.text;
  return out;
}

TEST(Watch, FirstTheScreenThenWhatComes) {
  ScreenBudget budget;
  Screens screens(budget);
  screens.begin(1, 80, 24);
  screens.output(1, "before \xe2\x82");
  const auto watch = std::make_shared<Watch>(nullptr);
  screens.watch(watch);
  auto pieces = watch->take();
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[0].kind, Kind::resized);
  EXPECT_EQ(pieces[0].columns, 80u);
  EXPECT_EQ(pieces[1].text, "before ");
  EXPECT_THAT(watch->take(), IsEmpty());
  screens.output(1, "\xac");
  screens.output(2, "of no terminal");
  screens.resized(1, 100, 30);
  screens.ended("logged out");
  pieces = watch->take();
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[0].text, "\xe2\x82\xac") << "a character is never cut";
  EXPECT_EQ(pieces[1].rows, 30u);
  EXPECT_EQ(pieces[2].kind, Kind::ended);
  EXPECT_EQ(pieces[2].text, "logged out");
}

TEST(Watch, ASlowOneLosesAndIsTold) {
  ScreenBudget budget;
  Screens screens(budget);
  screens.begin(1, 80, 24);
  const auto watch = std::make_shared<Watch>(nullptr);
  screens.watch(watch);
  const std::string piece(32 * 1024, 'x');
  std::size_t sent = 0;
  for (int i = 0; i < 1000; ++i, sent += piece.size()) screens.output(1, piece);
  screens.output(1, "the newest");
  const auto pieces = watch->take();
  ASSERT_FALSE(pieces.empty());
  EXPECT_EQ(pieces[0].kind, Kind::lost);
  const std::string text = text_of(pieces);
  EXPECT_LE(text.size(), kWatchMost);
  EXPECT_EQ(pieces[0].bytes + text.size(), sent + 10);
  EXPECT_TRUE(text.ends_with("the newest"));
}

TEST(Watch, IsCalledOnceUntilItTakes) {
  ScreenBudget budget;
  Screens screens(budget);
  screens.begin(1, 80, 24);
  int calls = 0;
  const auto watch = std::make_shared<Watch>([&] { ++calls; });
  screens.watch(watch);
  screens.output(1, "a");
  screens.output(1, "b");
  EXPECT_EQ(calls, 1);
  watch->take();
  screens.output(1, "c");
  EXPECT_EQ(calls, 2);
  watch->close();
  screens.output(1, "d");
  EXPECT_EQ(calls, 2);
  screens.forget_closed();
  EXPECT_EQ(screens.watchers(), 0u);
}

TEST(Watch, ScreensAreBoundedEachAndTogether) {
  ScreenBudget budget;
  budget.most = 100 * 1024;
  {
    Screens screens(budget);
    for (std::uint32_t channel = 1; channel <= 10; ++channel) {
      screens.begin(channel, 80, 24);
      for (int i = 0; i < 100; ++i) screens.output(channel, std::string(1000, 'x') + "\n");
      EXPECT_LE(budget.used, budget.most);
    }
    EXPECT_GT(budget.used, 50u * 1024);
    const auto watch = std::make_shared<Watch>(nullptr);
    screens.watch(watch);
    for (const Watched& piece : watch->take()) EXPECT_LE(piece.text.size(), kScreenMost);
    screens.end(1);
  }
  EXPECT_EQ(budget.used, 0u);
}

class WatchRecorderTest : public RecorderTest {};

TEST_F(WatchRecorderTest, ASessionAsItGoesOn) {
  start();
  Handle handle = open("s-1");
  handle.write(monitor::TerminalBegan{1, 80, 24, "", ""}, now());
  handle.write(shown(1, "one "), now());
  std::atomic<int> calls{0};
  const auto watch = recorder_->subscribe("s-1", [&] { ++calls; });
  ASSERT_TRUE(watch);
  std::vector<Watched> seen;
  const auto has = [&](const std::string& text) {
    return eventually([&] {
      for (Watched& piece : watch->take()) seen.push_back(std::move(piece));
      return text_of(seen).find(text) != std::string::npos;
    });
  };
  EXPECT_TRUE(has("one "));
  handle.write(shown(1, "two"), now());
  EXPECT_TRUE(has("one two"));
  handle.close("logged out");
  EXPECT_TRUE(has("logged out"));
  EXPECT_EQ(seen.back().kind, Kind::ended);
  EXPECT_GE(calls, 2);
  watch->close();
}

TEST_F(WatchRecorderTest, WhatIsNotOpenEndsAtOnceAndWatchersAreBounded) {
  start();
  const auto none = recorder_->subscribe("s-9", nullptr);
  ASSERT_TRUE(none);
  EXPECT_TRUE(eventually([&] {
    const auto pieces = none->take();
    return !pieces.empty() && pieces[0].kind == Kind::ended;
  }));
  std::vector<std::shared_ptr<Watch>> all;
  for (std::size_t i = 1; i < kWatchersMost; ++i) {
    all.push_back(recorder_->subscribe("s-9", nullptr));
    ASSERT_TRUE(all.back());
  }
  EXPECT_FALSE(recorder_->subscribe("s-9", nullptr));
  all.front()->close();
  EXPECT_TRUE(recorder_->subscribe("s-9", nullptr));
}

}  // namespace
}  // namespace envgate::ssh::recorder::test
