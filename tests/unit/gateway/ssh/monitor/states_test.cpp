#include "gateway/ssh/monitor/states.hpp"

#include <gtest/gtest.h>

#include <set>

namespace envgate::ssh::monitor {
namespace {

constexpr State kAll[] = {State::key_exchange, State::authenticating, State::onward, State::relaying,
                          State::jumping};

std::set<State> states_of(const ToMonitor& message) {
  std::set<State> out;
  for (const State state : kAll)
    if (may_say(state, message)) out.insert(state);
  return out;
}

TEST(States, EachMessageHasItsPlace) {
  using S = std::set<State>;
  EXPECT_EQ(states_of(Handshaken{}), S{State::key_exchange});
  EXPECT_EQ(states_of(Userauth{}), S{State::authenticating});
  EXPECT_EQ(states_of(TargetReady{}), S{State::onward});
  EXPECT_EQ(states_of(TargetFailed{}), S{State::onward});
  EXPECT_EQ(states_of(Record{}), S{State::relaying});
  EXPECT_EQ(states_of(Jump{}), S{State::jumping});
  EXPECT_EQ(states_of(Pong{}), (S{State::relaying, State::jumping}));
  EXPECT_EQ(states_of(Ended{}).size(), std::size(kAll));
}

}  // namespace
}  // namespace envgate::ssh::monitor
