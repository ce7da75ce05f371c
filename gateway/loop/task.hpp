// Task<T>: a coroutine that runs on one reactor. It is lazy (nothing runs before it is awaited, or started by
// a Scope), move-only, and owns its frame: destroying a Task that is suspended cancels it, and every awaiter
// in its frame takes itself off whatever it waits for.
//
// Thread: the reactor's own, for its whole life.
// Errors: expected failures are in T. An exception that leaves a task ends the process: nothing above it
// could know which half of the work was done.
//
// Resuming is by plain calls, not symmetric transfer, which overflowed the stack at -O0, -O1 and under ASan
// with g++ 12. Depth stays bounded all the same: a child that ends without suspending returns to its parent's
// `await_suspend`, which then does not suspend, so that a loop of such children uses no stack.
//
// Never await inside a condition or a conditional expression: g++ 12 then leaves the flag unset by which an
// early co_return knows whether the awaited temporary exists, and destroys garbage (seen under valgrind at
// -O0). Await into a variable first. tests/architecture fails on it.
#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

#include "gateway/loop/frame_pool.hpp"

namespace envgate::loop {

template <typename T>
class Task;

namespace detail {

class PromiseBase {
 public:
  static void* operator new(std::size_t size) { return FramePool::allocate(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { FramePool::release(frame, size); }

  std::suspend_always initial_suspend() noexcept { return {}; }

  struct Finish {
    bool await_ready() noexcept { return false; }
    template <typename Promise>
    void await_suspend(std::coroutine_handle<Promise> ended) noexcept {
      // The parent usually destroys `ended` before resume() returns: touch nothing afterwards.
      PromiseBase& promise = ended.promise();
      if (!promise.inside_first_resume_) promise.parent_.resume();
    }
    void await_resume() noexcept {}
  };
  Finish final_suspend() noexcept { return {}; }
  void unhandled_exception() noexcept { std::terminate(); }

  // Runs the task until it first suspends or ends; true if it suspended and will resume `parent` when it
  // ends.
  template <typename Promise>
  bool start(std::coroutine_handle<Promise> self, std::coroutine_handle<> parent) {
    parent_ = parent;
    inside_first_resume_ = true;
    self.resume();
    inside_first_resume_ = false;
    return !self.done();
  }

 private:
  std::coroutine_handle<> parent_;
  bool inside_first_resume_ = false;
};

template <typename T>
class Promise final : public PromiseBase {
 public:
  Task<T> get_return_object() noexcept;
  template <typename U>
  void return_value(U&& value) {
    value_.emplace(std::forward<U>(value));
  }
  T take() { return std::move(*value_); }

 private:
  std::optional<T> value_;
};

template <>
class Promise<void> final : public PromiseBase {
 public:
  Task<void> get_return_object() noexcept;
  void return_void() noexcept {}
  void take() noexcept {}
};

}  // namespace detail

template <typename T = void>
class [[nodiscard]] Task {
 public:
  using promise_type = detail::Promise<T>;
  using Handle = std::coroutine_handle<promise_type>;

  explicit Task(Handle handle) noexcept : handle_(handle) {}
  Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Task& operator=(Task&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Task() {
    if (handle_) handle_.destroy();
  }

  struct Awaiter {
    Handle handle;
    bool await_ready() noexcept { return false; }
    bool await_suspend(std::coroutine_handle<> parent) { return handle.promise().start(handle, parent); }
    T await_resume() { return handle.promise().take(); }
  };
  Awaiter operator co_await() && noexcept { return Awaiter{handle_}; }

 private:
  Handle handle_;
};

template <typename T>
Task<T> detail::Promise<T>::get_return_object() noexcept {
  return Task<T>(std::coroutine_handle<Promise<T>>::from_promise(*this));
}
inline Task<void> detail::Promise<void>::get_return_object() noexcept {
  return Task<void>(std::coroutine_handle<Promise<void>>::from_promise(*this));
}

}  // namespace envgate::loop
