#include "gateway/http/h2_allocator.hpp"

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>

#include "gateway/loop/frame_pool.hpp"

namespace envgate::http {
namespace {

// A frame's header, the length of padding, and the largest payload that nghttp2 makes by itself.
constexpr std::size_t kFrameBuffer = 9 + 1 + 16 * 1024;

// Before each object: how long it is, header included, which free(3)'s signature does not tell.
struct alignas(std::max_align_t) Header {
  std::size_t size;
};

thread_local unsigned making = 0;

char* shared_frame_buffer() {
  thread_local const std::unique_ptr<char[]> buffer(new char[kFrameBuffer]);
  return buffer.get();
}

Header* header_of(void* object) { return static_cast<Header*>(object) - 1; }

void* take(std::size_t size, void*) {
  if (size > PTRDIFF_MAX) return nullptr;
  try {
    auto* const header = new (loop::FramePool::allocate(size + sizeof(Header))) Header{size + sizeof(Header)};
    return header + 1;
  } catch (const std::bad_alloc&) {
    return nullptr;  // as C expects it
  }
}

void give(void* object, void*) {
  if (!object || object == shared_frame_buffer()) return;
  Header* const header = header_of(object);
  loop::FramePool::release(header, header->size);
}

void* take_zeroed(std::size_t count, std::size_t size, void* user) {
  if (size != 0 && count > PTRDIFF_MAX / size) return nullptr;
  void* const object = take(count * size, user);
  return object ? std::memset(object, 0, count * size) : nullptr;
}

void* resize(void* object, std::size_t size, void* user) {
  if (!object) return making > 0 && size == kFrameBuffer ? shared_frame_buffer() : take(size, user);
  const std::size_t before =
      object == shared_frame_buffer() ? kFrameBuffer : header_of(object)->size - sizeof(Header);
  if (size <= before) return object;
  void* const larger = take(size, user);
  if (!larger) return nullptr;
  std::memcpy(larger, object, before);
  give(object, user);
  return larger;
}

}  // namespace

H2Allocator::H2Allocator() { ++making; }
H2Allocator::~H2Allocator() { --making; }

nghttp2_mem* H2Allocator::functions() {
  static nghttp2_mem all{nullptr, take, give, take_zeroed, resize};
  return &all;
}

}  // namespace envgate::http
