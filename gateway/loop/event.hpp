// Small awaitables: yielding to other work, sleeping, and an event that one task waits for and another sets.
// Cancel: destroying the waiting task takes its wait back.
// Thread: the reactor's.
#pragma once

#include <coroutine>

#include "gateway/loop/reactor.hpp"

namespace envgate::loop {

// co_await yield(reactor): goes on in the next turn, after every ready fd had its turn.
class Yield {
 public:
  explicit Yield(Reactor& reactor) : reactor_(reactor) {}
  ~Yield() {
    if (handle_) reactor_.take_back(handle_);
  }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    reactor_.run_next(handle);
  }
  void await_resume() noexcept { handle_ = nullptr; }

 private:
  Reactor& reactor_;
  std::coroutine_handle<> handle_;
};
inline Yield yield(Reactor& reactor) { return Yield(reactor); }

// Set once or many times; `wait` resumes when it is set and resets it. True: set; false: the deadline came
// first. One waiter at a time. `set` never runs the waiter at once: it runs later in the turn.
class Event {
 public:
  explicit Event(Reactor& reactor) : reactor_(reactor) {}
  void set();
  bool is_set() const { return set_; }
  void reset() { set_ = false; }

  class Wait final : Timer {
   public:
    Wait(Event& event, Deadline deadline) : event_(event), deadline_(deadline) {}
    ~Wait();
    bool await_ready() const noexcept { return event_.set_; }
    void await_suspend(std::coroutine_handle<> handle);
    bool await_resume();

   private:
    friend class Event;
    void expired() override;
    void finish();

    Event& event_;
    Deadline deadline_;
    std::coroutine_handle<> handle_;
    bool queued_ = false;
  };
  Wait wait(Deadline deadline = kNever) { return Wait(*this, deadline); }

 private:
  Reactor& reactor_;
  bool set_ = false;
  Wait* waiter_ = nullptr;
};

// co_await WatchReady{...}: true when the direction is ready (or `already` is), false when the deadline came
// first.
class WatchReady final : Waiter, Timer {
 public:
  WatchReady(Watch& watch, Direction direction, Deadline deadline, bool already = false)
      : watch_(watch), deadline_(deadline), direction_(direction), ready_(already) {}
  WatchReady(const WatchReady&) = delete;
  WatchReady& operator=(const WatchReady&) = delete;
  ~WatchReady() {
    if (handle_) watch_.disarm(direction_);
  }
  bool await_ready() noexcept { return ready_ = ready_ || watch_.ready(direction_); }
  void await_suspend(std::coroutine_handle<> handle);
  bool await_resume() const noexcept { return ready_; }

 private:
  void ready() override { finish(true); }
  void expired() override { finish(false); }
  void finish(bool ready);

  Watch& watch_;
  Deadline deadline_;
  std::coroutine_handle<> handle_;
  Direction direction_;
  bool ready_;
};

// co_await sleep_until(reactor, time).
class Sleep final : Timer {
 public:
  Sleep(Reactor& reactor, Deadline until) : reactor_(reactor), until_(until) {}
  bool await_ready() const noexcept { return until_ <= reactor_.now(); }
  void await_suspend(std::coroutine_handle<> handle) {
    handle_ = handle;
    reactor_.timers().arm(*this, until_);
  }
  void await_resume() const noexcept {}

 private:
  void expired() override { handle_.resume(); }
  Reactor& reactor_;
  Deadline until_;
  std::coroutine_handle<> handle_;
};
inline Sleep sleep_until(Reactor& reactor, Deadline until) { return Sleep(reactor, until); }

}  // namespace envgate::loop
