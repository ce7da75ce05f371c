// Turns a reactor on the test's own thread until something has happened.
#pragma once

#include <gtest/gtest.h>

#include <functional>

#include "gateway/loop/reactor.hpp"

namespace envgate::loop {

// Runs the reactor until `done` says so, or fails after ten seconds.
inline void run_until(Reactor& reactor, const std::function<bool()>& done) {
  struct Poll final : Timer {
    Reactor& reactor;
    const std::function<bool()>& done;
    Time give_up = Clock::now() + std::chrono::seconds(10);
    Poll(Reactor& r, const std::function<bool()>& d) : reactor(r), done(d) { expired(); }
    void expired() override {
      if (done() || Clock::now() > give_up) return reactor.stop();
      reactor.timers().arm(*this, reactor.now() + std::chrono::milliseconds(1));
    }
  } poll(reactor, done);
  reactor.run();
  EXPECT_TRUE(done());
}

}  // namespace envgate::loop
