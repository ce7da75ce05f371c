#include "gateway/loop/event.hpp"

#include <utility>

#include "base/check.hpp"

namespace envgate::loop {

void Event::set() {
  set_ = true;
  if (waiter_ && !waiter_->queued_) waiter_->finish();
}

Event::Wait::~Wait() {
  if (event_.waiter_ == this) event_.waiter_ = nullptr;
  if (queued_) event_.reactor_.take_back(handle_);
}

void Event::Wait::await_suspend(std::coroutine_handle<> handle) {
  CHECK(!event_.waiter_);
  handle_ = handle;
  event_.waiter_ = this;
  if (deadline_ != kNever) event_.reactor_.timers().arm(*this, deadline_);
}

void Event::Wait::finish() {
  disarm();
  queued_ = true;
  event_.reactor_.run_soon(handle_);
}

void Event::Wait::expired() {
  if (!queued_) finish();
}

bool Event::Wait::await_resume() {
  queued_ = false;
  if (event_.waiter_ == this) event_.waiter_ = nullptr;
  return std::exchange(event_.set_, false);
}

void WatchReady::await_suspend(std::coroutine_handle<> handle) {
  handle_ = handle;
  watch_.arm(direction_, *this);
  if (deadline_ != kNever) watch_.reactor().timers().arm(*this, deadline_);
}

void WatchReady::finish(bool ready) {
  ready_ = ready;
  disarm();
  watch_.disarm(direction_);
  std::exchange(handle_, nullptr).resume();
}

}  // namespace envgate::loop
