#include "gateway/loop/scope.hpp"

#include "gateway/loop/frame_pool.hpp"

namespace envgate::loop {

// The coroutine around each task of a scope: it links itself into the scope and destroys itself at its end.
struct Scope::RootPromise {
  RootPromise(Scope& owner, Task<void>&) : scope(owner) {
    older = scope.newest_;
    if (older) older->newer = this;
    scope.newest_ = this;
    ++scope.size_;
  }

  ~RootPromise() {
    (newer ? newer->older : scope.newest_) = older;
    if (older) older->newer = newer;
    --scope.size_;
  }

  static void* operator new(std::size_t size) { return FramePool::allocate(size); }
  static void operator delete(void* frame, std::size_t size) noexcept { FramePool::release(frame, size); }

  Root get_return_object() noexcept;
  std::suspend_never initial_suspend() noexcept { return {}; }

  struct Finish {
    bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<RootPromise> ended) noexcept {
      Scope& scope = ended.promise().scope;
      ended.destroy();
      scope.left();
    }
    void await_resume() noexcept {}
  };
  Finish final_suspend() noexcept { return {}; }
  void return_void() noexcept {}
  void unhandled_exception() noexcept { std::terminate(); }

  Scope& scope;
  RootPromise* newer = nullptr;
  RootPromise* older = nullptr;
};

struct Scope::Root {
  using promise_type = RootPromise;
};

Scope::Root Scope::RootPromise::get_return_object() noexcept { return {}; }

Scope::Root Scope::run(Scope&, Task<void> task) { co_await std::move(task); }

void Scope::start(Task<void> task) { run(*this, std::move(task)); }

void Scope::cancel() {
  while (newest_) std::coroutine_handle<RootPromise>::from_promise(*newest_).destroy();
}

void Scope::left() {
  if (size_ == 0 && joiner_) std::exchange(joiner_, nullptr).resume();
}

}  // namespace envgate::loop
