#include "gateway/net/buffer.hpp"

#include "gateway/loop/spares.hpp"

namespace envgate::net {
namespace {

template <std::size_t kSize>
struct Block {
  char bytes[kSize];
};
template <std::size_t kSize>
using Spares = loop::Spares<Block<kSize>, (1 << 20) / kSize>;  // a megabyte of each size

}  // namespace

template <std::size_t kBlock>
std::span<char> LentBuffer<kBlock>::space() {
  if (!block_) {
    std::unique_ptr<Block<kBlock>> spare = Spares<kBlock>::take();
    block_ = (spare ? spare.release() : new Block<kBlock>)->bytes;
  } else if (begin_ > 0 && end_ == kSize) {
    std::memmove(block_, block_ + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  return {block_ + end_, kSize - end_};
}

template <std::size_t kBlock>
void LentBuffer<kBlock>::release() {
  if (!block_) return;
  Spares<kBlock>::give(std::unique_ptr<Block<kBlock>>(reinterpret_cast<Block<kBlock>*>(block_)));
  block_ = nullptr;
  begin_ = end_ = 0;
}

template class LentBuffer<Buffer::kSize>;
template class LentBuffer<Outbox::kSize>;

}  // namespace envgate::net
