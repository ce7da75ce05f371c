#include "gateway/loop/frame_pool.hpp"

#include <array>
#include <new>

namespace envgate::loop {

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)

void* FramePool::allocate(std::size_t size) { return ::operator new(size); }
void FramePool::release(void* frame, std::size_t size) noexcept { ::operator delete(frame, size); }

#else

namespace {

constexpr std::size_t kStep = 64;             // one cache line
constexpr std::size_t kClasses = 32;          // frames up to 2 KiB are pooled
constexpr std::size_t kKeptBytes = 256 << 10;  // per class: the rest goes back to malloc after a burst

struct Free {
  Free* next;
};

struct Class {
  Free* head = nullptr;
  std::size_t kept = 0;
};

struct Pool {
  std::array<Class, kClasses> classes;
  ~Pool() {
    for (Class& c : classes)
      while (Free* frame = c.head) {
        c.head = frame->next;
        ::operator delete(frame);
      }
  }
};

thread_local Pool pool;

std::size_t class_of(std::size_t size) { return (size - 1) / kStep; }

}  // namespace

void* FramePool::allocate(std::size_t size) {
  const std::size_t index = class_of(size);
  if (index >= kClasses) return ::operator new(size);
  Class& c = pool.classes[index];
  if (!c.head) return ::operator new((index + 1) * kStep);
  Free* const frame = c.head;
  c.head = frame->next;
  --c.kept;
  return frame;
}

void FramePool::release(void* frame, std::size_t size) noexcept {
  const std::size_t index = class_of(size);
  if (index >= kClasses) return ::operator delete(frame);
  Class& c = pool.classes[index];
  if (c.kept * (index + 1) * kStep >= kKeptBytes) return ::operator delete(frame);
  c.head = new (frame) Free{c.head};
  ++c.kept;
}

#endif

}  // namespace envgate::loop
