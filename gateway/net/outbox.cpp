#include "gateway/net/outbox.hpp"

#include <cstring>
#include <memory>
#include <utility>
#include <vector>

#include "base/check.hpp"

namespace envgate::net {
namespace {

constexpr std::size_t kMostKept = 16;  // blocks, by each thread

std::vector<std::unique_ptr<char[]>>& kept() {
  thread_local std::vector<std::unique_ptr<char[]>> blocks;
  return blocks;
}

}  // namespace

void Outbox::append(std::string_view bytes) {
  CHECK(bytes.size() <= room());
  if (!block_) {
    auto& blocks = kept();
    if (blocks.empty()) {
      block_ = new char[kSize];
    } else {
      block_ = blocks.back().release();
      blocks.pop_back();
    }
  }
  std::memcpy(block_ + end_, bytes.data(), bytes.size());
  end_ += bytes.size();
}

void Outbox::release() {
  begin_ = end_ = 0;
  if (!block_) return;
  std::unique_ptr<char[]> block(std::exchange(block_, nullptr));
  if (auto& blocks = kept(); blocks.size() < kMostKept) blocks.push_back(std::move(block));
}

}  // namespace envgate::net
