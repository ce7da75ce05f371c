#include "gateway/http/h2_memory.hpp"

#include "gateway/loop/spares.hpp"

namespace envgate::http {
namespace {

constexpr std::size_t kKeptBytes =
    4 * 1024;  // of each of a block's texts: an unusual head's memory goes back

using Spares = loop::Spares<H2Block, 64>;

void clear_text(std::string& text) {
  if (text.capacity() > kKeptBytes) text = std::string();
  else text.clear();
}

}  // namespace

bool H2Block::add(std::string_view name, std::string_view value, std::size_t most_bytes,
                  std::size_t most_fields) {
  if (sizes_.size() >= most_fields || text_.size() + name.size() + value.size() > most_bytes) return false;
  text_.append(name).append(value);
  sizes_.push_back({static_cast<std::uint32_t>(name.size()), static_cast<std::uint32_t>(value.size())});
  return true;
}

std::span<const NameValue> H2Block::fields() const {
  thread_local std::vector<NameValue> views;
  views.clear();
  std::string_view rest = text_;
  for (const Size& size : sizes_) {
    views.push_back({rest.substr(0, size.name), rest.substr(size.name, size.value)});
    rest.remove_prefix(size.name + size.value);
  }
  return views;
}

void H2Block::clear() {
  clear_text(text_);
  clear_text(out);
  sizes_.clear();
  list.clear();
}

void GiveBack::operator()(H2Block* block) const noexcept {
  std::unique_ptr<H2Block> mine(block);
  mine->clear();
  Spares::give(std::move(mine));
}

H2BlockPtr take_block() {
  std::unique_ptr<H2Block> spare = Spares::take();
  return H2BlockPtr(spare ? spare.release() : new H2Block);
}

}  // namespace envgate::http
