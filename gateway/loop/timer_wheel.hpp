// A hierarchical timer wheel: insert and remove are O(1) and allocate nothing, since a timer is a link in its
// owner. Four levels of 64 slots; a timer fires never early, and at most one tick of 8 ms late.
// Source: Varghese and Lauck, "Hashed and Hierarchical Timing Wheels" (1987), scheme 7.
// Thread: the reactor's.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>

namespace envgate::loop {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

// When an operation gives up: an absolute time, or never.
using Deadline = Time;
inline constexpr Deadline kNever = Time::max();

class TimerWheel;

class Timer {
 public:
  Timer() = default;
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  bool armed() const { return previous_ != nullptr; }
  void disarm();

 protected:
  ~Timer() { disarm(); }
  // Runs on the reactor; the timer is no longer armed and may be destroyed or armed again from here.
  virtual void expired() = 0;

 private:
  friend class TimerWheel;
  Timer* next_ = nullptr;
  Timer* previous_ = nullptr;
  TimerWheel* wheel_ = nullptr;
  std::uint64_t due_ = 0;  // in ticks since the wheel's start
  std::uint8_t level_ = 0, slot_ = 0;
};

class TimerWheel {
 public:
  static constexpr std::chrono::milliseconds kTick{8};

  explicit TimerWheel(Time start);
  ~TimerWheel();

  // Fires at the first tick at or after `due` (never early); beyond 37 hours it fires then. Re-arms if armed.
  void arm(Timer& timer, Time due);

  // Fires what is due at `now`, in order of ticks.
  void advance(Time now);

  // How long until `advance` may have something to do; at most an hour. Zero where it is overdue.
  std::chrono::milliseconds until_next(Time now) const;

 private:
  friend class Timer;
  static constexpr unsigned kLevels = 4, kBits = 6, kSlots = 1u << kBits;

  struct Head final : Timer {
    Head() { reset(); }
    void reset();
    bool empty() const;
    Timer* first() const;
    void expired() override {}
  };

  void link(Timer& timer);
  void turn_over(unsigned level);
  void fire(Head& slot);
  std::uint64_t tick_of(Time time) const;

  Time start_;
  std::uint64_t now_ = 0;  // the last tick that was processed
  std::array<std::array<Head, kSlots>, kLevels> slots_;
  std::array<std::uint64_t, kLevels> occupied_{};  // a bit per slot that is not empty
};

}  // namespace envgate::loop
