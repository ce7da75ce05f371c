#include "gateway/loop/timer_wheel.hpp"

#include <algorithm>
#include <bit>

namespace envgate::loop {

using std::chrono::milliseconds;

void Timer::disarm() {
  if (!previous_) return;
  previous_->next_ = next_;
  next_->previous_ = previous_;
  next_ = previous_ = nullptr;
  if (wheel_ && wheel_->slots_[level_][slot_].empty()) wheel_->occupied_[level_] &= ~(1ull << slot_);
  wheel_ = nullptr;
}

void TimerWheel::Head::reset() { next_ = previous_ = this; }
bool TimerWheel::Head::empty() const { return next_ == this; }
Timer* TimerWheel::Head::first() const { return next_; }

TimerWheel::TimerWheel(Time start) : start_(start) {}

TimerWheel::~TimerWheel() {
  for (auto& level : slots_)
    for (Head& head : level) {
      while (!head.empty()) head.first()->disarm();
      head.next_ = head.previous_ = nullptr;
    }
}

std::uint64_t TimerWheel::tick_of(Time time) const {
  if (time <= start_) return 0;
  return static_cast<std::uint64_t>((time - start_) / kTick);
}

void TimerWheel::arm(Timer& timer, Time due) {
  timer.disarm();
  // Rounded up, so that a timer never fires early; the tick in progress is over only after the next advance.
  const Time rounded = due > Time::max() - kTick ? due : due + kTick - Clock::duration(1);
  timer.due_ = std::max(tick_of(rounded), now_ + 1);
  link(timer);
}

void TimerWheel::link(Timer& timer) {
  constexpr std::uint64_t kSpan = 1ull << (kBits * kLevels);
  timer.due_ = std::min(timer.due_, now_ + kSpan - 1);
  // The level is where the highest bit lies in which due and now differ: that slot is reached exactly when
  // the levels below it wrap to zero.
  const std::uint64_t differing = (timer.due_ ^ now_) | 1;
  const unsigned level =
      std::min((63u - static_cast<unsigned>(std::countl_zero(differing))) / kBits, kLevels - 1);
  const unsigned slot = (timer.due_ >> (level * kBits)) & (kSlots - 1);
  Head& head = slots_[level][slot];
  timer.level_ = static_cast<std::uint8_t>(level);
  timer.slot_ = static_cast<std::uint8_t>(slot);
  timer.wheel_ = this;
  timer.previous_ = head.previous_;
  timer.next_ = &head;
  head.previous_->next_ = &timer;
  head.previous_ = &timer;
  occupied_[level] |= 1ull << slot;
}

void TimerWheel::turn_over(unsigned level) {
  const unsigned slot = (now_ >> (level * kBits)) & (kSlots - 1);
  if (slot == 0 && level + 1 < kLevels) turn_over(level + 1);
  Head& head = slots_[level][slot];
  while (!head.empty()) {
    Timer& timer = *head.first();
    timer.disarm();
    link(timer);  // due_ is near now: it lands in a lower level, or in the slot that is fired next
  }
}

void TimerWheel::fire(Head& slot) {
  // Taken off one by one: an expired timer may disarm, arm or destroy any other. What it arms is due later.
  while (!slot.empty()) {
    Timer& timer = *slot.first();
    timer.disarm();
    timer.expired();
  }
}

void TimerWheel::advance(Time now) {
  const std::uint64_t target = tick_of(now);
  while (now_ < target) {
    // Whole empty stretches are skipped up to the next turn of level 0.
    if (occupied_[0] == 0) {
      const std::uint64_t boundary = (now_ | (kSlots - 1)) + 1;
      now_ = std::min(boundary, target);
      if (now_ != boundary) return;
    } else {
      ++now_;
    }
    if ((now_ & (kSlots - 1)) == 0) turn_over(1);
    fire(slots_[0][now_ & (kSlots - 1)]);
  }
}

milliseconds TimerWheel::until_next(Time now) const {
  std::uint64_t next = now_ + static_cast<std::uint64_t>(std::chrono::hours(1) / kTick);
  for (unsigned level = 0; level < kLevels; ++level) {
    if (!occupied_[level]) continue;
    const unsigned shift = level * kBits;
    const unsigned here = (now_ >> shift) & (kSlots - 1);
    // The next occupied slot after this one, going round.
    const std::uint64_t turned = std::rotr(occupied_[level], static_cast<int>((here + 1) % kSlots));
    const std::uint64_t ahead = static_cast<unsigned>(std::countr_zero(turned)) + 1;
    next = std::min(next, ((now_ >> shift) + ahead) << shift);
  }
  const Time at = start_ + kTick * static_cast<std::int64_t>(next);
  return at <= now ? milliseconds(0) : std::chrono::ceil<milliseconds>(at - now);
}

}  // namespace envgate::loop
