// Who waits for a change is woken at once, and not twice within a moment.
#include "control/api/hub.hpp"

#include <gtest/gtest.h>

namespace envgate::control::api {
namespace {

using namespace std::chrono_literals;

class HubTest : public testing::Test {
 protected:
  // Sleeps at most `time`; says how long.
  std::chrono::steady_clock::duration sleep(std::chrono::milliseconds time) {
    const auto begun = std::chrono::steady_clock::now();
    Hub::Sleeper sleeper(hub, time);
    bool awake = false;
    sleeper.timer().async_wait([&](const boost::system::error_code&) { awake = true; });
    io.restart();  // it had nothing left to do
    while (!awake && io.run_one() > 0) {
    }
    EXPECT_TRUE(awake);
    return std::chrono::steady_clock::now() - begun;
  }
  boost::asio::io_context io{1};
  Hub hub{io};
};

TEST_F(HubTest, WakesAtOnceAndThenNotWithinAMoment) {
  const auto begun = std::chrono::steady_clock::now();
  hub.poke();
  EXPECT_LT(sleep(30s), 5s);
  EXPECT_EQ(hub.wakes(), 1u);
  for (int i = 0; i < 5; ++i) hub.poke();  // just after
  EXPECT_LT(sleep(30s), 5s);
  EXPECT_GE(std::chrono::steady_clock::now() - begun, 10ms);
  EXPECT_EQ(hub.wakes(), 2u) << "five pokes are one";
  EXPECT_GE(sleep(20ms), 20ms) << "and nothing is left of them";
  EXPECT_EQ(hub.wakes(), 2u);
}

}  // namespace
}  // namespace envgate::control::api
