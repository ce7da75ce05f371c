#include "gateway/http/h2_chain.hpp"

#include <algorithm>
#include <cstring>

namespace envgate::http {

void H2Chain::append(std::string_view bytes) {
  size_ += bytes.size();
  while (!bytes.empty()) {
    if (blocks_.empty() || blocks_.back().full()) blocks_.emplace_back();
    const std::span<char> room = blocks_.back().space();
    const std::size_t n = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), n);
    blocks_.back().commit(n);
    bytes.remove_prefix(n);
  }
}

std::string_view H2Chain::front() const {
  return blocks_.empty() ? std::string_view() : blocks_.front().bytes().substr(taken_);
}

void H2Chain::pop(std::size_t n) {
  taken_ += n;
  size_ -= n;
  if (blocks_.empty() || taken_ < blocks_.front().size()) return;
  blocks_.erase(blocks_.begin());
  taken_ = 0;
}

void H2Chain::keep_front() {
  if (blocks_.size() > 1) blocks_.erase(blocks_.begin() + 1, blocks_.end());
  size_ = front().size();
}

void H2Chain::clear() {
  std::vector<net::Buffer>().swap(blocks_);
  taken_ = size_ = 0;
}

}  // namespace envgate::http
