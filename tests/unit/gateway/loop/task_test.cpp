#include "gateway/loop/task.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "gateway/loop/event.hpp"
#include "gateway/loop/reactor.hpp"
#include "gateway/loop/scope.hpp"

namespace envgate::loop {
namespace {

using std::chrono::milliseconds;

// Runs the reactor until `done` says so, or fails after two seconds.
void run_until(Reactor& reactor, const std::function<bool()>& done) {
  struct Poll final : Timer {
    Reactor& reactor;
    const std::function<bool()>& done;
    Time give_up;
    Poll(Reactor& r, const std::function<bool()>& d)
        : reactor(r), done(d), give_up(Clock::now() + std::chrono::seconds(2)) {
      expired();
    }
    void expired() override {
      if (done() || Clock::now() > give_up) return reactor.stop();
      reactor.timers().arm(*this, reactor.now() + milliseconds(1));
    }
  } poll(reactor, done);
  reactor.run();
  EXPECT_TRUE(done());
}

struct Trace {
  std::string text;
  struct Guard {
    std::string& text;
    ~Guard() { text += "~"; }
  };
};

Task<int> answer() { co_return 42; }
Task<int> add(Task<int> a, Task<int> b) { co_return co_await std::move(a) + co_await std::move(b); }
Task<void> store(Task<int> task, int& out) { out = co_await std::move(task); }

TEST(Task, RunsOnlyWhenAwaited) {
  Reactor reactor;
  Scope scope;
  int out = 0;
  Task<void> task = store(add(answer(), answer()), out);
  EXPECT_EQ(out, 0);
  scope.start(std::move(task));
  EXPECT_EQ(out, 84);
  EXPECT_TRUE(scope.empty());
}

Task<void> count_down(int from, int& steps) {
  for (int i = 0; i < from; ++i) {
    co_await answer();
    ++steps;
  }
}

TEST(Task, AMillionChildrenThatDoNotSuspendUseNoStack) {
  Scope scope;
  int steps = 0;
  scope.start(count_down(1'000'000, steps));
  EXPECT_EQ(steps, 1'000'000);
}

Task<void> yield_often(Reactor& reactor, int times, int& steps) {
  for (int i = 0; i < times; ++i) {
    co_await yield(reactor);
    ++steps;
  }
}

TEST(Task, SuspendedTasksGoOnInLaterTurns) {
  Reactor reactor;
  Scope scope;
  int steps = 0;
  scope.start(yield_often(reactor, 1000, steps));
  EXPECT_EQ(steps, 0);
  run_until(reactor, [&] { return scope.empty(); });
  EXPECT_EQ(steps, 1000);
}

Task<void> wait_for(Event& event, Trace& trace, Deadline deadline = kNever) {
  Trace::Guard guard{trace.text};
  const bool set = co_await event.wait(deadline);
  trace.text += set ? "set" : "late";
}

TEST(Task, DestroyingAScopeCancelsWhatWaits) {
  Reactor reactor;
  Event event(reactor);
  Trace trace;
  {
    Scope scope;
    scope.start(wait_for(event, trace));
    EXPECT_EQ(scope.size(), 1u);
  }
  EXPECT_EQ(trace.text, "~");
  event.set();  // nobody is there any more
  EXPECT_TRUE(event.is_set());
}

TEST(Event, CancelledBetweenSetAndResume) {
  Reactor reactor;
  Event event(reactor);
  Trace trace;
  auto scope = std::make_unique<Scope>();
  scope->start(wait_for(event, trace));
  event.set();
  EXPECT_EQ(trace.text, "");  // set never runs the waiter at once
  scope.reset();
  EXPECT_EQ(trace.text, "~");
  reactor.post([&] { reactor.stop(); });
  reactor.run();
}

TEST(Event, DeadlineComesFirst) {
  Reactor reactor;
  Event event(reactor);
  Trace trace;
  Scope scope;
  scope.start(wait_for(event, trace, reactor.now() + milliseconds(20)));
  run_until(reactor, [&] { return scope.empty(); });
  EXPECT_EQ(trace.text, "late~");
}

Task<void> join(Scope& scope, bool& joined) {
  co_await scope.ended();
  joined = true;
}

TEST(Scope, EndedResumesWhenTheLastTaskLeaves) {
  Reactor reactor;
  Scope workers, waiting;
  int steps = 0;
  bool joined = false;
  workers.start(yield_often(reactor, 3, steps));
  workers.start(yield_often(reactor, 7, steps));
  waiting.start(join(workers, joined));
  EXPECT_FALSE(joined);
  run_until(reactor, [&] { return joined; });
  EXPECT_EQ(steps, 10);
}

struct Sockets {
  int ends[2];
  Sockets() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends), 0); }
  ~Sockets() {
    for (const int fd : ends)
      if (fd >= 0) ::close(fd);
  }
};

struct CountReady final : Waiter {
  Watch& watch;
  int reads = 0;
  explicit CountReady(Watch& w) : watch(w) {}
  void ready() override {
    ++reads;
    char bytes[64];
    while (::recv(watch_fd, bytes, sizeof(bytes), 0) > 0) {
    }
    watch.clear(Direction::read);
  }
  int watch_fd = -1;
};

TEST(Watch, ReportsEachArrivalOnce) {
  Reactor reactor;
  Sockets sockets;
  Watch watch;
  ASSERT_TRUE(watch.open(reactor, sockets.ends[0]));
  watch.clear(Direction::read);
  CountReady waiter(watch);
  waiter.watch_fd = sockets.ends[0];
  watch.arm(Direction::read, waiter);
  ASSERT_EQ(::write(sockets.ends[1], "a", 1), 1);
  run_until(reactor, [&] { return waiter.reads == 1; });
  EXPECT_FALSE(watch.ready(Direction::read));
  EXPECT_FALSE(watch.peer_closed());
  watch.close();
}

TEST(Watch, AFinKeepsTheReadDirectionReady) {
  Reactor reactor;
  Sockets sockets;
  Watch watch;
  ASSERT_TRUE(watch.open(reactor, sockets.ends[0]));
  ASSERT_EQ(::write(sockets.ends[1], "bye", 3), 3);
  ::shutdown(sockets.ends[1], SHUT_WR);
  run_until(reactor, [&] { return watch.peer_closed(); });
  watch.clear(Direction::read);  // what a short read does
  EXPECT_TRUE(watch.ready(Direction::read)) << "the end behind the bytes would never be seen";
  watch.close();
}

TEST(Watch, EventsOfAClosedDescriptorAreDropped) {
  Reactor reactor;
  Sockets first, second;
  Watch one, two;
  ASSERT_TRUE(one.open(reactor, first.ends[0]));
  ASSERT_TRUE(two.open(reactor, second.ends[0]));
  one.clear(Direction::read);
  two.clear(Direction::read);
  // Both become ready in one batch; whichever comes first closes the other.
  struct Closer final : Waiter {
    Watch* other;
    int calls = 0;
    void ready() override {
      ++calls;
      if (other->is_open()) other->close();
    }
  } close_two, close_one;
  close_two.other = &two;
  close_one.other = &one;
  one.arm(Direction::read, close_two);
  two.arm(Direction::read, close_one);
  ASSERT_EQ(::write(first.ends[1], "x", 1), 1);
  ASSERT_EQ(::write(second.ends[1], "x", 1), 1);
  run_until(reactor, [&] { return close_one.calls + close_two.calls > 0; });
  EXPECT_EQ(close_one.calls + close_two.calls, 1);
  one.close();
  two.close();
}

TEST(Reactor, PostRunsInOrderFromOtherThreads) {
  Reactor reactor;
  std::vector<int> seen;
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) reactor.post([&seen, i] { seen.push_back(i); });
    reactor.post([&] { reactor.stop(); });
  });
  reactor.run();
  other.join();
  ASSERT_EQ(seen.size(), 1000u);
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

struct EndProbe final : TurnEnd {
  int calls = 0;
  void turn_ended() override { ++calls; }
};

TEST(Reactor, TurnEndsRunOncePerTurn) {
  Reactor reactor;
  EndProbe probe;
  reactor.post([&] {
    reactor.at_turn_end(probe);
    reactor.at_turn_end(probe);
    EXPECT_EQ(probe.calls, 0);
  });
  run_until(reactor, [&] { return probe.calls > 0; });
  EXPECT_EQ(probe.calls, 1);
}

TEST(Reactor, ADestroyedTurnEndIsNotCalled) {
  Reactor reactor;
  bool turned = false;
  reactor.post([&] {
    EndProbe gone;
    reactor.at_turn_end(gone);
  });
  reactor.post([&] { turned = true; });
  run_until(reactor, [&] { return turned; });
}

}  // namespace
}  // namespace envgate::loop
