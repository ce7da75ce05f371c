// Coroutine frames come from per-thread free lists by size, so that in steady state a request allocates
// nothing. Under a sanitizer every frame is a malloc of its own, so that a use after free is seen. Thread: a
// frame is released on the thread that made it, as a Task lives on one reactor.
#pragma once

#include <cstddef>

namespace envgate::loop {

class FramePool {
 public:
  static void* allocate(std::size_t size);
  static void release(void* frame, std::size_t size) noexcept;
};

}  // namespace envgate::loop
