#include "gateway/net/buffer.hpp"

#include <vector>

namespace envgate::net {
namespace {

constexpr std::size_t kKept = 64;  // blocks a thread keeps: 1.1 MB

struct Pool {
  std::vector<char*> blocks;
  Pool() { blocks.reserve(kKept); }
  ~Pool() {
    for (char* block : blocks) delete[] block;
  }
};

thread_local Pool pool;

}  // namespace

std::span<char> Buffer::space() {
  if (!block_) {
    if (pool.blocks.empty()) {
      block_ = new char[kSize];
    } else {
      block_ = pool.blocks.back();
      pool.blocks.pop_back();
    }
  } else if (begin_ > 0 && end_ == kSize) {
    std::memmove(block_, block_ + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  return {block_ + end_, kSize - end_};
}

void Buffer::release() {
  if (!block_) return;
  if (pool.blocks.size() < kKept) pool.blocks.push_back(block_);
  else delete[] block_;
  block_ = nullptr;
  begin_ = end_ = 0;
}

}  // namespace envgate::net
