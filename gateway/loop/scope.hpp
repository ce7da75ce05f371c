// A Scope owns running tasks: it starts them, counts them, lets one wait until all have ended, and cancels
// what is left when it is destroyed. Every task that is not awaited by another belongs to a Scope. Thread:
// the reactor's. Requires: a Scope is not destroyed by one of its own tasks.
#pragma once

#include <coroutine>
#include <cstddef>

#include "gateway/loop/task.hpp"

namespace envgate::loop {

class Scope {
 public:
  Scope() = default;
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() { cancel(); }

  // Runs `task` until it first suspends, then returns.
  void start(Task<void> task);

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // Destroys every task that is still there, newest first.
  void cancel();

  // co_await scope.ended(): resumes when the scope is empty. One awaiter at a time.
  struct Ended {
    Scope& scope;
    bool await_ready() const noexcept { return scope.empty(); }
    void await_suspend(std::coroutine_handle<> handle) noexcept { scope.joiner_ = handle; }
    void await_resume() const noexcept {}
    ~Ended() { scope.joiner_ = nullptr; }
  };
  Ended ended() { return Ended{*this}; }

 private:
  struct Root;
  struct RootPromise;
  static Root run(Scope& scope, Task<void> task);
  void left();

  RootPromise* newest_ = nullptr;
  std::size_t size_ = 0;
  std::coroutine_handle<> joiner_;
};

}  // namespace envgate::loop
