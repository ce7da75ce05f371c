// Some TLS records on their way, so that they leave in one call: a block lent while bytes are in it.
// Thread: a block is given back on the thread that took it.
#pragma once

#include <cstddef>
#include <string_view>

namespace envgate::net {

class Outbox {
 public:
  static constexpr std::size_t kRecord = 5 + 16 * 1024 + 256;  // RFC 8446 section 5.2
  static constexpr std::size_t kSize = 4 * kRecord;

  Outbox() = default;
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;
  ~Outbox() { release(); }

  bool empty() const { return begin_ == end_; }
  std::string_view bytes() const { return {block_ + begin_, end_ - begin_}; }
  std::size_t room() const { return kSize - end_; }
  void append(std::string_view bytes);  // Requires: there is room
  void consume(std::size_t n) {
    begin_ += n;
    if (begin_ == end_) release();
  }

 private:
  void release();
  char* block_ = nullptr;
  std::size_t begin_ = 0, end_ = 0;
};

}  // namespace envgate::net
