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

template <std::size_t kBlock>
class LentBuffer {
 public:
  static constexpr std::size_t kSize = kBlock;

  LentBuffer() = default;
  LentBuffer(LentBuffer&& other) noexcept
      : block_(std::exchange(other.block_, nullptr)),
        begin_(std::exchange(other.begin_, 0)),
        end_(std::exchange(other.end_, 0)) {}
  LentBuffer& operator=(LentBuffer&& other) noexcept {
    std::swap(block_, other.block_);
    std::swap(begin_, other.begin_);
    std::swap(end_, other.end_);
    return *this;
  }
  ~LentBuffer() { release(); }

  bool empty() const { return begin_ == end_; }
  std::size_t size() const { return end_ - begin_; }
  std::string_view bytes() const { return {block_ + begin_, end_ - begin_}; }
  std::span<char> data() { return {block_ + begin_, end_ - begin_}; }

  // Room behind the bytes; takes a block if there is none, and moves the bytes to the front if that makes
  // room.
  std::span<char> space();
  std::size_t room() const { return kSize - end_; }  // without moving anything
  void append(std::string_view bytes) {              // Requires: there is room
    std::memcpy(space().data(), bytes.data(), bytes.size());
    commit(bytes.size());
  }
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

// The largest TLS record on the wire: header, plaintext, and what ciphers may add (RFC 8446 section 5.2).
inline constexpr std::size_t kTlsRecord = 5 + 16 * 1024 + 256;

using Buffer = LentBuffer<17 * 1024>;       // holds a record
using Outbox = LentBuffer<4 * kTlsRecord>;  // some records on their way
extern template class LentBuffer<Buffer::kSize>;
extern template class LentBuffer<Outbox::kSize>;

}  // namespace envgate::net
