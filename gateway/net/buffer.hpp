// A block of memory that is lent while bytes are there and given back when they are not, so that an idle
// connection holds none. Blocks come from a per-thread free list.
// Thread: a buffer is released on the thread that filled it.
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

namespace envgate::net {

class Buffer {
 public:
  // Holds the largest TLS record on the wire: 5 + 16,384 + 256 bytes (RFC 8446 section 5.2).
  static constexpr std::size_t kSize = 17 * 1024;

  Buffer() = default;
  Buffer(Buffer&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        begin_(std::exchange(other.begin_, 0)),
        end_(std::exchange(other.end_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    return *this;
  }
  ~Buffer() { release(); }

  bool empty() const { return begin_ == end_; }
  std::size_t size() const { return end_ - begin_; }
  std::string_view bytes() const { return {block_ + begin_, end_ - begin_}; }
  std::span<char> data() { return {block_ + begin_, end_ - begin_}; }

  // Room behind the bytes; takes a block if there is none, and moves the bytes to the front if that makes
  // room.
  std::span<char> space();
  void commit(std::size_t n) { end_ += n; }
  void consume(std::size_t n) {
    begin_ += n;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  bool full() const { return block_ && end_ - begin_ == kSize; }
  void release();

 private:
  char* block_ = nullptr;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace envgate::net
